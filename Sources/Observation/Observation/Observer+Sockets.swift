import Records

extension Observer {
    /// Step 4: connections from the changes of state of their sockets, traffic from their ends.
    ///
    /// The rings of the processors are drained one after another, so of what is younger than the cutoff
    /// the batch can hold the effect and not the cause: it waits for the next batch. The ends were taken
    /// from the kernel before the changes, and wait with them; but no longer, since every change that an
    /// end follows is in its own batch: a host on which connections never cease would never report any.
    mutating func followSockets(_ batch: borrowing EventBatch) {
        var changes = heldTransitions + batch.transitions
        var closures = heldClosures
        heldTransitions = changes.filter { $0.time > batch.cutoff }
        if heldTransitions.isEmpty { closures += batch.closures }
        heldClosures = heldTransitions.isEmpty ? [] : batch.closures
        if !changes.isEmpty {
            changes.removeAll { $0.time > batch.cutoff }
            changes.sort { $0.time < $1.time }
            for change in changes { follow(change, batch) }
        }
        noticesSince = batch.noticesSince
        place(&closures)
        end(closures, batch)
        if noticesSince != 0 { endUnnoticed() }
        forgetAnonymous(batch.cutoff)
    }

    /// Ends the connections of which no notice comes, in the order of their ends: the daemon has given the notices up, since
    /// connections are many and short. What went over them beyond what scans have found is not known.
    @inline(never)
    private mutating func endUnnoticed() {
        // A notice that waits its turn may be that of any; it waits for these.
        guard heldTransitions.isEmpty else { return }
        for ended in sockets.takeAwaited(until: noticesSince) {
            settleBeforeNotice(ended.tuple)
            guard var connection = sockets.takeOldest(ended.tuple) else { continue }
            sockets.reportedUntil = max(sockets.reportedUntil, connection.ended)
            sockets.noteEnd(ended.tuple)
            counters.unnoticedConnections += 1
            noteLowerBound(&connection)
            switch connection.taker {
            case .open: keepOrphan(ended.tuple, connection)
            case .known: sockets.keepOverdue(ended.tuple, connection)
            case .inferred: break
            }
        }
    }

    /// Says that more went over a connection than was counted: in its record, once it has one.
    @inline(never)
    private mutating func noteLowerBound(_ connection: inout SocketTable.Connection) {
        connection.isLowerBound = true
        if let position = connection.position { ledger.noteLowerBound(at: position) }
    }

    /// Whether one end of a connection may have a notice and the other none: the notices were given up a moment ago.
    private func mayLackNotices(_ now: UInt64) -> Bool {
        noticesSince != 0 && !Self.isLong(since: noticesSince, now, 2_000_000_000)
    }

    /// Whether a notice may be that of a connection that was not waited for, and is forgotten: of one that was reset long before
    /// its program closed it.
    private func mayBeLate(_ closure: ClosureEvent, _ now: UInt64) -> Bool {
        closure.transport == .tcp && noticesSince != 0
            && !Self.isLong(since: noticesSince, now, 60_000_000_000)
    }

    private mutating func end(_ closures: [ClosureEvent], _ batch: borrowing EventBatch) {
        // Both ends are known before either goes, so that each names the other.
        var met: Set<FourTuple> = []
        for closure in closures { meet(closure, batch, &met) }
        var numbers: [FourTuple: Int] = [:]
        var hasOpen = false
        var doubted: [(tuple: FourTuple, number: Int)] = []
        for closure in closures {
            let tuple = tuple(closure)
            let number = Self.increment(&numbers[tuple, default: 0])
            guard let connection = sockets.connection(tuple, number: number) else { continue }
            hasOpen = hasOpen || connection.taker == .open
            sockets.setPeerSent(closure.sent, tuple.mirrored, pair: connection.pair)
            if connection.isEndGuessed { doubted.append((tuple, number)) }
        }
        // Where that of the other end may not come, it is not waited for.
        let early =
            doubted.isEmpty || mayLackNotices(batch.cutoff) ? [] : withoutOtherEnd(doubted, at: batch.cutoff)
        if !early.isEmpty {
            heldClosures.insert(contentsOf: closures.filter { early.contains(tuple($0)) }, at: 0)
        }
        for closure in closures where early.isEmpty || !early.contains(tuple(closure)) {
            close(closure, mayBeOpen: hasOpen, at: batch.cutoff)
        }
    }

