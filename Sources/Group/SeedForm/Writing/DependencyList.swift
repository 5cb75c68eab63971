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
