import Records
import Text

/// The two ends of a connection, from one side.
struct FourTuple: QuickKey {
    var transport: Transport
    var local: Endpoint
    var remote: Endpoint

    /// The same connection from the other side.
    var mirrored: FourTuple { FourTuple(transport: transport, local: remote, remote: local) }

    func hash(with hash: SeededHash) -> UInt64 {
        let ports = UInt64(transport.rawValue) << 32 | UInt64(local.port) << 16 | UInt64(remote.port)
        return hash(
            hash(local.address.high, local.address.low),
            hash(remote.address.high, remote.address.low), ports)
    }
}

/// What is known of sockets that are alive, and what like ones may be concluded from.
struct SocketTable: ~Copyable {
    /// A connection whose program is known.
    struct Connection {
        /// Its record in the ledger; `nil` where the program gets none, or where that was forgotten.
        var position: Int?
        /// Whether its record was forgotten: the next scan that meets it notes it anew.
        var isForgotten = false
        var program: ProgramID
        /// Its socket; 0 where only a scan or a notice has reported it.
        var socket: UInt64 = 0
        /// When a scan that reported it first, before any event, had read the sockets; 0 where none did.
        var found: UInt64 = 0
        /// When it was seen to be established; 0 where it was not.
        var established: UInt64 = 0
        /// When its client's end was established, which names a connection that has both ends here among
        /// those of the same two ends; 0 where that was not seen.
        var pair: UInt64 = 0
        /// The network namespace of its program, 0 where it is not known.
        var network: UInt64 = 0
        /// The traffic that was added to the record already.
        var sent: UInt64 = 0
        var received: UInt64 = 0
        /// Whether the other side has ended its stream: its FIN counts as a byte received.
        var endReceived = false
        /// When this side's own FIN was acknowledged; 0 while it was not.
        var finAcknowledged: UInt64 = 0
        /// All that the other side sent, once its socket has reported it; what was received is at most that.
        var peerSent: UInt64?
        /// When its socket was seen to leave its last state; 0 while it has not. The notice with its
        /// traffic follows from a work queue.
        var ended: UInt64 = 0
    }

    /// A connect on its way.
    struct Attempt {
        var program: ProgramID
        var evidence: Evidence
        var time: UInt64
        var network: NetworkPlace
    }

    /// Someone who waits for connections.
    struct Listener {
        var address: NetworkAddress
        var program: ProgramID
        var evidence: Evidence
        /// The network namespace of the program, 0 where it is not known.
        var network: UInt64
    }

    private struct Ended {
        var tuple: FourTuple
        var ended: UInt64
    }

    private struct Destination: QuickKey {
        var transport: Transport
        var remote: Endpoint

        func hash(with hash: SeededHash) -> UInt64 {
            hash(
                remote.address.high, remote.address.low,
                UInt64(transport.rawValue) << 16 | UInt64(remote.port))
        }
    }

    /// Connections that have ended, the oldest first; most of their notices have come already.
    private var ending: [Ended] = []
    /// How many at the front of `ending` are done with.
    private var settled = 0
    /// The end of the youngest connection that a notice has reported.
    var toldUntil: UInt64 = 0
    /// Ends of connections that the scan being taken in has found: they know each other in any order.
    var found: [FourTuple: ProgramID] = [:]
    /// Connections that ended while a scan was made: it may have met them alive, and they are counted already. `nil`
    /// while none is made.
    private(set) var endedDuringScan: Set<FourTuple>?
    /// Connects on their way, by socket.
    var attempts: [UInt64: Attempt] = [:]
    /// Connections, made outside the network namespace that is watched, between two addresses that are
    /// in it as well, by when they were made: the same address in another namespace is another host's.
    var foreignConnections: [FourTuple: UInt64] = [:]
    /// Connections by their two ends.
    var live: [FourTuple: Connection] = [:]
    /// Ended connections between two ends that are connected anew, oldest first: notices come in the order
    /// of the ends, and theirs are still to come.
    private(set) var superseded: [FourTuple: [Connection]] = [:]
    /// Ended connections whose notice is long due: it may come all the same, since a processor that is busy tells its
    /// own late. In two generations, of which the older goes when the younger is full.
    private var overdue: [FourTuple: Connection] = [:]
    private var longOverdue: [FourTuple: Connection] = [:]
    private var listeners: [UInt32: [Listener]] = [:]
    /// Who last connected where: what an unattributed connection is inferred from.
    private var clients: [Destination: ProgramID] = [:]

    /// Changes a living connection.
    ///
    /// By taking it out and putting it back: `live[tuple]?.field = value` lends the value, and each layer that
    /// lends it keeps a frame on the heap.
    mutating func change(_ tuple: FourTuple, _ change: (inout Connection) -> Void) {
        guard var connection = live[tuple] else { return }
        change(&connection)
        live[tuple] = connection
    }

    /// Connections, connects and listeners that are kept at a time; a host with more has the oldest evicted.
    static let mostConnections = 1 << 18
    static let mostAttempts = 1 << 16
    static let mostListeners = 1 << 15
    static let mostOverdue = 1 << 13
    /// Connections that were evicted before their end: their traffic is lost.
    private(set) var evicted: UInt64 = 0
    private var listenerCount = 0

