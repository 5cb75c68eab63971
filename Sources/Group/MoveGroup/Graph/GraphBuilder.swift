import Records

/// Joins dumps, stores and lists into one graph.
///
/// Inputs may come in any order and more than once: the graph says the same. Hosts are distinguished by id; a
/// host that a list names by an address is the host of that address if a dump added before has one.
/// ```
/// var builder = GraphBuilder()
/// builder.add(dump, from: "db1.ndjson")
/// let graph = builder.finish()
/// ```
public struct GraphBuilder: ~Copyable {
    var nodes = NodeTable()
    var edges = EdgeTable()
    var sockets = OpenSockets()
    private(set) var hosts: [GraphHost] = [GraphHost(id: "")]
    private var hostNumbers: [String: HostID] = [:]
    /// Whose each address is; `.none` where several hosts have it.
    private var addressOwners: [NetworkAddress: HostID] = [:]
    /// What `hosts` has of addresses and gaps, so that taking in one more does not compare it with all.
    private(set) var hostAddresses: Set<HostAddress> = []
    private var hostGaps: Set<HostGap> = []
    var sources: [GraphInput] = []
    /// How many ends and addresses pairing compared.
    var comparedEnds = 0
    var hasEntries = false
    var hasNameless = false
    var folded = FoldedFolders()
    /// Names under which programs are executed that are not those of their files, by node.
    private(set) var called: [UInt32: [[UInt8]]] = [:]
    /// What programs ran with, by node, and the time of the dump that says so.
    private var processes: [UInt32: (time: UInt64, process: ProcessDescription)] = [:]
    private var scratch: [UInt8] = []

    /// Only dependencies that were seen within this span are taken, its ends included (nanoseconds since 1970): those
    /// that were first seen after it, or last before it, are left out. Of rows without times nothing is known, and they
    /// are taken. To be set before anything is added.
    public var window: ClosedRange<UInt64>?

    /// Whether a dependency was seen outside of the window alone.
    func isOutside(_ first: UInt64, _ last: UInt64) -> Bool {
        guard let window else { return false }
        return !Self.isSeen(first, last, within: window)
    }

    static func isSeen(_ first: UInt64, _ last: UInt64, within window: ClosedRange<UInt64>) -> Bool {
        guard first != 0 || last != 0 else { return true }
        return first <= window.upperBound && (last == 0 || last >= window.lowerBound)
    }

    /// Makes a builder without any input.
    public init() {}

    /// How many dependencies were taken, for progress.
    public var rows: Int { edges.count + sockets.count }

    /// Begins an input.
    package mutating func begin(_ name: String) -> UInt16 {
        precondition(sources.count < Int(UInt16.max), "more than 65,535 inputs")
        sources.append(GraphInput(name: name))
        return UInt16(sources.count - 1)
    }

    /// The number of a host, a new one if it was not met before.
    mutating func host(id: String) -> HostID {
        if let known = hostNumbers[id] { return known }
        let number = HostID(rawValue: UInt32(hosts.count))
        precondition(hosts.count < NodeTag.mostHosts, "too many hosts")
        let host = GraphHost(id: id)
        hosts.append(host)
        hostNumbers[id] = number
        for address in host.addresses { own(address, number) }
        return number
    }

    /// The host that a list names: by its id, or by an address that exactly one known host has.
    mutating func listedHost(_ name: String) -> HostID {
        if let known = hostNumbers[name] { return known }
        if let address = NetworkAddress(name), let owner = addressOwners[address], owner != .none {
            hostNumbers[name] = owner
            return owner
        }
        return host(id: name)
    }

    /// Notes that a host has an address; says whether that is new.
    @discardableResult
    private mutating func own(_ address: NetworkAddress, _ host: HostID) -> Bool {
        guard hostAddresses.insert(HostAddress(host: host, address: address)).inserted else { return false }
        addressOwners[address] = addressOwners[address] == nil ? host : HostID.none
        return true
    }

    /// Takes in what an input states about a host.
    mutating func learn(
        _ host: HostID, name: String = "", addresses: [NetworkAddress] = [], from: UInt64 = 0, to: UInt64 = 0
    ) {
        let place = Int(host.rawValue)
        // Of two names the smaller stands, so that the order of inputs does not matter.
        if !name.isEmpty, hosts[place].name.isEmpty || name < hosts[place].name { hosts[place].name = name }
        for address in addresses where !address.isLoopback && !address.isWildcard {
            if own(address, host) { hosts[place].addresses.append(address) }
        }
        if to != 0 {
            let known = hosts[place].observed
            let lower = known.upperBound == 0 ? from : min(known.lowerBound, from)
            hosts[place].observed = min(lower, to)...max(known.upperBound, to)
        }
    }

    mutating func addGaps(_ gaps: [Gap], to host: HostID) {
        for gap in gaps where hostGaps.insert(HostGap(host: host, gap: gap)).inserted {
            hosts[Int(host.rawValue)].gaps.append(gap)
        }
    }

    /// The number of a node.
    mutating func intern(_ node: Node, on host: HostID) -> UInt32 {
        scratch.removeAll(keepingCapacity: true)
        node.appendText(to: &scratch)
        let tag = NodeTag.make(node.kind, host)
        return scratch.withUnsafeBytes { nodes.intern(tag, $0) }
    }

    /// The number of a file.
    mutating func internFile(_ path: UnsafeRawBufferPointer, on host: HostID) -> UInt32 {
        nodes.intern(NodeTag.make(.file, host), path)
    }

