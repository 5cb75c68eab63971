import Records

/// Which program took a connection.
///
/// The kernel reports an accept in the name of whoever the packet interrupted, and who listens need not be who accepts:
/// several programs may share a port (`SO_REUSEPORT`), a listener may have been inherited or passed on. What names the
/// program is the accepted socket: the process that ends the connection from its side, in its own context, holds it, and
/// so does whoever a scan finds with it. Until then there is no record of a connection whose taker is on this host,
/// neither of its taker nor, with a peer, of its maker. Where nothing names the program, all that wait at the address
/// get a record each, `inferred`.
extension Observer {
    /// Takes in that a process ended a connection from its side.
    mutating func endedByTaker(_ change: TransitionEvent) {
        let tuple = tuple(change)
        guard var server = sockets.live[tuple], server.isAccepted, server.taker != .known,
            server.socket == change.socket || scope.network != nil, change.pid != ownPid
        else { return }
        let image = image(of: change.pid, at: change.time)
        guard image.program != .unknown, isInside(image.network, change.local.address) else { return }
        if server.socket != change.socket {
            // Two namespaces can have the same two ends established at once, and the accepts name nobody: this one is
            // inside for certain.
            guard image.network.inode == scope.network, image.network.isRead else { return }
            server.socket = change.socket
        } else if sockets.hasPlaces, settleExchanged(tuple, change.pid, image) {
            return
        }
        if isLogging, server.taker == .open || server.program == .unknown {
            logAccept(tuple, change.pid, image.program, server.wall)
        }
        settle(tuple, server, [image.program], image.evidence, network: image.network.known)
    }

    /// Notes who took a connection whose socket is that of another one; returns whether it is.
    @inline(never)
    private mutating func settleExchanged(_ tuple: FourTuple, _ pid: Int32, _ image: Image) -> Bool {
        guard let right = corrected(tuple, heldIn: image.network) else { return false }
        sockets.exchange(tuple, right)
        guard let server = sockets.live[right], server.taker != .known else { return true }
        if isLogging { logAccept(right, pid, image.program, server.wall) }
        settle(right, server, [image.program], image.evidence, network: image.network.known)
        return true
    }

    /// Notes that connections that are still open since before a moment were taken by who waits there, as far as nothing
    /// has said more; `CLOCK_MONOTONIC`, nanoseconds.
    public mutating func settleConnections(before time: UInt64 = .max) {
        if !recentMoves.isEmpty { settleMoves(before: .max) }
        let open = sockets.live.filter { $0.value.taker == .open && $0.value.established < time }
        for (tuple, connection) in open where connection.isAccepted { guessTaker(of: tuple) }
        for (tuple, connection) in open where !connection.isAccepted { guessTaker(of: tuple) }
        for (tuple, connection) in sockets.orphans where connection.established < time { settleOrphan(tuple) }
        noteUnreportedEnds()
    }

    /// Infers the taker of a connection between two ends from who waits at the address, if nothing is known yet.
    mutating func guessTaker(of tuple: FourTuple) {
        guard let connection = sockets.live[tuple], connection.taker == .open else { return }
        if connection.isAccepted {
            let client = partner(of: tuple, connection)?.network ?? 0
            let takers = takers(of: tuple, client: client)
            if isLogging { logGuess(tuple, takers, connection.wall) }
            settle(tuple, connection, takers, .inferred)
            return
        }
        let there = tuple.mirrored
        if let server = sockets.live[there], server.taker == .open, server.pair == connection.pair {
            settle(there, server, takers(of: there, client: connection.network), .inferred)
        }
        // That of another connection of the same two ends, or none that was seen.
        guard var rest = sockets.live[tuple], rest.taker == .open else { return }
        noteConnect(&rest, tuple, peers: likelyTakers(of: tuple, rest), .inferred)
        sockets.live[tuple] = rest
    }

    /// The end of a connection whose notice comes now: the last moment to give it a record, unless its other end lives,
    /// which will name its peer.
    mutating func settleBeforeNotice(_ tuple: FourTuple) {
        guard let connection = sockets.live[tuple], connection.taker == .open else { return }
        if !connection.isAccepted, let server = sockets.live[tuple.mirrored], server.taker == .open,
            server.pair == connection.pair
        {
            return
        }
        guessTaker(of: tuple)
    }

    /// Keeps what went over a connection that has ended until it is known who took it.
    mutating func keepOrphan(_ tuple: FourTuple, _ connection: SocketTable.Connection) {
        if sockets.orphans[tuple] != nil { settleOrphan(tuple) }
        if sockets.orphans.count >= SocketTable.mostOrphans {
            for tuple in Array(sockets.orphans.keys) { settleOrphan(tuple) }
        }
        sockets.orphans[tuple] = connection
    }

    private mutating func settleOrphan(_ tuple: FourTuple) {
        guard var connection = sockets.orphans.removeValue(forKey: tuple), connection.taker == .open else {
            return
        }
        noteConnect(&connection, tuple, peers: likelyTakers(of: tuple, connection), .inferred)
    }

    /// Who may have taken a connection of which only the end is known that made it.
    ///
    /// Of an address that is not this namespace's own nobody is guessed: a container may wait at the same port of its
    /// address, and the end that it took would have been reported.
    private func likelyTakers(of tuple: FourTuple, _ client: SocketTable.Connection) -> [ProgramID] {
        isHere(tuple.local, tuple.remote) ? takers(of: tuple.mirrored, client: client.network) : []
    }

    /// The programs that wait where a connection was made to.
    ///
    /// - Parameter client: the network namespace of who made it, 0 where it is not known.
    func takers(of tuple: FourTuple, client: UInt64) -> [ProgramID] {
        takers(among: waiting(tuple.transport, tuple.local, tuple.remote, client: client))
    }