    /// Counts on, and gives what it was: one look at a table in place of two.
    private static func increment(_ number: inout Int) -> Int {
        defer { number += 1 }
        return number
    }

    /// Those ends of which the other end's notice is still to come, which has the exact figure; not waited for long.
    private func withoutOtherEnd(
        _ doubted: [(tuple: FourTuple, number: Int)], at now: UInt64
    ) -> Set<FourTuple> {
        var early: Set<FourTuple> = []
        for (tuple, number) in doubted {
            guard let connection = sockets.connection(tuple, number: number), connection.peerSent == nil,
                !Self.isLong(since: connection.ended, now, 1_000_000_000),
                sockets.isAwaited(tuple.mirrored, pair: connection.pair)
            else { continue }
            early.insert(tuple)
        }
        return early
    }

    /// Connections that have ended and whose traffic is not reported yet: a dump waits a moment for it.
    public var awaitedClosures: Int {
        sockets.awaited
    }

    /// The notice of a socket that was reset by its own side has no addresses: it is not waited for longer
    /// than any other takes. The work queue that reports it may be seconds late on a busy host, but keeps the
    /// order of the ends: the end that notices have reached is the time that counts, unless none came for long.
    private mutating func forgetAnonymous(_ now: UInt64) {
        let reached = sockets.reportedUntil
        drained = now
        noteLowerBounds(
            sockets.settleEnding {
                Self.isLong(since: $0, reached, 2_000_000_000) || Self.isLong(since: $0, now, 30_000_000_000)
            })
    }

    /// Says of connections whose ends no notice has reported, though it was waited for, that more may have gone over them: those that
    /// their own side reset, or in a network namespace of which nothing is heard.
    mutating func noteUnreportedEnds() {
        noteLowerBounds(sockets.markEnding(before: drained > 2_000_000_000 ? drained - 2_000_000_000 : 0))
    }

    private mutating func noteLowerBounds(_ marked: [Int?]) {
        counters.unnoticedConnections += UInt64(marked.count)
        for position in marked { if let position { ledger.noteLowerBound(at: position) } }
    }

    private static func isLong(since ended: UInt64, _ now: UInt64, _ limit: UInt64) -> Bool {
        now > ended && now - ended > limit
    }

    private mutating func follow(_ change: TransitionEvent, _ batch: borrowing EventBatch) {
        let time = wall(change.time, batch)
        switch (change.from, change.to) {
        case (_, .listen):
            let image = image(of: change.pid, at: change.time)
            let place = image.network
            guard image.program != .unknown, isInside(place, change.local.address) else { return }
            listen(change, image, time)
        case (.listen, _): sockets.listeners.end(.tcp, change.local, socket: change.socket)
        case (_, .synSent):
            // In the context of the process that connects; the source port is not chosen yet.
            let image = image(of: change.pid, at: change.time)
            if sockets.attempts.count > SocketTable.mostAttempts {
                counters.evictedConnections += UInt64(sockets.attempts.count)
                sockets.attempts.removeAll()
            }
            sockets.attempts[change.socket] = .init(
                program: image.program, evidence: image.evidence, time: change.time, network: image.network,
                pid: change.pid)
        case (_, .established):
            established(change, time)
        case (_, .closeWait), (_, .closing):
            sockets.change(tuple(change)) { if $0.isLive(change) { $0.endReceived = true } }
        case (.established, .finWait1), (.synReceived, .finWait1), (.closeWait, .lastAck):
            endedByTaker(change)
        case (_, .finWait2):
            sockets.change(tuple(change)) { if $0.isLive(change) { $0.finAcknowledged = change.time } }
        case (.synSent, .close):
            sockets.attempts[change.socket] = nil
        case (_, .close):
            ended(change)
            sockets.forgetPlace(of: change.socket)
        default: break
        }
    }

