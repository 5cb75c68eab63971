import Records

/// The dependency list: which path of which machine depends on which other one.
public struct DependencyList: ~Copyable {
    let table: RowTable
    let names: NameTable
    let addresses: AddressTable
    /// Addresses of the machines by their numbers.
    let machines: [NetworkAddress]
    /// What went into it and what did not.
    public let statistics: ListStatistics

    init(
        table: consuming RowTable, names: consuming NameTable, addresses: consuming AddressTable,
        machines: [NetworkAddress], statistics: ListStatistics
    ) {
        self.table = table
        self.names = names
        self.addresses = addresses
        self.machines = machines
        self.statistics = statistics
    }

    /// Writes the list as published: address A, path A, address B, path B, a row each time a line that ends
    /// with LF, without a header.
    ///
    /// Each row stands once, in the order of first appearance. Fields are quoted as in RFC 4180; bytes
    /// are written as they are.
    ///
    /// - Parameters:
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public borrowing func writeList<Failure: Error>(
        chunk: Int = 256 << 10, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let hosts = machines.map { Array($0.description.utf8) }
        var out: [UInt8] = []
        out.reserveCapacity(chunk + SeedRecord.longest)
        for row in table.rows where row.key.relation.isBetweenPaths && !row.isRepeated {
            out.append(contentsOf: hosts[Int(row.key.machineA)])
            append(row.key.pathA, to: &out)
            out.append(comma)
            out.append(contentsOf: hosts[Int(row.key.hostB)])
            append(TextID(rawValue: row.key.pathB), to: &out)
            out.append(newline)
            if out.count >= chunk { try flush(&out, sink) }
        }
        try flush(&out, sink)
    }

    /// Writes the list in the nine columns of the record format: host A, path A, relation, access, host B,
    /// path B, count, first, last; with a header, one row for each relation between two paths, and one for
    /// each connection that has only one side in the records. Times are empty where no record had one.
    ///
    /// - Parameters: as those of ``writeList(chunk:to:)``.
    public borrowing func writeRecords<Failure: Error>(
        chunk: Int = 256 << 10, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let hosts = machines.map { Array($0.description.utf8) }
        var out: [UInt8] = []
        out.reserveCapacity(chunk + SeedRecord.longest)
        out.append(contentsOf: "host A,path A,relation,access,host B,path B,count,first,last\n".utf8)
        for row in table.rows {
            out.append(contentsOf: hosts[Int(row.key.machineA)])
            append(row.key.pathA, to: &out)
            out.append(contentsOf: ",\(row.key.relation.recordWord),\(row.access.letters),".utf8)
            if row.key.relation.isBetweenPaths {
                out.append(contentsOf: hosts[Int(row.key.hostB)])
                append(TextID(rawValue: row.key.pathB), to: &out)
            } else {
                let address = addresses.addresses[Int(row.key.hostB)]
                out.append(contentsOf: "\(address),tcp:\(row.key.pathB)".utf8)
            }
            out.append(contentsOf: ",\(row.count),".utf8)
            if let times = row.span.bounds {
                out.append(contentsOf: Timestamp.text(times.lowerBound).utf8)
                out.append(comma)
                out.append(contentsOf: Timestamp.text(times.upperBound).utf8)
            } else {
                out.append(comma)
            }
            out.append(newline)
            if out.count >= chunk { try flush(&out, sink) }
        }
        try flush(&out, sink)
    }

    /// How many rows ``writeList(chunk:to:)`` writes.
    public var rowCount: Int {
        table.rows.reduce(0) { $0 + ($1.key.relation.isBetweenPaths && !$1.isRepeated ? 1 : 0) }
    }

    private borrowing func append(_ path: TextID, to out: inout [UInt8]) {
        out.append(comma)
        names.withBytes(path) { CSVField.append($0, to: &out) }
    }

    private var comma: UInt8 { UInt8(ascii: ",") }
    private var newline: UInt8 { UInt8(ascii: "\n") }

    private func flush<Failure: Error>(
        _ out: inout [UInt8], _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if out.isEmpty { return }
        try out.withUnsafeBufferPointer { bytes throws(Failure) in try sink(UnsafeRawBufferPointer(bytes)) }
        out.removeAll(keepingCapacity: true)
    }
}

extension Row.Relation {
    /// Whether both ends are paths on machines of the records.
    var isBetweenPaths: Bool { self == .file || self == .spawn || self == .connect }

    /// The word of the record format.
    fileprivate var recordWord: StaticString {
        switch self {
        case .file: Relation.file.word
        case .spawn: Relation.spawn.word
        case .connect, .farConnect: Relation.connect.word
        case .farAccept: Relation.accept.word
        }
    }
}

