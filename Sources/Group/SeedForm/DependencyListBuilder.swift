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
        /// Whether a process whose program no record names is called `pid:N`; what it did is counted and
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
        /// `nil` until a record has it.
        var address: NetworkAddress?
        /// Whether the address was given, and not found in the records.
        var isNamed: Bool
    }

    let options: Options
    var parser = SeedParser()
    var names = NameTable()
    var addresses = AddressTable()
    var processes = SeedProcesses()
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
        processes = SeedProcesses()
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
        // A machine whose file was not ended has no address, but there is nobody to report it to.
        let machines = machines.map { $0.address ?? NetworkAddress(v4: 0) }
        return DependencyList(
            table: rows, names: names, addresses: addresses, machines: machines, statistics: statistics)
    }
}

// What each of the five calls means for the list.
extension DependencyListBuilder {
    /// Takes the record that the parser has found.
    @inline(__always)
    mutating func takeLine() throws(SeedError) {
        switch parser.line.call {
        case .open: try open()
        case .fork: try fork()
        case .exec: try exec()
        case .accept: try accept()
        case .connect: try connect()
        }
    }

    private var machine: UInt32 { UInt32(machines.count - 1) }

    @inline(__always)
    private mutating func open() throws(SeedError) {
        let process = try actor(parser.line.pid)
        if process.isUnknown { statistics.unknown.opens += 1 }
        if process.program == .none { return }
        let access: Access = parser.line.access == .read ? .opened : [.opened, .written]
        let path = try intern(parser.line.path)
        note(.file, process.program, path, access, TimeSpan(parser.line.time))
    }

    /// The child is a process of its own from here on, whatever its pid stood for, and runs its parent's
    /// program until an exec.
    @inline(__always)
    private mutating func fork() throws(SeedError) {
        var process = try actor(parser.line.pid)
        process.wasForked = true
        processes[parser.line.child] = process
    }

    /// The program that a process had before an exec started the one that it has after. Where no fork
    /// reports the process, the pid may have been another's before: nothing is concluded.
    @inline(__always)
    private mutating func exec() throws(SeedError) {
        let path = try intern(parser.line.path)
        let before = processes[parser.line.pid]
        if before.wasForked {
            if before.isUnknown { statistics.unknown.spawns += 1 }
            if before.program != .none { note(.spawn, before.program, path, [], TimeSpan(parser.line.time)) }
        }
        processes[parser.line.pid] = SeedProcesses.Process(
            program: path, wasForked: before.wasForked, isUnknown: false)
    }

    @inline(__always)
    private mutating func accept() throws(SeedError) {
        let process = try actor(parser.line.pid)
        if process.isUnknown { statistics.unknown.accepts += 1 }
        try learn(own: parser.line.server.address)
        meet(.accept, process)
    }

    @inline(__always)
    private mutating func connect() throws(SeedError) {
        let process = try actor(parser.line.pid)
        if process.isUnknown { statistics.unknown.connects += 1 }
        try learn(own: parser.line.client.address)
        meet(.connect, process)
    }

    private mutating func meet(_ side: ConnectionTable.Side, _ process: SeedProcesses.Process) {
        let client = parser.line.client
        let server = parser.line.server
        let isLocal = client.address.isLoopback || server.address.isLoopback
        let tuple = ConnectionTable.Tuple(
            client: addresses.number(of: client.address), server: addresses.number(of: server.address),
            clientPort: client.port, serverPort: server.port, scope: isLocal ? machine + 1 : 0)
        sequence += 1
        let end = ConnectionTable.End(
            machine: machine, program: process.program, time: parser.line.time, sequence: sequence)
        guard let other = connections.meet(tuple, side, end) else { return }
        statistics.pairs += 1
        let connecting = side == .connect ? end : other
        let accepting = side == .connect ? other : end
        guard connecting.program != .none, accepting.program != .none else {
            statistics.pairsLeftOut += 1
            return
        }
        var span = TimeSpan(end.time)
        span.add(other.time)
        let key = Row.Key(
            relation: .connect, machineA: connecting.machine, pathA: connecting.program,
            hostB: accepting.machine, pathB: accepting.program.rawValue)
        rows.note(key, span)
    }

    /// Learns the machine's address from its own side of a connection, where it was not given.
    @inline(__always)
    private mutating func learn(own: NetworkAddress) throws(SeedError) {
        let last = machines.count - 1
        if machines[last].isNamed || own.isLoopback || own.isWildcard { return }
        guard let known = machines[last].address else {
            machines[last].address = own
            return
        }
        if known != own { throw .severalAddresses(line: parser.recordLine, known, own) }
    }

    /// The process that did something; made up, if that is wanted, where no record has it.
    @inline(__always)
    private mutating func actor(_ pid: UInt32) throws(SeedError) -> SeedProcesses.Process {
        let process = processes[pid]
        guard process.program == .none, options.namesUnknown else { return process }
        return try nameUnknown(pid, process)
    }

    private mutating func nameUnknown(
        _ pid: UInt32, _ process: SeedProcesses.Process
    ) throws(SeedError) -> SeedProcesses.Process {
        var process = process
        guard names.hasRoom else { throw .tooManyNames }
        var name = "pid:\(pid)"
        process.program = name.withUTF8 { names.intern(UnsafeRawBufferPointer($0)) }
        processes[pid] = process
        return process
    }

    @inline(__always)
    private mutating func note(
        _ relation: Row.Relation, _ program: TextID, _ path: TextID, _ access: Access, _ span: TimeSpan
    ) {
        let key = Row.Key(
            relation: relation, machineA: machine, pathA: program, hostB: machine, pathB: path.rawValue)
        rows.note(key, access: access, span)
    }

    @inline(__always)
    private mutating func intern(_ path: UnsafeRawBufferPointer) throws(SeedError) -> TextID {
        guard names.hasRoom else { throw .tooManyNames }
        return names.intern(path)
    }
}
