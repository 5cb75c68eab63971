import Records

extension GraphBuilder {
    /// Adds what one host's daemon wrote.
    ///
    /// - Parameters:
    ///   - name: what to call the input in messages.
    ///   - skipped: lines that could not be read and were left out.
    public mutating func add(_ dump: borrowing DumpContents, from name: String, skipped: Int = 0) {
        let source = begin(name)
        let host = host(id: dump.header.hostID)
        let records = dump.ledger.records
        // A clock that was set back can lead to any order.
        let first = records.reduce(dump.header.time) { min($0, $1.first) }
        learn(
            host, name: dump.header.hostName, addresses: dump.header.addresses, from: first,
            to: dump.header.time)
        addGaps(dump.ledger.gaps, to: host)
        let programs = internPrograms(of: dump.ledger, on: host)
        var speller = TextSpeller()
        for position in records.indices {
            add(position, of: dump.ledger, programs, host, source, &speller)
        }
        sources[Int(source)].rows = records.count
        sources[Int(source)].skipped = skipped
    }

    private mutating func internPrograms(of ledger: borrowing Ledger, on host: HostID) -> [UInt32] {
        var numbers: [UInt32] = []
        for program in ledger.programs {
            let name = ProgramName(
                executable: ledger.texts.array(program.executable),
                script: ledger.texts.array(program.script), workload: ledger.texts.array(program.workload))
            numbers.append(intern(.program(name), on: host))
        }
        return numbers
    }

    private mutating func add(
        _ position: Int, of ledger: borrowing Ledger, _ programs: [UInt32], _ host: HostID, _ source: UInt16,
        _ speller: inout TextSpeller
    ) {
        let record = ledger.records[position]
        let key = record.key
        let program = programs[Int(key.program.rawValue)]
        let peer = key.peer == .unknown ? nil : programs[Int(key.peer.rawValue)]
        var detail = EdgeDetail()
        detail.count = record.count
        detail.first = record.first
        detail.last = record.last
        let traffic = ledger.traffic(of: position)
        detail.sent = traffic.sent
        detail.received = traffic.received
        detail.source = source
        func endpoint(_ number: UInt32) -> Endpoint { ledger.endpoints[Int(number)] }
        switch key.relation {
        case .file:
            let file = internFile(speller.spell(TextID(rawValue: key.object), in: ledger.texts), on: host)
            detail.kind = record.kind
            edges.append(
                program, file, EdgeMark(.file, access: record.access, evidence: record.evidence), detail)
        case .spawn:
            let child = programs[Int(key.object)]
            edges.append(program, child, EdgeMark(.spawn, evidence: record.evidence), detail)
        case .connect, .accept, .listen:
            let transport = Transport(rawValue: key.detail) ?? .tcp
            let none = Endpoint(NetworkAddress(v4: 0), port: 0)
            var end = OpenSockets.End(
                program: program, host: host, transport: transport, local: none, remote: none,
                evidence: record.evidence, detail: detail)
            switch key.relation {
            case .connect: end.remote = endpoint(key.object)
            case .accept:
                end.local = endpoint(key.object)
                end.remote = endpoint(key.remote)
            default: end.local = endpoint(key.object)
            }
            add(end, Link(key.relation), peer: peer)
        case .ipc:
            let mechanism = Mechanism(rawValue: key.detail) ?? .unix
            let name = ledger.texts.array(TextID(rawValue: key.object))
            add(mechanism, name, of: program, peer: peer, on: host, record.evidence, detail)
        }
    }

    /// Adds one end of connections; an edge at once if the other end's program is known.
    mutating func add(_ end: OpenSockets.End, _ link: Link, peer: UInt32?) {
        if let peer {
            let at = link == .connect ? end.remote : end.local
            var detail = end.detail
            detail.via = NodeID(rawValue: intern(.endpoint(end.transport, at), on: end.host))
            edges.append(end.program, peer, EdgeMark(link, evidence: end.evidence), detail)
            return
        }
        switch link {
        case .connect: sockets.connects.append(end)
        case .accept: sockets.accepts.append(end)
        default: sockets.listens.append(end)
        }
    }

    /// Adds an object of inter-process communication that a program shares.
    ///
    /// Pipes and pairs of sockets have no name to meet under: what they are called says only what they
    /// are. Of them just the program at the other end counts.
    mutating func add(
        _ mechanism: Mechanism, _ name: [UInt8], of program: UInt32, peer: UInt32?, on host: HostID,
        _ evidence: Evidence?, _ detail: EdgeDetail
    ) {
        let isNameless = Node.isNameless(mechanism, name)
        let channel = intern(.channel(mechanism, name: isNameless ? [] : name), on: host)
        let mark = EdgeMark(.ipc, evidence: evidence)
        if isNameless { hasNameless = true }
        if !isNameless || peer == nil { edges.append(program, channel, mark, detail) }
        guard let peer else { return }
        var detail = detail
        detail.via = NodeID(rawValue: channel)
        edges.append(program, peer, mark, detail)
        // The other end shares it as well, whether or not it has a record of its own.
        if !isNameless {
            detail.via = nil
            edges.append(peer, channel, mark, detail)
        }
    }
}

extension Node {
    /// Whether such a name names no object: what the daemon calls a thing that has no name.
    static func isNameless(_ mechanism: Mechanism, _ name: [UInt8]) -> Bool {
        switch mechanism {
        case .pipe: true
        // The number of a System V object without a key is given anew after each boot.
        case .shm, .sem, .msg: name.isEmpty || name.starts(with: "id ".utf8)
        case .unix: name.isEmpty || name.elementsEqual("socketpair".utf8)
        default: name.isEmpty
        }
    }
}
