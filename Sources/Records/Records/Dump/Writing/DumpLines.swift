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
        start.append("{\"type\":\"dependency\",\"host\":")
        tombstoneStart.append("{\"type\":\"tombstone\",\"host\":")
        var rest: [UInt8] = []
        JSONText.append(host, to: &rest)
        rest.append(",\"program\":")
        start += rest
        tombstoneStart += rest
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