    private mutating func established(_ change: TransitionEvent, _ time: UInt64) {
        // The client's moment names both ends.
        var pair = change.time
        if let attempt = sockets.attempts.removeValue(forKey: change.socket) {
            let tuple = tuple(.tcp, change.local, change.remote, network: attempt.network.inode)
            guard isInside(attempt.network, change.local.address) else {
                noteForeignConnection(tuple, at: change.time)
                return
            }
            if tuple.network != 0 || sockets.hasPlaces {
                sockets.setPlace(of: change.socket, tuple, at: change.time)
            }
            guessTaker(of: tuple)
            if isLogging { logConnect(tuple, attempt, time) }
            if sockets.supersede(tuple, at: change.time) {
                recognise(tuple, attempt, time)
            } else if attempt.program != .unknown, mayBeTakenHere(change.local, change.remote) {
                // If it is, who takes it will be known.
                sockets.live[tuple] = .init(
                    program: attempt.program, socket: change.socket, established: change.time, pair: pair,
                    network: attempt.network.known, taker: .open, evidence: attempt.evidence, wall: time)
                if attempt.evidence != .inferred {
                    sockets.noteClient(.tcp, change.remote, attempt.program)
                }
                return
            } else {
                connected(
                    tuple, attempt.program, attempt.evidence, time, network: attempt.network.known)
            }
        } else {
            var tuple = tuple(change)
            if sockets.hasPlaces { tuple = acceptedTuple(change) }
            guard isAcceptedInside(tuple) else { return }
            if tuple.network != 0 || sockets.hasPlaces {
                sockets.setPlace(of: change.socket, tuple, at: change.time)
            }
            guessTaker(of: tuple)
            if sockets.supersede(tuple, at: change.time) {
                // Of a connect whose beginning was lost the scan knows which end it is.
                guard relation(tuple) != .connect else {
                    take(change, pair: pair)
                    return
                }
                // The scan has met the one who holds it.
                if let key = sockets.live[tuple]?.position.map({ ledger.records[$0].key }),
                    sockets.live[tuple]?.taker == .known
                {
                    ledger.note(key, evidence: .exact, time: time, count: 0)
                }
            } else if change.from == .synSent {
                // The connect itself was lost, and with it who made it.
                counters.unattributedConnections += 1
                return
            } else {
                pair = sockets.live[tuple.mirrored]?.established ?? 0
                sockets.live[tuple] = .init(
                    program: .unknown, socket: change.socket, established: change.time, pair: pair,
                    taker: .open, isAccepted: true, wall: time)
                return
            }
            pair = sockets.live[tuple.mirrored]?.established ?? 0
        }
        take(change, pair: pair)
    }

    /// From now on the connection is that of this socket.
    private mutating func take(_ change: TransitionEvent, pair: UInt64) {
        sockets.change(tuple(change)) { connection in
            connection.socket = change.socket
            connection.established = change.time
            connection.pair = pair
        }
    }

    /// How the connection between two ends is recorded, if it is.
    private func relation(_ tuple: FourTuple) -> Relation? {
        sockets.live[tuple]?.position.map { ledger.records[$0].key.relation }
    }

    /// Takes an event for a connection that a scan has counted: what it adds is how well that is known.
    private mutating func recognise(_ tuple: FourTuple, _ attempt: SocketTable.Attempt, _ time: UInt64) {
        // Without the program the scan's word is the better one.
        guard attempt.program != .unknown, let found = sockets.live[tuple] else { return }
        let known = found.position.map { ledger.records[$0].key }
        if found.program == attempt.program, known?.relation ?? .connect == .connect {
            if let key = known { ledger.note(key, evidence: attempt.evidence, time: time, count: 0) }
        } else {
            // Who holds a socket need not be who made it: both depend on the other side.
            connected(
                tuple, attempt.program, attempt.evidence, time, network: attempt.network.known, count: 0)
        }
        sockets.noteClient(tuple.transport, tuple.remote, attempt.program)
        sockets.change(tuple) { connection in
            connection.network = attempt.network.known
            connection.sent = found.sent
            connection.received = found.received
            connection.endReceived = found.endReceived
            connection.peerSent = found.peerSent
        }
    }

    private mutating func ended(_ change: TransitionEvent) {
        let tuple = tuple(change)
        // What a scan has met alive had not ended before: that was another connection of the same two ends,
        // whose beginning was lost.
        guard let known = sockets.live[tuple],
            known.socket == 0 ? known.found < change.time : known.socket == change.socket
        else { return }
        sockets.awaitNotice(of: tuple, endedAt: change.time)
        // No process has ended it: it was reset, or its program's end was not reported.
        if known.isAccepted, known.taker == .open { guessTaker(of: tuple) }
        // A socket that its program has closed is swapped for a remnant in the same moment in which its
        // FIN is acknowledged, and no FIN of the other side is counted. One that the program only shut
        // down waits for that FIN, which takes a segment of its own.
        sockets.change(tuple) { connection in
            connection.ended = change.time
            if change.from == .finWait2, change.time &- connection.finAcknowledged > 20_000 {
                connection.endReceived = true
                connection.isEndGuessed = true
            }
        }
    }