    /// The programs that hold listeners.
    func takers(among listeners: [ListenerTable.Listener]) -> [ProgramID] {
        // Almost always there is one: then no list is made.
        if listeners.count == 1, listeners[0].holders.count == 1, listeners[0].holders[0] != .unknown {
            let later = laterHolder(of: listeners[0])
            if later == .unknown || later == listeners[0].holders[0] { return listeners[0].holders }
        }
        var found: [ProgramID] = []
        for listener in listeners {
            for holder in listener.holders + [laterHolder(of: listener)]
            where holder != .unknown && !found.contains(holder) {
                found.append(holder)
            }
        }
        return found
    }

    /// What the process that has begun to listen has become since: the socket is still open, and so it holds it.
    private func laterHolder(of listener: ListenerTable.Listener) -> ProgramID {
        guard listener.pid != 0, let process = processes[listener.pid], process.start <= listener.time,
            process.image.since > listener.time
        else { return .unknown }
        return process.image.program
    }

    /// Notes who took a connection, and with it the peer of who made it.
    ///
    /// - Parameters:
    ///   - server: the connection as it is in the table of those that live.
    ///   - takers: one program, or all that may have.
    ///   - network: the network namespace of the program; 0 where it is not known.
    mutating func settle(
        _ tuple: FourTuple, _ server: SocketTable.Connection, _ takers: [ProgramID], _ evidence: Evidence,
        network: UInt64 = 0
    ) {
        guard server.isAccepted, server.taker != .known else { return }
        var server = server
        let evidence = takers.count == 1 ? evidence : .inferred
        var client = partner(of: tuple, server)
        if let network = client?.network, tuple.local.address.isLoopback { server.network = network }
        if network != 0 {
            // Another namespace has the same two ends.
            if let other = client?.network, other != 0, other != network, tuple.local.address.isLoopback {
                client = nil
            }
            server.network = network
        }
        let isKnown = evidence != .inferred
        if takers.isEmpty {
            if server.taker == .open { counters.unattributedConnections += 1 }
        } else {
            let peer =
                scope.network == nil || isHere(tuple.local, tuple.remote)
                ? client?.program ?? .unknown : .unknown
            noteAccept(&server, tuple, takers, peer: peer, evidence)
        }
        server.taker = isKnown ? .known : .inferred
        server.program = takers.count == 1 ? takers[0] : .unknown
        sockets.live[tuple] = server
        guard var client, client.taker != .known else { return }
        noteConnect(&client, tuple.mirrored, peers: takers, evidence)
        if sockets.orphans[tuple.mirrored]?.pair == client.pair {
            sockets.orphans[tuple.mirrored] = isKnown ? nil : client
        } else {
            sockets.live[tuple.mirrored] = client
        }
    }

    /// The end at which a connection was made, if it is on this machine.
    private func partner(
        of tuple: FourTuple, _ server: SocketTable.Connection
    ) -> SocketTable.Connection? {
        if let client = sockets.live[tuple.mirrored], server.pair == 0 || client.pair == server.pair {
            return client
        }
        if let client = sockets.orphans[tuple.mirrored], client.pair == server.pair { return client }
        return nil
    }

    private mutating func noteAccept(
        _ server: inout SocketTable.Connection, _ tuple: FourTuple, _ takers: [ProgramID], peer: ProgramID,
        _ evidence: Evidence
    ) {
        var first: Int?
        for taker in takers where isRecorded(taker) {
            guard let local = number(of: tuple.local),
                let remote = number(of: Endpoint(tuple.remote.address, port: 0))
            else { continue }
            let key = RecordKey.accept(taker, tuple.transport, local: local, remote: remote, peer: peer)
            let position = note(key, &server, evidence)
            first = first ?? position
        }
        place(&server, first)
    }

    private mutating func noteConnect(
        _ client: inout SocketTable.Connection, _ tuple: FourTuple, peers: [ProgramID], _ evidence: Evidence
    ) {
        let isKnown = peers.count == 1 && evidence != .inferred
        // That nobody is known to have taken it says nothing of who made it.
        let evidence = peers.isEmpty ? client.evidence : min(client.evidence, evidence)
        var first: Int?
        // An end that was accepted as well, of whose program nothing is known, has made no connection.
        if client.program != .unknown, isRecorded(client.program), let remote = number(of: tuple.remote) {
            for peer in peers.isEmpty ? [.unknown] : peers {
                let key = RecordKey.connect(client.program, tuple.transport, remote: remote, peer: peer)
                let position = note(key, &client, evidence)
                first = first ?? position
            }
        }
        place(&client, first)
        client.taker = isKnown ? .known : .inferred
    }

    /// Counts a connection in a record, unless that has it already.
    private mutating func note(
        _ key: RecordKey, _ connection: inout SocketTable.Connection, _ evidence: Evidence
    ) -> Int? {
        guard admits(key) else { return nil }
        let isCounted = connection.position.map { ledger.records[$0].key == key } ?? false
        return ledger.note(key, evidence: evidence, time: connection.wall, count: isCounted ? 0 : 1)
    }

    /// Gives a connection its record, with what went over it while it had none.
    private mutating func place(_ connection: inout SocketTable.Connection, _ position: Int?) {
        if connection.taker == .open, let position, connection.sent != 0 || connection.received != 0 {
            ledger.addTraffic(at: position, sent: connection.sent, received: connection.received)
        }
        connection.position = position
        if connection.isLowerBound, let position { ledger.noteLowerBound(at: position) }
    }
}