    /// Bytes in use, about.
    var footprint: Int {
        (live.count + overdue.count + longOverdue.count) * 200 + superseded.count * 240
            + attempts.count * 64 + listenerCount * 80
            + clients.count * 48 + foreignConnections.count * 64 + ending.count * 56
    }

    /// Forgets what connections could be inferred from.
    mutating func dropInferences() {
        clients.removeAll()
        overdue.removeAll()
        longOverdue.removeAll()
    }

    /// Evicts connections beyond the bound. Which of them does not matter: those that are still open are found again
    /// by scans.
    mutating func evictConnections() {
        guard live.count > Self.mostConnections else { return }
        let surplus = live.count - Self.mostConnections * 9 / 10
        for tuple in live.keys.prefix(surplus) { live[tuple] = nil }
        evicted += UInt64(surplus)
    }

    /// Keeps in mind from now on which connections end.
    mutating func scanBegins() { if endedDuringScan == nil { endedDuringScan = [] } }

    /// What the scan has found is in the ledger.
    mutating func scanEnds() { endedDuringScan = nil }

    /// Notes that the notice of a connection's end was taken.
    mutating func noteEnd(_ tuple: FourTuple) {
        guard endedDuringScan != nil, endedDuringScan!.count < 1 << 16 else { return }
        endedDuringScan!.insert(tuple)
    }

    /// Makes room for a connection that was established between two ends, unless a scan has reported it.
    ///
    /// A scan meets what lives, whatever still waits in the rings: a connection that it found and that no
    /// event has reported is the one whose event is not younger than the scan. Of several such events between
    /// the same ends, the first is taken for it and the others are counted: the number is right either way.
    ///
    /// - Returns: whether the connection is one that a scan has reported; it stays where it is.
    mutating func supersede(_ tuple: FourTuple, at time: UInt64) -> Bool {
        guard var former = live.removeValue(forKey: tuple) else { return false }
        if former.socket == 0, former.found >= time {
            live[tuple] = former
            return true
        }
        if former.ended == 0 {
            former.ended = time
            awaitNotice(of: tuple, endedAt: time)
        }
        superseded[tuple, default: []].append(former)
        return false
    }

    /// The connection that the next notice but `number` of these ends is about.
    func connection(_ tuple: FourTuple, number: Int) -> Connection? {
        let former = superseded[tuple] ?? []
        if number < former.count { return former[number] }
        guard number == former.count else { return nil }
        let latest = live[tuple]
        // Who lives has no notice yet, unless its end was missed.
        if let latest, latest.ended != 0 { return latest }
        return overdue[tuple] ?? longOverdue[tuple] ?? latest
    }

    /// Removes and gives the connection that the next notice of these ends is about.
    mutating func takeOldest(_ tuple: FourTuple) -> Connection? {
        guard var former = superseded[tuple] else {
            if let latest = live[tuple], latest.ended != 0 { return live.removeValue(forKey: tuple) }
            return overdue.removeValue(forKey: tuple) ?? longOverdue.removeValue(forKey: tuple)
                ?? live.removeValue(forKey: tuple)
        }
        let oldest = former.removeFirst()
        superseded[tuple] = former.isEmpty ? nil : former
        return oldest
    }

    /// Notes what the other end of a connection sent.
    mutating func setPeerSent(_ sent: UInt64, _ tuple: FourTuple, pair: UInt64) {
        if !superseded.isEmpty, let found = superseded[tuple]?.firstIndex(where: { $0.pair == pair }) {
            superseded[tuple]?[found].peerSent = sent
        } else if live[tuple]?.pair == pair {
            change(tuple) { $0.peerSent = sent }
        } else if overdue[tuple]?.pair == pair {
            overdue[tuple]?.peerSent = sent
        }
    }

    /// Notes that a connection has ended and that its notice is still to come.
    mutating func awaitNotice(of tuple: FourTuple, endedAt time: UInt64) {
        ending.append(Ended(tuple: tuple, ended: time))
    }

    /// How many ended connections still wait for their notice.
    var awaited: Int {
        ending[settled...].reduce(0) { isAwaited($1) ? $0 + 1 : $0 }
    }

    /// Forgets ended connections whose notice does not come; `isLong` says of the time of an end whether it
    /// is too long ago.
    ///
    /// Looks at those in front that are done with and at one more: under steady traffic there are always
    /// some that have just ended, and looking at all of them took more than everything else together.
    mutating func settleEnding(_ isLong: (UInt64) -> Bool) {
        while settled < ending.count {
            let entry = ending[settled]
            if isAwaited(entry) {
                guard isLong(entry.ended) else { break }
                forget(entry)
            }
            settled += 1
        }
        if settled == ending.count {
            ending.removeAll(keepingCapacity: ending.capacity <= 4096)
            settled = 0
        } else if settled > 1024, settled * 2 > ending.count {
            ending.removeFirst(settled)
            settled = 0
        }
    }

