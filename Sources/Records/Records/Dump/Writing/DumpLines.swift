/// A dump that is being written, a piece at a time; `Ledger.advance` writes the pieces. Nothing may be forgotten
/// meanwhile: it knows records by their numbers.
public struct DumpProgress: ~Copyable {
    var lines: DumpLines
    let header: DumpHeader
    /// Records that there were when it was begun, or how many of them are meant.
    let recordCount: Int
    /// Positions of those that are meant; `nil` for all.
    let positions: [UInt32]?
    /// Gaps as they were when it was begun.
    let gaps: [Gap]
    /// Likewise.
    let processes: [ProcessDescription]
    /// Likewise.
    let tombstones: [Tombstone]
    /// The next record.
    var position = 0
    /// The next process.
    var processPosition = 0
    var hasHeader = false

    /// Begins a dump of what a ledger has now.
    ///
    /// - Parameters:
    ///   - header: the first line; its host is named on every dependency. Its `contents` is set here.
    ///   - chunk: bytes after which the next full line is handed over.
    public init(of ledger: borrowing Ledger, header: DumpHeader, chunk: Int = 256 << 10) {
        self.init(
            header, chunk: chunk, positions: nil, records: ledger.records.count, gaps: ledger.gaps,
            processes: ledger.processes, tombstones: ledger.tombstones)
    }

    /// Begins a dump of what has changed: records, gaps and tombstones of a greater change number than `change`.
    ///
    /// - Parameters:
    ///   - header: likewise; its `changes` says up to which number.
    ///   - change: 0 for everything.
    public init(
        changesOf ledger: inout Ledger, after change: UInt32, header: DumpHeader, chunk: Int = 256 << 10
    ) {
        let positions = ledger.changed(after: change)
        self.init(
            header, chunk: chunk, positions: positions, records: positions.count,
            gaps: ledger.gapsChanged(after: change) ? ledger.gaps : [], processes: [],
            tombstones: ledger.tombstones.filter { $0.change > change })
    }

    private init(
        _ header: DumpHeader, chunk: Int, positions: [UInt32]?, records: Int, gaps: [Gap],
        processes: [ProcessDescription], tombstones: [Tombstone]
    ) {
        lines = DumpLines(host: header.hostID, chunk: chunk)
        recordCount = records
        self.positions = positions
        self.gaps = gaps
        self.processes = processes
        self.tombstones = tombstones
        var header = header
        header.contents = DumpHeader.Contents(
            dependencies: UInt64(records), gaps: UInt64(gaps.count), processes: UInt64(processes.count),
            tombstones: UInt64(tombstones.count))
        self.header = header
    }

    /// How many lines there are behind the header.
    public var lineCount: Int { recordCount + gaps.count + processes.count + tombstones.count }
}

/// A dump's lines as they are put together, with what one line has in common with those before it.
struct DumpLines: ~Copyable {
    var out: LineBuffer
    var programs = ProgramTexts()
    /// Writes paths out: most records lie in the folder of the one before.
    var speller = TextSpeller()
    private let chunk: Int
    /// How every dependency's line starts.
    private var start: [UInt8] = []
    /// How every tombstone's line starts.
    private var tombstoneStart: [UInt8] = []
    /// Where what is seldom needed is put together.
    private var aside: [UInt8] = []
    private var first = RecentTime()
    private var last = RecentTime()

    /// Makes lines of a host that are handed over when one has filled `chunk` bytes.
    init(host: String, chunk: Int) {
        self.chunk = max(chunk, 1)
        // Room for the line that goes over.
        out = LineBuffer(capacity: self.chunk + min(self.chunk, 16 << 10))
        start = Self.start(host: host)
        tombstoneStart = Self.start("tombstone", host)
    }

    /// How the line of every dependency of a host starts, up to its program.
    static func start(host: String) -> [UInt8] { start("dependency", host) }

