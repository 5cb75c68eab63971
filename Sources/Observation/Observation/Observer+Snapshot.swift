import Records

extension Observer {
    /// How much of a snapshot is news.
    public enum SnapshotPurpose: Sendable {
        /// The first scan, or one after a loss: everything in it is an observation.
        case start
        /// A look before a dump or on a timer: it completes what is known of what is still open.
        case look
    }

    /// Takes in what a scan found, with evidence `snapshot`.
    ///
    /// Counts grow only with what was not known: that something is still open is no new use of it.
    public mutating func take(_ snapshot: borrowing HostSnapshot, _ purpose: SnapshotPurpose) {
        localAddresses = Set(snapshot.addresses)
        if purpose == .start {
            takeProcesses(snapshot)
        }
        for index in snapshot.processes.indices {
            let found = snapshot.processes[index]
            // Nothing tells that a process has entered another namespace without an exec.
            if found.facts.network != 0 {
                processes[found.facts.pid]?.image.network = NetworkPlace(read: found.facts.network)
            }
            guard found.facts.pid != ownPid, let program = processes[found.facts.pid]?.image.program,
                program != .unknown
            else { continue }
            for file in found.files { takeFile(file, program, snapshot.wall) }
        }
        for index in snapshot.sockets.indices where snapshot.sockets[index].isListening {
            take(snapshot.sockets[index], snapshot.wall, 0)
        }
        for index in snapshot.sockets.indices where !snapshot.sockets[index].isListening {
            let socket = snapshot.sockets[index]
            let tuple = FourTuple(transport: socket.transport, local: socket.local, remote: socket.remote)
            sockets.found[tuple] = programs(of: socket.holders).last
        }
        let read = max(snapshot.monotonic, snapshot.socketsRead)
        for index in snapshot.sockets.indices where !snapshot.sockets[index].isListening {
            take(snapshot.sockets[index], snapshot.wall, read)
        }
        sockets.found.removeAll()
        for index in snapshot.channels.indices {
            let channel = snapshot.channels[index]
            if channel.mechanism.hasEnds {
                take(channel, snapshot.wall)
            } else {
                takeShared(channel, snapshot.wall)
            }
        }
    }

    /// Programs, and who started whom as far as parents still tell.
    private mutating func takeProcesses(_ snapshot: borrowing HostSnapshot) {
        // Parents first, so that lines of programs are complete.
        var order = Array(snapshot.processes.indices)
        order.sort { snapshot.processes[$0].facts.start < snapshot.processes[$1].facts.start }
        for index in order { adopt(snapshot.processes[index].facts, at: snapshot.monotonic) }
        for index in order {
            let facts = snapshot.processes[index].facts
            guard facts.pid != ownPid, let child = processes[facts.pid]?.image.program, child != .unknown
            else { continue }
            let executable = ledger[child].executable
            noteOnce(
                .file(child, path: executable), .executed, .regular, snapshot.wall)
            let script = ledger[child].script
            if script != .none {
                noteOnce(.file(child, path: script), [.executed, .opened], .regular, snapshot.wall)
            }
            guard let parent = processes[facts.parent]?.image.program, parent != .unknown, parent != child,
                facts.parent != ownPid
            else { continue }
            noteOnce(.spawn(parent, child: child), [], .regular, snapshot.wall)
        }
        processes.retain(Set(order.map { snapshot.processes[$0].facts.pid }), at: snapshot.monotonic)
    }

    private mutating func takeFile(_ file: HeldFile, _ program: ProgramID, _ time: UInt64) {
        guard isRecorded(program) else { return }
        let path = ledger.texts.intern(file.path)
        noteOnce(.file(program, path: path), file.access, file.kind, time)
    }

    /// Notes something found; of something known already only what the finding adds.
    mutating func noteOnce(_ key: RecordKey, _ access: Access, _ kind: FileKind, _ time: UInt64) {
        guard isRecorded(key.program) else { return }
        let isKnown = ledger.position(of: key) != nil
        ledger.note(
            key, access: access, kind: kind, evidence: .snapshot, time: time, count: isKnown ? 0 : 1)
    }

    /// Takes in a socket; `read` is when the sockets had been read, on the clock of the events.
    private mutating func take(_ socket: SocketSnapshot, _ time: UInt64, _ read: UInt64) {
        let programs = programs(of: socket.holders)
        if socket.isListening {
            let network = scope.network ?? network(ofHolders: socket.holders)
            for program in programs {
                let known = sockets.listener(socket.transport, socket.local, network: network)
                if known?.program != program {
                    sockets.listen(socket.transport, socket.local, program, .snapshot, network: network)
                }
                noteOnce(
                    .listen(program, socket.transport, local: ledger.intern(socket.local)), [], .regular, time
                )
            }
            return
        }
        guard socket.remote.port != 0 else { return }
        let tuple = FourTuple(transport: socket.transport, local: socket.local, remote: socket.remote)
        if sockets.live[tuple] == nil {
            guard let program = programs.last else { return }
            if sockets.listener(socket.transport, socket.local) != nil {
                accepted(socket.transport, socket.local, socket.remote, by: program, .snapshot, time)
            } else {
                connected(socket.transport, socket.local, socket.remote, program, .snapshot, time)
            }
            sockets.change(tuple) { $0.found = read }
        }
        guard var connection = sockets.live[tuple] else { return }
        connection.endReceived = connection.endReceived || socket.endReceived
        count(socket.sent, socket.received, &connection)
        sockets.live[tuple] = connection
    }

    private mutating func take(_ channel: ChannelSnapshot, _ time: UInt64) {
        let here = programs(of: channel.holders)
        let there = programs(of: channel.peers)
        // A channel can lead into another network namespace, which is another host: it is told, and its
        // other end is not named as a program of this one.
        let namedHere = Set(programs(of: near(channel.holders)))
        let namedThere = Set(programs(of: near(channel.peers)))
        let name = ledger.texts.intern(channel.name)
        for program in here {
            let peers = there.filter { $0 != program }
            for peer in peers {
                let far = namedThere.contains(peer) ? peer : .unknown
                let near = namedHere.contains(program) ? program : .unknown
                noteOnce(.ipc(program, channel.mechanism, name: name, peer: far), [], .regular, time)
                noteOnce(.ipc(peer, channel.mechanism, name: name, peer: near), [], .regular, time)
            }
        }
    }

    /// The network namespace of the processes that hold a socket; 0 where it is not known.
    private func network(ofHolders pids: [Int32]) -> UInt64 {
        for pid in pids {
            if let network = processes[pid]?.image.network.inode, network != 0 { return network }
        }
        return 0
    }

    /// The programs of processes, each once, without the daemon.
    func programs(of pids: [Int32]) -> [ProgramID] {
        var result: [ProgramID] = []
        for pid in pids where pid != ownPid {
            guard let program = processes[pid]?.image.program, program != .unknown,
                !result.contains(program)
            else { continue }
            result.append(program)
        }
        return result
    }

    /// Notes that events were lost and, once the host was scanned afresh, when.
    public mutating func note(_ loss: Loss, until: UInt64, resynchronised: UInt64) {
        ledger.gaps.append(
            Gap(
                source: loss.source, cause: loss.cause, from: loss.since, to: until, lost: loss.count,
                resynchronised: resynchronised))
    }
}
