import Records

/// Whom UDP sockets were connected to or sent to, as processes looked up routes, until it is known what sockets these were.
///
/// A look-up shows a port of this host and the other end, not whether it was a connect, nor whether the port is that of a socket of
/// the process at all: a tunnel's outer packets have one, too. What settles it is a socket that a scan meets, or
/// of whose end a notice comes. Looked up once for each datagram of a socket that is not connected: the first one counts.
///
/// A class, so that the observer, which is moved about, stays small.
final class DatagramRoutes {
    /// One that a process looked up.
    struct Route {
        var pid: Int32
        var program: ProgramID
        var evidence: Evidence
        var network: NetworkPlace
        /// This end; its address may be unknown.
        var local: Endpoint
        var remote: Endpoint
        /// `CLOCK_MONOTONIC`, nanoseconds, and nanoseconds since 1970.
        var time: UInt64
        var wall: UInt64
        /// Whether a socket was met whose it was. The next one of the same ends may be of a later socket, whose own look-up was
        /// taken for another of this one.
        var isTaken = false
        /// How often the same program looked it up again, as each further datagram does, and each further socket.
        var further: UInt32 = 0
        /// The last time, `CLOCK_MONOTONIC`, nanoseconds.
        var latest: UInt64 = 0
    }

    /// Those between the same two ends, in the order of time; of several programs if their sockets followed each other before the
    /// first one's end was known.
    private struct Queue {
        private(set) var first: Route
        private var others: [Route] = []
        private static let mostOthers = 15

        init(_ first: Route) { self.first = first }

        var isTaken: Bool { (others.last ?? first).isTaken }
        /// Those that no socket has taken.
        var free: [Route] { ([first] + others).filter { !$0.isTaken } }

        /// Adds a look-up to the last, or behind it.
        mutating func add(_ route: Route) {
            guard !isTaken else {
                var route = route
                // One of them may be that of a socket that has ended since.
                let last = others.last ?? first
                if last.program == route.program, route.time < last.latest + DatagramRoutes.longestWait {
                    (route.further, route.latest) = (last.further, route.time)
                }
                self = Queue(route)
                return
            }
            let last = others.indices.last
            if (others.last ?? first).program == route.program {
                if let last { others[last].repeated(route.time) } else { first.repeated(route.time) }
            } else if others.count < Self.mostOthers {
                others.append(route)
            }
        }

        /// The first that was not taken; beside others, or taken before, it is inferred.
        mutating func take() -> Route {
            var route = first
            if !first.isTaken {
                first.isTaken = true
                if others.isEmpty { return route }
            } else if let index = others.firstIndex(where: { !$0.isTaken }) {
                others[index].isTaken = true
                route = others[index]
            } else if let last = others.last {
                route = last
            }
            route.evidence = .inferred
            return route
        }

        /// Keeps nothing but what may be a further socket's; `false` where there is no such thing.
        mutating func takeAll() -> Bool {
            if let last = others.last { first = last }
            others = []
            first.isTaken = true
            return first.further > 0
        }

        /// Whether what its last socket has taken was looked up again, and not too long before an end was reported.
        func hasFurther(at end: UInt64) -> Bool {
            isTaken && first.further > 0 && end < first.latest + DatagramRoutes.longestWait
        }

        /// One of these, for a further socket: it is inferred.
        mutating func takeFurther() -> Route {
            first.further -= 1
            var route = first
            route.evidence = .inferred
            return route
        }

        mutating func renumber(_ change: Renumbering) {
            first.program = change(first.program)
            for index in others.indices { others[index].program = change(others[index].program) }
        }

        func addUses(to uses: inout LedgerUses) {
            uses.programs.append(first.program)
            uses.programs += others.map(\.program)
        }
    }

    private typealias Generation = [Datagrams.Place: [Endpoint: Queue]]