    private static func start(_ type: StaticString, _ host: String) -> [UInt8] {
        var start: [UInt8] = []
        start.append("{\"type\":\"")
        start.append(type)
        start.append("\",\"host\":")
        JSONText.append(host, to: &start)
        start.append(",\"program\":")
        return start
    }

    /// Ends a line; hands over what has been collected if it is enough.
    @inline(__always)
    mutating func endLine<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        out.append(UInt8(ascii: "\n"))
        if out.count >= chunk { try flush(sink) }
    }

    /// Hands over whatever has been collected.
    mutating func flush<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if out.count == 0 { return }
        try out.withBytes(sink)
        out.removeAll()
    }

    /// Appends what `make` appends to an array.
    mutating func append(_ make: (inout [UInt8]) -> Void) {
        aside.removeAll(keepingCapacity: true)
        make(&aside)
        aside.withUnsafeBytes { out.append($0) }
    }

    /// Everything before the program.
    @inline(__always)
    mutating func appendStart() {
        start.withUnsafeBytes { out.append($0) }
    }

    /// Everything of a tombstone before the program.
    mutating func appendTombstoneStart() {
        tombstoneStart.withUnsafeBytes { out.append($0) }
    }

    /// Count, times and evidence, and the end of the object.
    @inline(__always)
    mutating func appendEnd(of record: Record) {
        out.append(",\"count\":")
        out.append(decimal: record.count)
        out.append(",\"first\":\"")
        first.withText(of: record.first) { out.append($0) }
        out.append("\",\"last\":\"")
        last.withText(of: record.last) { out.append($0) }
        out.append("\",\"evidence\":\"")
        out.append(record.evidence.word)
        out.append("\"}")
    }

    /// Remembers the text of a program, which was appended from `offset` on.
    mutating func keep(_ program: ProgramID, from offset: Int) {
        out.withBytes(from: offset) { programs.keep(program, $0) }
    }

    mutating func append(transport: UInt8) {
        out.append(",\"transport\":\"")
        if let transport = Transport(rawValue: transport) { out.append(transport.word) }
        out.append("\"")
    }

    mutating func append(_ key: StaticString, _ endpoint: Endpoint) {
        out.append(key)
        out.append("{\"address\":\"")
        append(endpoint.address)
        out.append("\",\"port\":")
        out.append(decimal: UInt64(endpoint.port))
        out.append("}")
    }

    mutating func append(_ address: NetworkAddress) {
        append { address.append(to: &$0) }
    }
}

/// The texts of programs that were written of late. Most records name one of a few programs, each as some
/// hundred bytes that are the same every time.
///
/// A fixed number of places, chosen by the program's number: memory does not grow with the ledger, and a
/// text that finds no room is written anew each time.
struct ProgramTexts: ~Copyable {
    private static let places = 256
    private static let room = 504

    private struct Place {
        var program: UInt32 = 0
        /// 0: nothing here.
        var length: UInt32 = 0
    }

    private var index = [Place](repeating: Place(), count: places)
    private let texts = UnsafeMutableRawPointer.allocate(byteCount: places * room, alignment: 8)

    deinit { texts.deallocate() }

    /// Appends a program's text if it is known.
    @inline(__always)
    borrowing func append(_ program: ProgramID, to out: inout LineBuffer) -> Bool {
        let number = Int(program.rawValue) % Self.places
        let place = index[number]
        guard place.program == program.rawValue, place.length > 0 else { return false }
        out.append(UnsafeRawBufferPointer(start: texts + number * Self.room, count: Int(place.length)))
        return true
    }

    /// Keeps a program's text if there is room.
    mutating func keep(_ program: ProgramID, _ text: UnsafeRawBufferPointer) {
        guard !text.isEmpty, text.count <= Self.room else { return }
        let number = Int(program.rawValue) % Self.places
        (texts + number * Self.room).copyMemory(from: text.baseAddress!, byteCount: text.count)
        index[number] = Place(program: program.rawValue, length: UInt32(text.count))
    }
}