/// What went into a list and what did not.
public struct ListStatistics: Hashable, Sendable {
    /// What processes did whose program no record names.
    public struct Unknown: Hashable, Sendable {
        /// Files opened.
        public var opens: UInt64 = 0
        /// Programs started: an exec of a process that such a one forked.
        public var spawns: UInt64 = 0
        /// Connections taken.
        public var accepts: UInt64 = 0
        /// Connections made.
        public var connects: UInt64 = 0

        /// All together.
        public var total: UInt64 { opens + spawns + accepts + connects }
    }

    /// Accepts and connects without their other side.
    public struct Unpaired: Hashable, Sendable {
        /// Accepts whose connect is in no record.
        public var accepts: UInt64 = 0
        /// Connects whose accept is in no record.
        public var connects: UInt64 = 0

        /// All together.
        public var total: UInt64 { accepts + connects }

        subscript(side: ConnectionTable.Side) -> UInt64 {
            get { side == .accept ? accepts : connects }
            set { if side == .accept { accepts = newValue } else { connects = newValue } }
        }
    }

    /// Records read; lines that were left out are not among them.
    public var records: UInt64 = 0
    /// Connections of which both sides are known.
    public var pairs: UInt64 = 0
    /// Those of them that have no row since the program of a side is not known.
    public var pairsLeftOut: UInt64 = 0
    /// What processes did whose program is not known: left out, or kept under made up names.
    public var unknown = Unknown()
    /// One side of connections.
    public var unpaired = Unpaired()
}

/// A row of the list, with what the nine columns say of it.
struct Row {
    enum Relation: UInt8 {
        /// Between two paths; these are the rows of the published list.
        case file, spawn, connect
        /// One side of a connection whose other side is in no record: between a path and an address.
        case farConnect, farAccept
    }

    struct Key: Equatable {
        var relation: Relation
        /// Number of the machine.
        var machineA: UInt32
        var pathA: TextID
        /// Number of the machine; for far ends, number of the address.
        var hostB: UInt32
        /// Path; for far ends, the port of the service.
        var pathB: UInt32
    }

    var key: Key
    var access: Access
    /// Whether an earlier row has the same four columns and another relation.
    var isRepeated: Bool
    var count: UInt64
    var span: TimeSpan
}

/// From the first to the last of some times, in nanoseconds since 1970; nothing as long as there was none.
struct TimeSpan {
    private var first = UInt64.max
    private var last = UInt64.min

    /// The ends, if there was a time.
    var bounds: ClosedRange<UInt64>? { first <= last ? first...last : nil }

    init() {}

    init(_ time: UInt64) { add(time) }

    @inline(__always)
    mutating func add(_ time: UInt64) {
        guard time != SeedLine.noTime else { return }
        first = min(first, time)
        last = max(last, time)
    }

    @inline(__always)
    mutating func add(_ other: TimeSpan) {
        first = min(first, other.first)
        last = max(last, other.last)
    }
}

/// The rows, each once, in the order in which they first appeared.
struct RowTable: ~Copyable {
    private(set) var rows: [Row] = []
    /// Positions of rows, plus one.
    private var index = HashIndex<UInt32>()
    private let hash = SeededHash()

    /// Notes an observation.
    @inline(__always)
    mutating func note(_ key: Row.Key, access: Access = [], _ span: TimeSpan) {
        let found = search(key)
        if found.number != 0 {
            let position = Int(found.number) - 1
            rows[position].count += 1
            rows[position].access.formUnion(access)
            rows[position].span.add(span)
        } else {
            insert(Row(key: key, access: access, isRepeated: false, count: 1, span: span), at: found)
        }
    }

    private mutating func insert(_ row: Row, at place: HashIndex<UInt32>.Place) {
        var row = row
        row.isRepeated = hasSameColumns(row.key)
        rows.append(row)
        index.insert(UInt32(rows.count), row.key.spread(hash), at: place)
        if index.isFull { index.grow { rows[Int($0) - 1].key.spread(hash) } }
    }

    private func hasSameColumns(_ key: Row.Key) -> Bool {
        var other = key
        for relation in [Row.Relation.file, .spawn, .connect] where relation != key.relation {
            other.relation = relation
            if search(other).number != 0 { return true }
        }
        return false
    }

    @inline(__always)
    private func search(_ key: Row.Key) -> HashIndex<UInt32>.Place {
        index.search(key.spread(hash)) { rows[Int($0) - 1].key == key }
    }
}

extension Row.Key {
    @inline(__always)
    fileprivate func spread(_ hash: SeededHash) -> UInt64 {
        let paths = UInt64(pathA.rawValue) << 32 | UInt64(pathB)
        let hosts = UInt64(machineA) << 32 | UInt64(hostB)
        // Machines are few: their numbers leave the top for the relation.
        return hash(paths, hosts ^ UInt64(relation.rawValue) << 61)
    }
}