    /// By port, since an address is hardly ever reported; in two generations, of which the older goes when the younger is full.
    private var young: Generation = [:]
    private var old: Generation = [:]
    /// Queues in the younger.
    private var count = 0

    /// Queues in one generation.
    static let most = 1 << 13
    /// How long after a look-up the notice of its socket's end may come, nanoseconds, for that look-up to be taken for one of a
    /// further socket at the port of another: a grace period of the kernel's and some drains.
    static let longestWait: UInt64 = 1_000_000_000

    /// Adds one; of several of the same ends and program the first counts until it is taken.
    func add(_ route: Route, _ place: Datagrams.Place) {
        if young[place]?[route.remote]?.add(route) != nil { return }
        if let known = old[place]?[route.remote], !known.isTaken {
            old[place]![route.remote]!.add(route)
            return
        }
        if count >= Self.most {
            old = young
            young.removeAll()
            count = 0
        }
        young[place, default: [:]][route.remote] = Queue(route)
        count += 1
    }

    /// The one between two ends, for a socket that is connected.
    ///
    /// - Returns: `nil` where there is none; where a socket has taken it before, or programs followed each other, it is inferred.
    func take(_ place: Datagrams.Place, _ remote: Endpoint) -> Route? {
        young[place]?[remote]?.take() ?? old[place]?[remote]?.take()
    }

    /// All from a port that no socket has taken, in the order of time, for a socket that is not connected.
    ///
    /// - Parameter end: when the end of the socket was reported, `CLOCK_MONOTONIC`, nanoseconds; `nil` where it is still there. If
    ///   another socket at that port has ended and taken all, what was looked up more than once by its program is inferred to be
    ///   this one's.
    func takeAll(_ place: Datagrams.Place, end: UInt64? = nil) -> [Route] {
        let found = [young[place], old[place]].flatMap { $0.map { Array($0.values) } ?? [] }
        guard !found.isEmpty else { return [] }
        let free = found.flatMap(\.free).sorted { $0.time < $1.time }
        guard free.isEmpty else {
            count -= takeAll(place, &young)
            _ = takeAll(place, &old)
            return free
        }
        guard let end else { return [] }
        let further = takeFurther(place, &young, end) ?? takeFurther(place, &old, end)
        return further.map { [$0] } ?? []
    }

    /// Returns how many queues are left out.
    private func takeAll(_ place: Datagrams.Place, _ generation: inout Generation) -> Int {
        guard var queues = generation.removeValue(forKey: place) else { return 0 }
        let count = queues.count
        queues = queues.compactMapValues { queue in
            var queue = queue
            return queue.takeAll() ? queue : nil
        }
        if !queues.isEmpty { generation[place] = queues }
        return count - queues.count
    }

    /// The one that was looked up last: others may be those of the socket that has taken them.
    private func takeFurther(
        _ place: Datagrams.Place, _ generation: inout Generation, _ end: UInt64
    ) -> Route? {
        let left = generation[place]?.filter { $0.value.hasFurther(at: end) }
        guard let last = left?.max(by: { $0.value.first.latest < $1.value.first.latest }) else { return nil }
        return generation[place]?[last.key]?.takeFurther()
    }

    /// Notes which programs are referred to by number.
    func addUses(to uses: inout LedgerUses) {
        for generation in [young, old] {
            for queues in generation.values {
                for queue in queues.values { queue.addUses(to: &uses) }
            }
        }
    }

    /// Follows a renumbering.
    func renumber(_ change: Renumbering) {
        func renumbered(_ generation: Generation) -> Generation {
            generation.mapValues { queues in
                queues.mapValues { queue in
                    var queue = queue
                    queue.renumber(change)
                    return queue
                }
            }
        }
        young = renumbered(young)
        old = renumbered(old)
    }
}

extension DatagramRoutes.Route {
    fileprivate mutating func repeated(_ time: UInt64) {
        further += further == .max ? 0 : 1
        latest = max(latest, time)
    }
}
