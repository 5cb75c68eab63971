import Records
import Text

/// What is known of sockets that are alive, and what like ones may be concluded from.
struct SocketTable: ~Copyable {
    struct Ended {
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
    var reportedUntil: UInt64 = 0
    /// Ends of connections that the scan being taken in has found: they know each other in any order.
    var found: [FourTuple: ProgramID] = [:]
    /// Connections that ended while a scan was made: it may have met them alive, and they are counted already. `nil`
    /// while none is made.
    private(set) var endedDuringScan: Set<FourTuple>?
    /// Sockets of connections that stay within another network namespace, whose events name none.
    private var places: [UInt64: UInt32] = [:]
    /// Where two ends were last connected within other network namespaces, by the ends alone.
    private var lately: [FourTuple: [LatePlace]] = [:]
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
    /// Ended connections whose notice is long due: it may come all the same, since a processor that is busy reports its
    /// own late. In two generations, of which the older goes when the younger is full.
    private var overdue: [FourTuple: Connection] = [:]
    private var longOverdue: [FourTuple: Connection] = [:]
    /// Ends of connections that are gone before it is known who took them: their traffic waits for a record.
    var orphans: [FourTuple: Connection] = [:]
    var listeners = ListenerTable()
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

    /// The network namespace in the key of a socket's connection.
    @inline(__always)
    func place(of socket: UInt64) -> UInt32 { places.isEmpty ? 0 : places[socket] ?? 0 }

    /// Notes in which network namespace a socket's connection was made: `tuple` has it.
    mutating func setPlace(of socket: UInt64, _ tuple: FourTuple, at time: UInt64) {
        guard tuple.network != 0 else {
            // The number of a socket that is gone may be another's.
            if !places.isEmpty { places[socket] = nil }
            return
        }
        if places.count >= Self.mostConnections { places.removeAll() }
        places[socket] = tuple.network
        if lately.count >= Self.mostOverdue { lately.removeAll() }
        var places = (lately[tuple.placeless] ?? []).filter { $0.network != tuple.network }
        places.append(LatePlace(network: tuple.network, time: time))
        lately[tuple.placeless] = Array(places.suffix(Self.mostPlaces))
    }

    /// Whether any connection stays within another network namespace.
    var hasPlaces: Bool { !lately.isEmpty }

    mutating func forgetPlace(of socket: UInt64) { if !places.isEmpty { places[socket] = nil } }

    /// Where two ends were last connected within other network namespaces, the latest last.
    func latePlaces(_ tuple: FourTuple) -> [LatePlace] {
        lately.isEmpty ? [] : lately[tuple.placeless] ?? []
    }

    /// Notes that the end that was taken has come.
    mutating func pairLate(_ tuple: FourTuple) {
        guard var places = lately[tuple.placeless],
            let index = places.firstIndex(where: { $0.network == tuple.network })
        else { return }
        places[index].isPaired = true
        lately[tuple.placeless] = places
    }

    /// Exchanges the sockets of two connections that were taken at the same moment, by the same ends in two namespaces.
    mutating func exchange(_ one: FourTuple, _ other: FourTuple) {
        guard let first = live[one], let second = live[other] else { return }
        live[one] = second
        live[other] = first
        change(one) { $0.pair = first.pair }
        change(other) { $0.pair = second.pair }
        places[first.socket] = other.network == 0 ? nil : other.network
        places[second.socket] = one.network == 0 ? nil : one.network
    }

    /// Connections and connects that are kept at a time; a host with more has the oldest evicted.
    static let mostConnections = 1 << 18
    static let mostAttempts = 1 << 16
    static let mostOverdue = 1 << 13
    static let mostOrphans = 1 << 13
    /// Network namespaces that are kept of the same two ends.
    static let mostPlaces = 16
    /// Connections that were evicted before their end: their traffic is lost.
    private var evicted: UInt64 = 0