    mutating func image(of pid: Int32, at time: UInt64) -> Image {
        if processes[pid] == nil { adopt(pid) }
        let image = processes[pid]?.image(at: time) ?? .unknown
        noteNetwork(image.network.inode)
        return image
    }

    /// Notes a program that waits at an address.
    private mutating func listen(_ change: TransitionEvent, _ image: Image, _ time: UInt64) {
        sockets.listeners.listen(
            .tcp, change.local, image.program, network: image.network.known, socket: change.socket,
            pid: change.pid, at: change.time)
        guard isRecorded(image.program) else { return }
        guard let local = number(of: change.local) else { return }
        let key = RecordKey.listen(image.program, .tcp, local: local)
        if admits(key) { ledger.note(key, evidence: image.evidence, time: time) }
    }

    /// Notes a connection that a program made.
    mutating func connected(
        _ tuple: FourTuple, _ program: ProgramID, _ evidence: Evidence, _ time: UInt64,
        network: UInt64 = 0, count: UInt64 = 1
    ) {
        guard program != .unknown else {
            counters.unattributedConnections += 1
            return
        }
        let (transport, local, remote) = (tuple.transport, tuple.local, tuple.remote)
        var peer = peer(of: tuple, network: network)
        // A bound datagram socket has no other end: who holds it takes what comes. Of a stream who listens need not be
        // who takes.
        if peer == .unknown, transport != .tcp || evidence == .inferred, isHere(local, remote) {
            let takers = takers(of: tuple.mirrored, client: network)
            if takers.count == 1 { peer = takers[0] }
        }
        var position: Int?
        if isRecorded(program), let remote = number(of: remote) {
            let key = RecordKey.connect(program, transport, remote: remote, peer: peer)
            if admits(key) {
                position = ledger.note(key, evidence: evidence, time: time, count: count)
            }
        }
        sockets.live[tuple] = .init(position: position, program: program, network: network)
        if evidence != .inferred { sockets.noteClient(transport, remote, program) }
    }

    /// Notes a connection that one of several programs took, in a network namespace.
    mutating func accepted(
        _ tuple: FourTuple, by takers: [ProgramID], _ evidence: Evidence, _ time: UInt64,
        network: UInt64 = 0, count: UInt64 = 1
    ) {
        guard !takers.isEmpty else {
            counters.unattributedConnections += 1
            return
        }
        var position: Int?
        for program in takers where isRecorded(program) {
            guard let local = number(of: tuple.local),
                let remote = number(of: Endpoint(tuple.remote.address, port: 0))
            else { continue }
            let key = RecordKey.accept(
                program, tuple.transport, local: local, remote: remote,
                peer: peer(of: tuple, network: network))
            guard admits(key) else { continue }
            let noted = ledger.note(key, evidence: evidence, time: time, count: count)
            position = position ?? noted
        }
        sockets.live[tuple] = .init(
            position: position, program: takers.count == 1 ? takers[0] : .unknown, network: network,
            isAccepted: true)
    }

    /// The namespace of a socket that is gone; 0 where it is not known.
    private func network(of closure: ClosureEvent) -> UInt64 {
        switch closure.network {
        case 0: ownNetwork
        case ClosureEvent.unknownNetwork: 0
        default: closure.network
        }
    }

    /// - Parameter met: UDP sockets of which this drain has brought nothing but the end: a further one between the same two
    ///   ends is another.
    private mutating func meet(
        _ closure: ClosureEvent, _ batch: borrowing EventBatch, _ met: inout Set<FourTuple>
    ) {
        guard closure.remote.port != 0 else {
            meetUnconnected(closure, batch.cutoff)
            return
        }
        let tuple = tuple(closure)
        guard sockets.connection(tuple, number: 0) == nil || met.contains(tuple) else { return }
        guard !mayBeLate(closure, batch.cutoff) else {
            counters.lateNotices += 1
            return
        }
        attributeAfterwards(closure, batch.wall)
        if closure.transport == .udp { met.insert(tuple) }
    }

