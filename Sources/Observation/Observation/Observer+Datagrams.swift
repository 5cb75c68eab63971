import Records

/// Whom UDP sockets that are not connected send to. Each datagram shows it, in the process that sends; who receives it
/// is whoever holds the socket at that address.
extension Observer {
    /// Notes the datagrams of a batch, each link once; between them sockets are closed.
    mutating func noteSends(_ batch: borrowing EventBatch) {
        var ends = batch.datagramEnds.filter { $0.remote.port == 0 }.sorted { $0.time < $1.time }[...]
        for send in batch.datagramSends where send.pid != ownPid {
            while let end = ends.first, end.time < send.time { close(ends.removeFirst()) }
            note(send, wall(send.time, batch))
        }
        for end in ends { close(end) }
    }

    private mutating func close(_ end: DatagramEvent) {
        datagrams.close(place(of: image(of: end.pid, at: end.time).network, end.local))
    }

    /// Keeps the routes of a batch until a socket is met whose they are.
    mutating func noteRoutes(_ batch: borrowing EventBatch) {
        for event in batch.datagramRoutes where event.pid != ownPid {
            let route = route(event, wall(event.time, batch))
            // Of a program that is not known the socket is counted.
            guard route.program != .unknown else { continue }
            if let own = scope.network, route.network.inode != own { continue }
            routes.add(route, place(of: route.network, route.local))
        }
    }

    private mutating func route(_ event: DatagramEvent, _ time: UInt64) -> DatagramRoutes.Route {
        let image = image(of: event.pid, at: event.time)
        return DatagramRoutes.Route(
            pid: event.pid, program: image.program, evidence: image.evidence, network: image.network,
            local: event.local, remote: event.remote, time: event.time, wall: time)
    }

    /// Datagrams that were sent from a port went from a socket that is not connected.
    ///
    /// - Parameters:
    ///   - holders: the programs that hold the socket; `nil` where only its end is known.
    ///   - end: when that was reported, `CLOCK_MONOTONIC`, nanoseconds.
    mutating func noteRoutes(
        from local: Endpoint, network: UInt64, holders: [ProgramID]? = nil, end: UInt64? = nil
    ) {
        var found = routes.takeAll(Datagrams.Place(network: network, port: local.port), end: end)
        // What others have looked up was for a tunnel's packets, or the socket has changed hands: then it is counted.
        if let holders { found.removeAll { !holders.contains($0.program) } }
        let isDoubtful = found.contains { $0.program != found[0].program }
        for var route in found {
            if isDoubtful { route.evidence = .inferred }
            note(route)
        }
    }

    /// Notes whom a connected UDP socket leads to, when its end is all that was met of it; returns whether that is known.
    mutating func noteRoute(_ tuple: FourTuple, network: UInt64) -> Bool {
        guard let route = routes.take(Datagrams.Place(network: network, port: tuple.local.port), tuple.remote)
        else { return false }
        let link = Datagrams.Link(
            pid: route.pid, program: route.program,
            place: Datagrams.Place(network: route.network.known, port: tuple.local.port), remote: route.remote
        )
        let new = Datagrams.Waiting(
            link: link, local: tuple.local, evidence: route.evidence, wall: route.wall)
        // Who holds the other end the next scan may show.
        if isHere(tuple.local, tuple.remote), takers(of: new).isEmpty, datagrams.wait(new) { return true }
        connected(tuple, route.program, route.evidence, route.wall, network: route.network.known)
        return true
    }

    /// Says of a connected socket that a scan has found that its program was seen to connect it.
    mutating func confirm(_ tuple: FourTuple, _ program: ProgramID, network: UInt64) {
        guard
            let route = routes.take(
                Datagrams.Place(network: network, port: tuple.local.port), tuple.remote),
            route.program == program,
            let key = sockets.live[tuple]?.position.map({ ledger.records[$0].key }), key.relation == .connect
        else { return }
        ledger.note(key, evidence: route.evidence, time: route.wall, count: 0)
    }

    private mutating func note(_ send: DatagramEvent, _ time: UInt64) { note(route(send, time)) }

    private mutating func note(_ send: DatagramRoutes.Route) {
        if let own = scope.network, send.network.inode != own { return }
        let place = place(of: send.network, send.local)
        let link = Datagrams.Link(
            pid: send.pid, program: send.program, place: place, remote: send.remote)
        guard datagrams.add(link) else { return }
        let isHere = isHere(send.local, send.remote)
        switch datagrams.meaning(from: send.local.port, to: send.remote.port, isHere: isHere) {
        case .answer: return
        case .unknown: return countUnknown(place)
        case .request: if send.program == .unknown { return countUnknown(place) }
        }
        _ = datagrams.note(place, isKnown: true)
        var new = Datagrams.Waiting(
            link: link, local: send.local, evidence: send.evidence, wall: send.wall)
        new.link.place.network = send.network.known
        // Another host's address may be that of a container's listener as well.
        let takers = isHere ? takers(of: new) : []
        if isHere, takers.isEmpty, datagrams.wait(new) { return }
        note(new, takers)
    }

    private func place(of network: NetworkPlace, _ local: Endpoint) -> Datagrams.Place {
        Datagrams.Place(network: network.inode == 0 ? ownNetwork : network.inode, port: local.port)
    }

    private func takers(of waiting: Datagrams.Waiting) -> [ProgramID] {
        takers(
            among: self.waiting(
                .udp, waiting.link.remote, waiting.local, client: waiting.link.place.network))
    }

    private mutating func note(_ waiting: Datagrams.Waiting, _ takers: [ProgramID]) {
        let program = waiting.link.program
        guard isRecorded(program), let remote = number(of: waiting.link.remote) else { return }
        let evidence = takers.count > 1 ? Evidence.inferred : waiting.evidence
        for peer in takers.isEmpty ? [.unknown] : takers {
            let key = RecordKey.connect(program, .udp, remote: remote, peer: peer)
            guard admits(key) else { continue }
            ledger.note(key, evidence: evidence, time: waiting.wall)
            if waiting.further > 0 {
                ledger.note(key, evidence: evidence, time: waiting.first, count: waiting.further)
            }
        }
    }

    private mutating func countUnknown(_ place: Datagrams.Place) {
        if datagrams.note(place, isKnown: false) { counters.unattributedDatagrams += 1 }
    }

    /// Notes those whose receiver nobody was known to be, now that a scan has read the sockets.
    mutating func settleSends() {
        guard !datagrams.waiting.isEmpty else { return }
        let waiting = datagrams.waiting
        datagrams.waiting = []
        for one in waiting { note(one, takers(of: one)) }
    }

    /// Counts a socket at a port that the kernel chose, which is one to send from, if it is not known where to.
    mutating func meetDatagramSocket(_ socket: SocketSnapshot, holders: [ProgramID], network: UInt64) {
        if socket.transport == .udp { noteRoutes(from: socket.local, network: network, holders: holders) }
        guard socket.transport == .udp, socket.local.port >= Datagrams.firstChosen,
            socket.local.address.isWildcard
        else { return }
        let place = Datagrams.Place(network: network, port: socket.local.port)
        if datagrams.isUnknown(place) { countUnknown(place) }
    }

    /// Whether a UDP socket that is gone is to be counted: nobody was known to hold it, and not where it sent.
    func takeUnknownSocket(_ local: Endpoint, network: UInt64) -> Bool {
        datagrams.takeUnknown(Datagrams.Place(network: network, port: local.port))
    }
}
