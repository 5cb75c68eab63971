import Records

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
    /// tells of the process, the pid may have been another's before: nothing is concluded.
    @inline(__always)
    private mutating func exec() throws(SeedError) {
        let path = try intern(parser.line.path)
        let before = processes[parser.line.pid]
        if before.wasForked {
            if before.isUnknown { statistics.unknown.spawns += 1 }
            if before.program != .none { note(.spawn, before.program, path, [], TimeSpan(parser.line.time)) }
        }
        processes[parser.line.pid] = ProcessTable.Process(
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

    private mutating func meet(_ side: ConnectionTable.Side, _ process: ProcessTable.Process) {
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

    /// The process that did something; made up, if that is wanted, where no record tells of it.
    @inline(__always)
    private mutating func actor(_ pid: UInt32) throws(SeedError) -> ProcessTable.Process {
        let process = processes[pid]
        guard process.program == .none, options.namesUnknown else { return process }
        return try nameUnknown(pid, process)
    }

    private mutating func nameUnknown(
        _ pid: UInt32, _ process: ProcessTable.Process
    ) throws(SeedError) -> ProcessTable.Process {
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