    /// A socket without another end: it only waited, was never used, or was reset by its own side. Datagrams can be sent
    /// from it all the same: a UDP socket that has a port and that no scan has met leaves no record of them.
    private mutating func meetUnconnected(_ closure: ClosureEvent, _ now: UInt64) {
        guard closure.transport == .udp, closure.local.port != 0 else { return }
        let network = network(of: closure)
        let waiting = sockets.listeners.waiting(.udp, closure.local, network: network)
        noteRoutes(from: closure.local, network: network, end: now)
        let isUnknown = takeUnknownSocket(closure.local, network: network)
        if waiting.isEmpty, isUnknown { counters.unattributedDatagrams += 1 }
        sockets.listeners.end(.udp, closure.local, socket: 0, network: network)
    }

    /// - Parameter mayBeOpen: whether it may not be known yet who took it.
    private mutating func close(_ closure: ClosureEvent, mayBeOpen: Bool, at now: UInt64) {
        let tuple = tuple(closure)
        sockets.noteEnd(tuple)
        if mayBeOpen { settleBeforeNotice(tuple) }
        guard var connection = sockets.takeOldest(tuple) else { return }
        sockets.reportedUntil = max(sockets.reportedUntil, connection.ended)
        // What is unread of a connection that this side closed first can only be the FIN: with payload
        // unread it would have been reset.
        if closure.hasUnreadEnd, connection.finAcknowledged != 0 { connection.endReceived = true }
        count(closure.sent, closure.received, &connection)
        if connection.isEndGuessed, connection.peerSent == nil, mayLackNotices(now) {
            noteLowerBound(&connection)
        }
        if connection.taker == .open { keepOrphan(tuple, connection) }
    }

    /// A connection that was never seen alive: the server's side belongs to whoever waits at its port;
    /// the client's side to the program that connects there, if one is known.
    private mutating func attributeAfterwards(_ closure: ClosureEvent, _ time: UInt64) {
        // A TCP socket that never carried a byte and was never seen connected has failed to connect.
        if closure.transport == .tcp, closure.sent == 0, closure.received == 0 { return }
        let (tuple, network) = (tuple(closure), network(of: closure))
        let listeners = sockets.listeners.waiting(closure.transport, closure.local, network: network)
        if !listeners.isEmpty {
            accepted(tuple, by: takers(among: listeners), .inferred, time, network: network)
            return
        }
        // Datagrams go to one address from many programs: who sent the last ones says nothing of the next.
        guard closure.transport == .tcp else {
            attributeDatagrams(closure, tuple, network, time)
            return
        }
        let program = sockets.likelyClient(closure.transport, closure.remote) ?? .unknown
        connected(tuple, program, .inferred, time, network: network)
    }

    /// Datagrams of a socket that no scan has met are those of who closed it. Apart from connections, which are many.
    @inline(never)
    private mutating func attributeDatagrams(
        _ closure: ClosureEvent, _ tuple: FourTuple, _ network: UInt64, _ time: UInt64
    ) {
        guard let program = connects.takeDatagramEnd(tuple) else {
            if noteRoute(tuple, network: network) { return }
            counters.unattributedDatagrams += 1
            return
        }
        connected(tuple, program, .exact, time, network: network)
    }

    /// Adds what went over a connection since it was last looked at.
    func countable(_ total: UInt64, _ counted: UInt64) -> UInt64 { total > counted ? total - counted : 0 }

    mutating func count(_ sent: UInt64, _ received: UInt64, _ connection: inout SocketTable.Connection) {
        var received = received
        if let most = connection.peerSent {
            received = min(received, most)
        } else if connection.endReceived, received > 0 {
            received -= 1
        }
        if let position = connection.position {
            ledger.addTraffic(
                at: position, sent: countable(sent, connection.sent),
                received: countable(received, connection.received))
        }
        connection.sent = max(connection.sent, sent)
        connection.received = max(connection.received, received)
    }
}

extension SocketTable.Connection {
    /// Whether a change is one of the connection that is known by its two ends: another namespace can have the same two.
    fileprivate func isLive(_ change: TransitionEvent) -> Bool { socket == 0 || socket == change.socket }
}
