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

    private mutating func note(_ send: DatagramEvent, _ time: UInt64) {
        let image = image(of: send.pid, at: send.time)
        if let own = scope.network, image.network.inode != own { return }
        let place = place(of: image.network, send.local)
        let link = Datagrams.Link(
            pid: send.pid, program: image.program, place: place, remote: send.remote)
        guard datagrams.add(link) else { return }
        let isHere = isHere(send.local, send.remote)
        switch datagrams.meaning(from: send.local.port, to: send.remote.port, isHere: isHere) {
        case .answer: return
        case .unknown: return countUnknown(place)
        case .request: if image.program == .unknown { return countUnknown(place) }
        }
        _ = datagrams.note(place, isKnown: true)
        var new = Datagrams.Waiting(link: link, local: send.local, evidence: image.evidence, wall: time)
        new.link.place.network = image.network.known
        // Another host's address may be that of a container's listener as well.
        let takers = isHere ? takers(of: new) : []
        if isHere, takers.isEmpty, datagrams.waiting.count < Datagrams.mostWaiting {
            datagrams.waiting.append(new)
        } else {
            note(new, takers)
        }
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
            if admits(key) { ledger.note(key, evidence: evidence, time: waiting.wall) }
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
    mutating func meetDatagramSocket(_ socket: SocketSnapshot, network: UInt64) {
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
