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
    public mutating func take(_ snapshot: HostSnapshot, _ purpose: SnapshotPurpose) {
        var intake = SnapshotIntake(FinishedScan(ScanRequest(.full, purpose), snapshot))
        while !advance(&intake, most: .max) {}
    }

    /// Takes in about so many of a scan's findings; returns whether none is left.
    ///
    /// Events go on meanwhile: whatever a scan says of a process is of the moment in which that process was read,
    /// and an event that is younger stands.
    mutating func advance(_ intake: inout SnapshotIntake, most: Int) -> Bool {
        if intake.stage == .processes, intake.index == 0 {
            localAddresses = Set(intake.snapshot.addresses)
            scannedNetwork = intake.snapshot.network
        }
        let wall = intake.snapshot.wall
        let read = max(intake.snapshot.monotonic, intake.snapshot.socketsRead)
        var room = most
        while room > 0, let (stage, index) = intake.next() {
            room -= 1
            switch stage {
            case .processes: takeProcess(intake.snapshot.processes[intake.order[index]], intake.snapshot)
            case .spawns: takeSpawn(intake.snapshot.processes[intake.order[index]].facts, wall)
            case .absentees:
                processes.retain(
                    Set(intake.snapshot.processes.map(\.facts.pid)), at: intake.snapshot.monotonic)
            case .files:
                let found = intake.snapshot.processes[index]
                room -= found.files.count
                takeFiles(found, intake.snapshot)
            case .listeners:
                let socket = intake.snapshot.sockets[index]
                if socket.isListening { takeListener(socket, intake.snapshot) }
            case .ends:
                let socket = intake.snapshot.sockets[index]
                if !socket.isListening {
                    let tuple = tuple(
                        socket.transport, socket.local, socket.remote, network: socket.network)
                    sockets.found[tuple] = programs(of: socket.holders).last
                }
            case .connections:
                let socket = intake.snapshot.sockets[index]
                if !socket.isListening { takeConnection(socket, wall, read) }
            case .channels:
                let channel = intake.snapshot.channels[index]
                if index == 0 { resolveConnects(intake.snapshot) }
                if channel.mechanism.hasEnds {
                    take(settled(channel, at: intake.snapshot.monotonic), wall)
                } else {
                    takeShared(channel, wall)
                }
            case .done: break
            }
        }
        guard room > 0 else { return false }
        if intake.snapshot.channels.isEmpty { resolveConnects(intake.snapshot) }
        countUnknownConnects(intake.snapshot)
        settleSends()
        takeTranslations(intake.snapshot)
        sockets.found.removeAll()
        sockets.scanEnds()
        // What the scan did not say, nothing will say before these end.
        settleConnections(before: intake.snapshot.monotonic)
        if intake.snapshot.failures.allSatisfy({ $0.source != SourceName.sockets }) {
            sockets.listeners.read(
                [.tcp, .udp, .raw, .packet, .sctp, .udplite, .ping, .vsock],
                networks: Set(intake.snapshot.networks),
                began: intake.snapshot.monotonic)
        }
        return true
    }

    private mutating func takeProcess(_ found: ProcessSnapshot, _ snapshot: HostSnapshot) {
        adopt(found.facts, at: found.time != 0 ? found.time : snapshot.monotonic)
    }

    /// Who started whom, as far as parents still show.
    private mutating func takeSpawn(_ facts: ProcessFacts, _ time: UInt64) {
        guard facts.pid != ownPid, let child = processes[facts.pid]?.image.program, child != .unknown
        else { return }
        let executable = ledger[child].executable
        noteOnce(.file(child, path: executable), .executed, .regular, time)
        let script = ledger[child].script
        if isPath(script) {
            noteOnce(.file(child, path: script), [.executed, .opened], .regular, time)
        }
        if isLogging { logFoundImage(facts.pid, child) }
        guard let parent = processes[facts.parent]?.image.program, parent != .unknown, parent != child,
            facts.parent != ownPid, !isOwn(child)
        else { return }
        noteOnce(.spawn(parent, child: child), [], .regular, time)
        if isLogging { logFoundSpawn(facts, parent, child) }
    }

    private mutating func takeFiles(_ found: ProcessSnapshot, _ snapshot: HostSnapshot) {
        let pid = found.facts.pid
        // Nothing reports that a process has entered another namespace without an exec.
        if found.facts.network != 0 {
            processes[pid]?.image.network = NetworkPlace(read: found.facts.network)
            noteNetwork(found.facts.network)
        }
        let read = found.time != 0 ? found.time : snapshot.monotonic
        if found.hasWorkload { checkWorkload(found.facts, at: read, snapshot.wall) }
        guard pid != ownPid, let process = processes[pid] else { return }
        let program = process.image(at: read).program
        guard program != .unknown else { return }
        for file in found.files {
            takeFile(file, program, snapshot.wall)
            if isLogging { logHeld(file, pid, program) }
        }
    }

    private mutating func takeFile(_ file: HeldFile, _ program: ProgramID, _ time: UInt64) {
        guard isRecorded(program) else { return }
        let path = isFolding ? ledger.texts.find(file.path) ?? .none : ledger.texts.intern(file.path)
        guard path != .none else {
            counters.refused += 1
            return
        }
        noteOnce(.file(program, path: path), file.access, file.kind, time)
    }

    /// Notes something found; of something known already only what the finding adds.
    mutating func noteOnce(_ key: RecordKey, _ access: Access, _ kind: FileKind, _ time: UInt64) {
        let key =
            key.relation == .file && !access.contains(.executed) && kind.folds ? kept(key) : key
        guard isRecorded(key.program), admits(key) else { return }
        let isKnown = ledger.position(of: key) != nil
        ledger.note(
            key, access: access, kind: kind, evidence: .snapshot, time: time, count: isKnown ? 0 : 1)
    }

    private mutating func takeListener(_ socket: SocketSnapshot, _ snapshot: HostSnapshot) {
        let network =
            socket.network != 0 ? socket.network : scope.network ?? network(ofHolders: socket.holders)
        let holders = programs(of: socket.holders)
        sockets.listeners.found(
            socket.transport, socket.local, holders, network: network,
            scanned: (snapshot.monotonic, max(snapshot.monotonic, snapshot.socketsRead)))
        if !holders.isEmpty { meetDatagramSocket(socket, holders: holders, network: network) }
        guard let local = number(of: socket.local) else { return }
        for program in holders {
            noteOnce(.listen(program, socket.transport, local: local), [], .regular, snapshot.wall)
        }
    }

    /// Takes in a connection; `read` is when the sockets had been read, on the clock of the events.
    private mutating func takeConnection(_ socket: SocketSnapshot, _ time: UInt64, _ read: UInt64) {
        let programs = programs(of: socket.holders)
        guard socket.remote.port != 0 else { return }
        let network = socket.network != 0 ? socket.network : network(ofHolders: socket.holders)
        let tuple = knownTuple(
            tuple(socket.transport, socket.local, socket.remote, network: network), programs, network)
        if let known = sockets.live[tuple], known.network != 0, network != 0, known.network != network,
            tuple.local.address.isLoopback
        {
            // The same two ends are followed in another namespace.
            return
        }
        if sockets.live[tuple] == nil || sockets.live[tuple]?.isNameless == true {
            guard let program = programs.last, sockets.endedDuringScan?.contains(tuple) != true else {
                return
            }
            note(socket, tuple, program, network, time)
            if socket.transport == .udp { confirm(tuple, program, network: network) }
            if isLogging { logFoundEnd(tuple, socket.holders) }
            sockets.change(tuple) { connection in
                connection.found = read
                if programs.count > 1, connection.isAccepted { connection.taker = .inferred }
            }
        }
        if let known = sockets.live[tuple], known.isForgotten {
            noteAnew(socket, tuple, known, network, time)
        }
        if !programs.isEmpty, sockets.live[tuple]?.socket != 0 {
            // Who holds the accepted socket has taken it.
            if isLogging, sockets.live[tuple]?.taker != .known { logFoundEnd(tuple, socket.holders) }
            if let server = sockets.live[tuple] { settle(tuple, server, programs, .exact, network: network) }
        }
        guard var connection = sockets.live[tuple] else { return }
        connection.endReceived = connection.endReceived || socket.endReceived
        count(socket.sent, socket.received, &connection)
        sockets.live[tuple] = connection
    }

    /// The key under which a connection that a scan has met is followed: its maker was taken for one of the daemon's own
    /// namespace where it entered another without an exec, or where nothing was known of namespaces yet.
    private func knownTuple(_ tuple: FourTuple, _ holders: [ProgramID], _ network: UInt64) -> FourTuple {
        guard tuple.network != 0, sockets.live[tuple] == nil, let known = sockets.live[tuple.placeless],
            known.network == network
                || known.socket != 0 && (known.program == .unknown || holders.contains(known.program))
        else { return tuple }
        return tuple.placeless
    }

    private mutating func note(
        _ socket: SocketSnapshot, _ tuple: FourTuple, _ program: ProgramID, _ network: UInt64, _ time: UInt64
    ) {
        let listeners = waiting(socket.transport, socket.local, socket.remote, client: network)
        if !listeners.isEmpty {
            let client =
                socket.local.address.isLoopback ? sockets.live[tuple.mirrored]?.network ?? network : network
            accepted(
                tuple, by: program == .unknown ? takers(among: listeners) : [program], .snapshot, time,
                network: client)
        } else {
            connected(tuple, program, .snapshot, time, network: network)
        }
    }

    /// Notes a connection that goes on after its record was forgotten, as if it were met for the first time; what went
    /// over it before stays forgotten.
    private mutating func noteAnew(
        _ socket: SocketSnapshot, _ tuple: FourTuple, _ known: SocketTable.Connection, _ network: UInt64,
        _ time: UInt64
    ) {
        note(socket, tuple, known.program, network, time)
        var anew = known
        anew.position = sockets.live[tuple]?.position
        anew.isForgotten = false
        sockets.live[tuple] = anew
    }

    /// A pipe without those who have just been forked: what they hold they have inherited, and they may be about to become
    /// another program. If they keep it the next scan finds them.
    private func settled(_ channel: ChannelSnapshot, at time: UInt64) -> ChannelSnapshot {
        guard channel.mechanism == .pipe else { return channel }
        func isSettled(_ pid: Int32) -> Bool {
            guard let process = processes[pid], !process.hasExecuted else { return true }
            return time > process.start && time - process.start > 200_000_000
        }
        var channel = channel
        channel.holders.removeAll { !isSettled($0) }
        channel.peers.removeAll { !isSettled($0) }
        return channel
    }

    private mutating func take(_ channel: ChannelSnapshot, _ time: UInt64) {
        let isNew = meetConnection(channel)
        let here = programs(of: channel.holders)
        let there = programs(of: channel.peers)
        // A channel can lead into another network namespace, which is another host: it is reported, and its
        // other end is not named as a program of this one.
        let namedHere = Set(programs(of: near(channel.holders)))
        let namedThere = Set(programs(of: near(channel.peers)))
        let name = text(channel.name)
        for program in here {
            let peers = there.filter { $0 != program }
            for peer in peers {
                let far = namedThere.contains(peer) ? peer : .unknown
                let near = namedHere.contains(program) ? program : .unknown
                for key in [
                    RecordKey.ipc(program, channel.mechanism, name: name, peer: far),
                    .ipc(peer, channel.mechanism, name: name, peer: near),
                ] {
                    // A connect of which no record counts yet.
                    if isNew, ledger.position(of: key) != nil {
                        ledger.note(key, evidence: .snapshot, time: time, count: 1)
                    } else {
                        noteOnce(key, [], .regular, time)
                    }
                }
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
                !result.contains(program), !isOwn(program)
            else { continue }
            result.append(program)
        }
        return result
    }
}