    /// Bytes in use, about.
    var footprint: Int {
        (live.count + overdue.count + longOverdue.count + orphans.count) * 216 + superseded.count * 256
            + attempts.count * 64 + listeners.footprint
            + clients.count * 48 + foreignConnections.count * 64 + places.count * 24 + lately.count * 80
            + ending.count * 56
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

    /// Connections and listeners that were evicted since this was last asked.
    mutating func takeEvicted() -> UInt64 {
        defer { evicted = 0 }
        return evicted + listeners.takeEvicted()
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
        let former = superseded.lookUp(tuple) ?? []
        if number < former.count { return former[number] }
        guard number == former.count else { return nil }
        let latest = live.lookUp(tuple)
        // Who lives has no notice yet, unless its end was missed.
        if let latest, latest.ended != 0 { return latest }
        return overdue.lookUp(tuple) ?? longOverdue.lookUp(tuple) ?? orphans.lookUp(tuple) ?? latest
    }

    /// Removes and gives the connection that the next notice of these ends is about.
    mutating func takeOldest(_ tuple: FourTuple) -> Connection? {
        guard var former = superseded.lookUp(tuple) else {
            if let latest = live.lookUp(tuple), latest.ended != 0 { return live.removeValue(forKey: tuple) }
            return overdue.takeOut(tuple) ?? longOverdue.takeOut(tuple) ?? orphans.takeOut(tuple)
                ?? live.takeOut(tuple)
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
        } else if orphans[tuple]?.pair == pair {
            orphans[tuple]?.peerSent = sent
        }
    }

    /// Whether an end of a connection between two ends is known of which the notice is still to come.
    func isAwaited(_ tuple: FourTuple, pair: UInt64) -> Bool {
        pair != 0 && (live[tuple]?.pair == pair || superseded[tuple]?.contains { $0.pair == pair } ?? false)
    }

    /// Notes that a connection has ended and that its notice is still to come.
    mutating func awaitNotice(of tuple: FourTuple, endedAt time: UInt64) {
        ending.append(Ended(tuple: tuple, ended: time))
    }

    /// How many ended connections still wait for their notice.
    var awaited: Int {
        ending[settled...].reduce(0) { isAwaited($1) ? $0 + 1 : $0 }
    }

    /// The ended connections that wait for their notice, up to a moment, in the order of their ends: for whoever waits no longer.
    mutating func takeAwaited(until time: UInt64) -> [Ended] {
        var taken: [Ended] = []
        while settled < ending.count, ending[settled].ended <= time {
            if isAwaited(ending[settled]) { taken.append(ending[settled]) }
            settled += 1
        }
        return taken
    }

    /// Forgets ended connections whose notice does not come; `isLong` says of the time of an end whether it
    /// is too long ago.
    ///
    /// Looks at those in front that are done with and at one more: under steady traffic there are always
    /// some that have just ended, and looking at all of them took more than everything else together.
    ///
    /// - Returns: the records of those whose bytes are now known to be a lower bound; `nil` for one that has no record yet.
    mutating func settleEnding(_ isLong: (UInt64) -> Bool) -> [Int?] {
        var givenUp: [Int?] = []
        while settled < ending.count {
            let entry = ending[settled]
            if isAwaited(entry) {
                guard isLong(entry.ended) else { break }
                givenUp += markLowerBound(entry)
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
        return givenUp
    }

    /// Says of connections that ended before a moment, and whose notice may come yet, that what is known of their bytes is a lower
    /// bound: for a dump. Returns what `settleEnding` does.
    mutating func markEnding(before time: UInt64) -> [Int?] {
        var marked: [Int?] = []
        for index in settled..<ending.count {
            let entry = ending[index]
            guard entry.ended < time else { break }
            if isAwaited(entry) { marked += markLowerBound(entry) }
        }
        return marked
    }

    private mutating func markLowerBound(_ entry: Ended) -> [Int?] {
        var marked: [Int?] = []
        func mark(_ connection: inout Connection) {
            guard connection.ended == entry.ended, !connection.isLowerBound else { return }
            connection.isLowerBound = true
            marked.append(connection.position)
        }
        change(entry.tuple, mark)
        if var former = superseded.lookUp(entry.tuple) {
            for index in former.indices { mark(&former[index]) }
            superseded[entry.tuple] = former
        }
        return marked
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

    /// Keeps an ended connection whose notice is not waited for any more, since it may come all the same.
    mutating func keepOverdue(_ tuple: FourTuple, _ connection: Connection) {
        guard connection.taker == .known else {
            orphans[tuple] = connection
            return
        }
        if overdue.count >= Self.mostOverdue {
            longOverdue = overdue
            overdue = [:]
        }
        overdue[tuple] = connection
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

    /// Notes what sockets refer to by number.
    func addUses(to uses: inout LedgerUses) {
        for connections in [live, overdue, longOverdue, orphans] {
            uses.programs += connections.values.map(\.program)
        }
        uses.programs += attempts.values.map(\.program) + found.values
        for connections in superseded.values { uses.programs += connections.map(\.program) }
        listeners.addUses(to: &uses)
    }

    /// Follows a renumbering.
    mutating func renumber(_ change: Renumbering) {
        live = live.mapValues { $0.renumbered(change) }
        overdue = overdue.mapValues { $0.renumbered(change) }
        longOverdue = longOverdue.mapValues { $0.renumbered(change) }
        orphans = orphans.mapValues { $0.renumbered(change) }
        superseded = superseded.mapValues { $0.map { $0.renumbered(change) } }
        for socket in attempts.keys {
            guard var attempt = attempts[socket] else { continue }
            attempt.program = change(attempt.program)
            attempts[socket] = attempt
        }
        listeners.renumber(change)
        found = found.mapValues { change($0) }
        // What nothing else refers to may be gone: nothing is inferred from it then.
        clients = clients.mapValues { change($0) }.filter { $0.value != .unknown }
    }
}

extension Dictionary where Key == FourTuple {
    /// The value of a key. Most of these tables are empty most of the time, and a hash is not made for nothing.
    @inline(__always)
    fileprivate func lookUp(_ key: Key) -> Value? { isEmpty ? nil : self[key] }

    /// The same, and removes it.
    @inline(__always)
    fileprivate mutating func takeOut(_ key: Key) -> Value? { isEmpty ? nil : removeValue(forKey: key) }
}