    /// Whether the notice of an ended connection is still to come.
    private func isAwaited(_ entry: Ended) -> Bool {
        if live[entry.tuple]?.ended == entry.ended { return true }
        return !superseded.isEmpty && superseded[entry.tuple]?.contains { $0.ended == entry.ended } ?? false
    }

    /// Waits no longer for the notice of an ended connection. If it comes yet, the connection is not a new one.
    private mutating func forget(_ entry: Ended) {
        noteEnd(entry.tuple)
        if let latest = live[entry.tuple], latest.ended == entry.ended {
            live[entry.tuple] = nil
            keepOverdue(entry.tuple, latest)
        }
        guard var former = superseded[entry.tuple] else { return }
        if let late = former.last(where: { $0.ended == entry.ended }) { keepOverdue(entry.tuple, late) }
        former.removeAll { $0.ended == entry.ended }
        superseded[entry.tuple] = former.isEmpty ? nil : former
    }

    private mutating func keepOverdue(_ tuple: FourTuple, _ connection: Connection) {
        if overdue.count >= Self.mostOverdue {
            longOverdue = overdue
            overdue = [:]
        }
        overdue[tuple] = connection
    }

    /// The program at the other end of a connection, as far as that end is on this host and known.
    func peer(of tuple: FourTuple) -> ProgramID {
        live[tuple.mirrored]?.program ?? found[tuple.mirrored] ?? .unknown
    }

    /// Notes that a program waits at an address; a later one at the same address of the same network
    /// namespace takes its place.
    mutating func listen(
        _ transport: Transport, _ local: Endpoint, _ program: ProgramID, _ evidence: Evidence,
        network: UInt64
    ) {
        let key = key(transport, local.port)
        var there = listeners[key] ?? []
        let before = there.count
        there.removeAll { $0.address == local.address && $0.network == network }
        if there.count == before, listenerCount >= Self.mostListeners {
            // Scans find again who listens now.
            evicted += UInt64(listenerCount)
            listeners.removeAll()
            listenerCount = 0
            there = []
        }
        there.append(
            Listener(address: local.address, program: program, evidence: evidence, network: network))
        listenerCount += there.count - (listeners[key]?.count ?? 0)
        listeners[key] = there
    }

    /// Who waits at an address: a listener on just this address before one on every address, and before
    /// both those in the same network namespace, where that is known.
    func listener(_ transport: Transport, _ local: Endpoint, network: UInt64 = 0) -> Listener? {
        let all = listeners[key(transport, local.port)] ?? []
        let near = network == 0 ? [] : all.filter { $0.network == network }
        for candidates in [near, all] where !candidates.isEmpty {
            if let found = candidates.last(where: { $0.address == local.address })
                ?? candidates.last(where: { $0.address.isWildcard })
            {
                return found
            }
        }
        return nil
    }

    /// Notes an attributed client, for inference; the table is emptied when it is full.
    mutating func noteClient(_ transport: Transport, _ remote: Endpoint, _ program: ProgramID) {
        if clients.count > 1 << 14 { clients.removeAll() }
        clients[Destination(transport: transport, remote: remote)] = program
    }

    /// Who most likely made a connection that nobody saw being made.
    func likelyClient(_ transport: Transport, _ remote: Endpoint) -> ProgramID? {
        clients[Destination(transport: transport, remote: remote)]
    }

    private func key(_ transport: Transport, _ port: UInt16) -> UInt32 {
        UInt32(transport.rawValue) << 16 | UInt32(port)
    }

    /// Notes what sockets refer to by number.
    func addUses(to uses: inout LedgerUses) {
        for connections in [live, overdue, longOverdue] { uses.programs += connections.values.map(\.program) }
        uses.programs += attempts.values.map(\.program) + found.values
        for connections in superseded.values { uses.programs += connections.map(\.program) }
        for listeners in listeners.values { uses.programs += listeners.map(\.program) }
    }

    /// Follows a renumbering.
    mutating func renumber(_ change: Renumbering) {
        live = live.mapValues { $0.renumbered(change) }
        overdue = overdue.mapValues { $0.renumbered(change) }
        longOverdue = longOverdue.mapValues { $0.renumbered(change) }
        superseded = superseded.mapValues { $0.map { $0.renumbered(change) } }
        for socket in attempts.keys {
            guard var attempt = attempts[socket] else { continue }
            attempt.program = change(attempt.program)
            attempts[socket] = attempt
        }
        listeners = listeners.mapValues { listeners in
            listeners.map { listener in
                var listener = listener
                listener.program = change(listener.program)
                return listener
            }
        }
        found = found.mapValues { change($0) }
        // What nothing else refers to may be gone: nothing is inferred from it then.
        clients = clients.mapValues { change($0) }.filter { $0.value != .unknown }
    }
}

extension SocketTable.Connection {
    fileprivate func renumbered(_ change: Renumbering) -> Self {
        var connection = self
        connection.program = change(program)
        connection.position = position.flatMap { change.position($0) }
        if position != nil, connection.position == nil { connection.isForgotten = true }
        return connection
    }
}