    /// The graph of what was added so far, for whoever adds more after having looked at it.
    ///
    /// Copying is a matter of memory only: nothing is read or looked up again. A program, file or channel has the same number
    /// in all graphs of one builder.
    package borrowing func graph(_ pairing: SocketPairing) -> DependencyGraph {
        var copy = GraphBuilder()
        copy.nodes = nodes.copied()
        copy.edges = edges.copied()
        copy.sockets = sockets
        copy.hosts = hosts
        copy.hostAddresses = hostAddresses
        copy.sources = sources
        copy.hasEntries = hasEntries
        copy.hasNameless = hasNameless
        copy.folded = folded
        copy.called = called
        copy.processes = processes
        return copy.finish(pairing)
    }

    /// Ends the joining: pairs sockets, and makes the graph.
    public consuming func finish(_ pairing: SocketPairing = SocketPairing()) -> DependencyGraph {
        hostGaps = []
        let folded = folded
        folded.resolve(&self)
        pairing.resolve(&self)
        return DependencyGraph(
            nodes: nodes, edges: edges, hosts: hosts, sources: sources, hasEntries: hasEntries,
            hasNameless: hasNameless, called: called, processes: processes.mapValues(\.process))
    }
}

/// An address of a host.
struct HostAddress: Hashable {
    var host: HostID
    var address: NetworkAddress
}

/// A gap of a host.
private struct HostGap: Hashable {
    var host: HostID
    var gap: Gap
}

extension GraphBuilder {
    /// Adds what one host's daemon wrote.
    ///
    /// - Parameters:
    ///   - name: what to call the input in messages.
    ///   - skipped: lines that could not be read and were left out.
    public mutating func add(_ dump: borrowing DumpContents, from name: String, skipped: Int = 0) {
        let source = begin(name)
        add(dump, of: source)
        sources[Int(source)].skipped = skipped
    }

    /// Adds more of an input.
    package mutating func add(_ dump: borrowing DumpContents, of source: UInt16) {
        let host = host(id: dump.header.hostID)
        let records = dump.ledger.records
        // A clock that was set back can lead to any order.
        let first = records.reduce(dump.header.time) { min($0, $1.first) }
        learn(
            host, name: dump.header.hostName, addresses: dump.header.addresses, from: first,
            to: dump.header.time)
        addGaps(dump.ledger.gaps, to: host)
        add(dump.ledger.processes, of: dump.header.time, on: host)
        let programs = internPrograms(of: dump.ledger, on: host)
        edges.reserve(edges.count + records.count, hasDetails: true)
        var files = FileNodes()
        for start in stride(from: 0, to: records.count, by: FileNodes.places) {
            let range = start..<min(start + FileNodes.places, records.count)
            files.prepare(range, of: dump.ledger, on: host, in: nodes)
            for position in range {
                add(position, of: dump.ledger, programs, host, source, files, position - start)
            }
            // Once some thousand have shown how long the names are.
            if start == 128 * FileNodes.places { nodes.reserve(nodes: nodes.count + records.count - start) }
        }
        sources[Int(source)].rows += records.count
    }

    /// Of several dumps of a host the latest says what a program runs with.
    private mutating func add(_ processes: [ProcessDescription], of time: UInt64, on host: HostID) {
        for process in processes {
            let name = ProgramName(
                executable: process.executable, script: process.script, workload: process.workload)
            let number = intern(.program(name), on: host)
            if let known = self.processes[number],
                (known.time, known.process.start, known.process.pid) >= (time, process.start, process.pid)
            {
                continue
            }
            self.processes[number] = (time, process)
        }
    }

    private mutating func internPrograms(of ledger: borrowing Ledger, on host: HostID) -> [UInt32] {
        var numbers: [UInt32] = []
        for (index, program) in ledger.programs.enumerated() {
            let name = ProgramName(
                executable: ledger.texts.array(program.executable),
                script: ledger.texts.array(program.script), workload: ledger.texts.array(program.workload))
            let number = intern(.program(name), on: host)
            numbers.append(number)
            noteNames(ledger.names(of: ProgramID(rawValue: UInt32(index))), of: number)
        }
        return numbers
    }

    /// Takes in names under which a program is executed.
    mutating func noteNames(_ names: [[UInt8]], of number: UInt32) {
        for name in names where called[number]?.contains(name) != true {
            called[number, default: []].append(name)
        }
    }

    private mutating func add(
        _ position: Int, of ledger: borrowing Ledger, _ programs: [UInt32], _ host: HostID, _ source: UInt16,
        _ files: borrowing FileNodes, _ place: Int
    ) {
        let record = ledger.records[position]
        if isOutside(record.first, record.last) { return }
        let key = record.key
        let program = programs[Int(key.program.rawValue)]
        let peer = key.peer == .unknown ? nil : programs[Int(key.peer.rawValue)]
        var detail = EdgeDetail()
        detail.count = record.count
        detail.first = record.first
        detail.last = record.last
        detail.source = source
        detail.change = record.change
        func endpoint(_ number: UInt32) -> Endpoint { ledger.endpoints[Int(number)] }
        switch key.relation {
        case .file where record.isFolded:
            addFolded(program, files.text(place), on: host, access: record.access, detail)
        case .file:
            let file = files.intern(place, on: host, in: &nodes)
            detail.kind = record.kind
            edges.append(
                program, file, EdgeMark(.file, access: record.access, evidence: record.evidence), detail)
        case .spawn:
            let child = programs[Int(key.object)]
            edges.append(program, child, EdgeMark(.spawn, evidence: record.evidence), detail)
        case .connect, .accept, .listen:
            let traffic = ledger.traffic(of: position)
            detail.sent = traffic.sent
            detail.received = traffic.received
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
