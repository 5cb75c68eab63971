import Records

/// UDP sockets that are not connected, and where datagrams were sent from them.
///
/// A class, so that the observer, which is moved about, stays small.
final class Datagrams {
    /// A socket by its port: an address is hardly ever reported.
    struct Place: Hashable {
        var network: UInt64
        var port: UInt16
    }

    /// Datagrams of one socket to one other.
    struct Link: Hashable {
        var pid: Int32
        var program: ProgramID
        var place: Place
        var remote: Endpoint
    }

    /// One that waits for a scan to find who holds the socket that it was sent to.
    struct Waiting {
        var link: Link
        var local: Endpoint
        var evidence: Evidence
        /// The last of them, nanoseconds since 1970.
        var wall: UInt64
        /// Further sockets of which that is known, and the time of the first of all.
        var further: UInt64 = 0
        var first: UInt64 = 0
    }

    private struct Ports: Hashable {
        var from: UInt16
        var to: UInt16
    }

    /// What is known of a socket.
    private struct Socket {
        /// That a datagram follows another is no new link.
        var links: Set<Link> = []
        /// Whether it is known where one of its datagrams went, and no other was counted.
        var isKnown = false
        /// Whether it was counted, since it is not.
        var isCounted = false
    }

    /// From which port to which one something was sent first: what goes back is an answer.
    private var asked: Set<Ports> = []
    private var sockets: [Place: Socket] = [:]
    private var links = 0
    /// Sockets that are closed, whose notice is still to come.
    private var closed: [Place: [Socket]] = [:]
    var waiting: [Waiting] = []

    /// What each table holds at most.
    static let most = 1 << 16
    static let mostWaiting = 1 << 12
    /// The ports that the kernel chooses begin here, unless `net.ipv4.ip_local_port_range` says otherwise.
    static let firstChosen: UInt16 = 32768
    /// Below, ports are those of well-known services.
    static let firstUnprivileged: UInt16 = 1024

    /// What a datagram means.
    enum Meaning {
        /// Its sender turns to whom it is sent to.
        case request
        case answer
        /// Neither can be known.
        case unknown
    }

    /// Keeps one for the next scan, together with a former one that differs in nothing that a record has; `false` where there is
    /// no room.
    func wait(_ new: Waiting) -> Bool {
        let place = new.link.place.network
        let same = waiting.indices.suffix(8).last {
            let one = waiting[$0]
            return one.link.program == new.link.program && one.link.remote == new.link.remote
                && one.link.place.network == place && one.local.address == new.local.address
                && one.evidence == new.evidence
        }
        if let same {
            if waiting[same].further == 0 { waiting[same].first = waiting[same].wall }
            waiting[same].further += 1
            waiting[same].first = min(waiting[same].first, new.wall)
            waiting[same].wall = max(waiting[same].wall, new.wall)
            return true
        }
        guard waiting.count < Self.mostWaiting else { return false }
        waiting.append(new)
        return true
    }

    /// Whether a link is new.
    func add(_ link: Link) -> Bool {
        if links >= Self.most {
            sockets.removeAll()
            links = 0
        }
        guard sockets[link.place, default: Socket()].links.insert(link).inserted else { return false }
        links += 1
        return true
    }

    /// What a datagram to an address of this host, or to another host, means.
    func meaning(from: UInt16, to: UInt16, isHere: Bool) -> Meaning {
        if asked.contains(Ports(from: to, to: from)), from != to { return .answer }
        let meaning = meaning(from, to, isHere)
        if meaning == .request {
            if asked.count >= Self.most { asked.removeAll() }
            asked.insert(Ports(from: from, to: to))
        }
        return meaning
    }

    private func meaning(_ from: UInt16, _ to: UInt16, _ isHere: Bool) -> Meaning {
        if from == to || to < Self.firstUnprivileged && from >= Self.firstUnprivileged { return .request }
        if from < Self.firstUnprivileged { return to < Self.firstUnprivileged ? .unknown : .answer }
        let (fromChosen, toChosen) = (from >= Self.firstChosen, to >= Self.firstChosen)
        if fromChosen != toChosen { return fromChosen ? .request : .answer }
        // Of two on this host the one that begins asks.
        return isHere ? .request : .unknown
    }

    /// Notes that it is known where a socket's datagrams went, or that it is not; returns whether it is to be counted.
    func note(_ place: Place, isKnown: Bool) -> Bool {
        var socket = sockets[place] ?? Socket()
        defer { sockets[place] = socket }
        if isKnown {
            socket.isKnown = !socket.isCounted
            return false
        }
        socket.isKnown = false
        defer { socket.isCounted = true }
        return !socket.isCounted
    }

    /// Whether a socket that a scan has found is to be counted.
    func isUnknown(_ place: Place) -> Bool {
        guard let socket = sockets[place] else { return true }
        return !socket.isKnown && !socket.isCounted
    }

    /// Notes that a socket was closed: the next one at its port is another.
    func close(_ place: Place) {
        guard let socket = sockets.removeValue(forKey: place) else { return }
        links -= socket.links.count
        if closed.count >= Self.mostWaiting { closed.removeAll() }
        closed[place, default: []].append(socket)
    }

    /// Whether a socket that is gone is to be counted.
    func takeUnknown(_ place: Place) -> Bool {
        if closed[place] == nil { close(place) }
        guard var sockets = closed[place] else { return true }
        let socket = sockets.removeFirst()
        closed[place] = sockets.isEmpty ? nil : sockets
        return !socket.isKnown && !socket.isCounted
    }

    /// Notes which programs are referred to by number.
    func addUses(to uses: inout LedgerUses) {
        uses.programs += waiting.map(\.link.program)
    }

    /// Follows a renumbering.
    func renumber(_ change: Renumbering) {
        sockets = sockets.mapValues { socket in
            var socket = socket
            socket.links = Set(socket.links.map { renumbered($0, change) })
            return socket
        }
        links = sockets.values.reduce(0) { $0 + $1.links.count }
        for index in waiting.indices { waiting[index].link = renumbered(waiting[index].link, change) }
        waiting.removeAll { $0.link.program == .unknown }
    }

    private func renumbered(_ link: Link, _ change: Renumbering) -> Link {
        var link = link
        link.program = change(link.program)
        return link
    }
}
