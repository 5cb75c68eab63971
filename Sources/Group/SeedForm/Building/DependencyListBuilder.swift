import Records

/// Builds the dependency list of the published method from the records of any number of machines.
///
/// For each file: ``begin(machine:)``, then ``read(_:isEnd:)`` until the file is at its end, then
/// ``endFile()``; after the last one ``finish()``. The order of the lines in a file is taken for the order
/// of time; files of different machines have none.
///
/// Memory grows with the different names, rows, pids of one machine and connections that wait for their
/// other side, not with the number of records.
public struct DependencyListBuilder: ~Copyable {
    /// What to do where the records do not say all.
    public struct Options: Sendable {
        /// Whether lines that are no record are counted and left out; they end the reading otherwise.
        public var skipsBadLines = false
        /// Whether a process whose program no record tells is named `pid:N`; what it did is counted and
        /// left out otherwise.
        public var namesUnknown = false

        /// Strict, and without made up names.
        public init() {}
    }

    /// What was noticed in one file.
    public struct FileSummary: Sendable {
        /// The address of its machine.
        public var machine: NetworkAddress
        /// Lines that were left out because they are no records.
        public var badLines: UInt64 = 0
        /// The first of them.
        public var firstBadLine: BadLine?
        /// Whether the last record is not followed by a newline, so that its last field may be cut off.
        public var endsWithoutNewline = false
    }

    struct Machine {
        /// `nil` until a record tells it.
        var address: NetworkAddress?
        /// Whether the address was given, and not found in the records.
        var isNamed: Bool
    }

    let options: Options
    var parser = SeedParser()
    var names = NameTable()
    var addresses = AddressTable()
    var processes = ProcessTable()
    var connections = ConnectionTable()
    var rows = RowTable()
    var machines: [Machine] = []
    var statistics = ListStatistics()
    /// Accepts and connects so far.
    var sequence: UInt64 = 0
    private var badLines: UInt64 = 0
    private var firstBadLine: BadLine?

    /// Makes a builder that has read nothing.
    public init(_ options: Options = Options()) { self.options = options }

    /// Records that were read.
    public var recordCount: UInt64 { statistics.records }

    /// Starts a file.
    ///
    /// - Parameter machine: the address of the machine whose records it holds; `nil` to take it from the
    ///   machine's own side of its connections. A file of the machine of the file before continues it.
    /// - Throws: ``SeedError/machineAgain(_:)``.
    public mutating func begin(machine: NetworkAddress?) throws(SeedError) {
        parser.restart()
        badLines = 0
        firstBadLine = nil
        if let machine, let last = machines.last, last.isNamed, last.address == machine { return }
        if let machine, machines.contains(where: { $0.address == machine }) { throw .machineAgain(machine) }
        machines.append(Machine(address: machine, isNamed: machine != nil))
        processes = ProcessTable()
    }

    /// Reads a piece of the file.
    ///
    /// - Parameters:
    ///   - bytes: what follows the bytes that were taken before.
    ///   - isEnd: whether the file ends with them.
    /// - Returns: how many bytes were taken: all if `isEnd`, else up to the end of the last record that is
    ///   whole. The others are to be handed over again with more behind them; of more bytes than
    ///   ``SeedRecord/longest`` some are always taken.
    /// - Throws: ``SeedError/badLine(_:)``, unless they are skipped, and all the others but
    ///   ``SeedError/noAddress``.
    public mutating func read(
        _ bytes: UnsafeRawBufferPointer, isEnd: Bool
    ) throws(SeedError) -> Int {
        var offset = 0
        while true {
            switch parser.next(bytes, at: &offset, isEnd: isEnd) {
            case .record:
                statistics.records += 1
                try takeLine()
            case .more:
                return offset
            case .bad(let bad):
                guard options.skipsBadLines else { throw .badLine(bad) }
                badLines += 1
                if firstBadLine == nil { firstBadLine = bad }
            }
        }
    }

    /// Ends a file.
    ///
    /// - Throws: ``SeedError/noAddress``, ``SeedError/machineAgain(_:)``.
    public mutating func endFile() throws(SeedError) -> FileSummary {
        precondition(!machines.isEmpty, "no file was begun")
        guard let address = machines[machines.count - 1].address else { throw .noAddress }
        if machines.dropLast().contains(where: { $0.address == address }) { throw .machineAgain(address) }
        return FileSummary(
            machine: address, badLines: badLines, firstBadLine: firstBadLine,
            endsWithoutNewline: parser.endedWithoutNewline)
    }

    /// The list, after the last file.
    public consuming func finish() -> DependencyList {
        for (tuple, side, end) in connections.rest() {
            statistics.unpaired[side] += 1
            if end.program == .none { continue }
            let key = Row.Key(
                relation: side == .accept ? .farAccept : .farConnect, machineA: end.machine,
                pathA: end.program, hostB: side == .accept ? tuple.client : tuple.server,
                pathB: UInt32(tuple.serverPort))
            rows.note(key, TimeSpan(end.time))
        }
        // A machine whose file was not ended has no address, but there is nobody to tell.
        let machines = machines.map { $0.address ?? NetworkAddress(v4: 0) }
        return DependencyList(
            table: rows, names: names, addresses: addresses, machines: machines, statistics: statistics)
    }
}
