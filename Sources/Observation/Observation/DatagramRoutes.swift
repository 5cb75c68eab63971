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
    }

    /// By port, since an address is hardly ever reported; in two generations, of which the older goes when the younger is full.
    private var young: [Datagrams.Place: [Endpoint: Route]] = [:]
    private var old: [Datagrams.Place: [Endpoint: Route]] = [:]
    /// Routes in the younger.
    private var count = 0

    /// Routes in one generation.
    static let most = 1 << 13

    /// Adds one; of several of the same ends and program the first counts until it is taken.
    func add(_ route: Route, _ place: Datagrams.Place) {
        if let known = young[place]?[route.remote] {
            guard known.isTaken || known.program != route.program else { return }
            young[place]![route.remote] = route
            return
        }
        if let known = old[place]?[route.remote], !known.isTaken, known.program == route.program { return }
        if count >= Self.most {
            old = young
            young.removeAll()
            count = 0
        }
        young[place, default: [:]][route.remote] = route
        count += 1
    }

    /// The one between two ends, for a socket that is connected.
    ///
    /// - Returns: `nil` where there is none; where a socket has taken it before, it is inferred.
    func take(_ place: Datagrams.Place, _ remote: Endpoint) -> Route? {
        if var route = young[place]?[remote] {
            young[place]![remote]!.isTaken = true
            if route.isTaken { route.evidence = .inferred }
            return route
        }
        guard var route = old[place]?[remote] else { return nil }
        old[place]![remote]!.isTaken = true
        if route.isTaken { route.evidence = .inferred }
        return route
    }

    /// All from a port that no socket has taken, in the order of time, for a socket that is not connected.
    func takeAll(_ place: Datagrams.Place) -> [Route] {
        guard !young.isEmpty || !old.isEmpty else { return [] }
        let found = [young.removeValue(forKey: place), old.removeValue(forKey: place)]
        count -= found[0]?.count ?? 0
        return found.flatMap { $0.map { Array($0.values) } ?? [] }.filter { !$0.isTaken }
            .sorted { $0.time < $1.time }
    }

    /// Notes which programs are referred to by number.
    func addUses(to uses: inout LedgerUses) {
        for generation in [young, old] {
            for routes in generation.values { uses.programs += routes.values.map(\.program) }
        }
    }

    /// Follows a renumbering.
    func renumber(_ change: Renumbering) {
        func renumbered(
            _ generation: [Datagrams.Place: [Endpoint: Route]]
        ) -> [Datagrams.Place: [Endpoint: Route]] {
            generation.mapValues { routes in
                routes.mapValues { route in
                    var route = route
                    route.program = change(route.program)
                    return route
                }
            }
        }
        young = renumbered(young)
        old = renumbered(old)
    }
}
