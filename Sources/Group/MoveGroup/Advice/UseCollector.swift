import Records

/// Gathers what the members use, host by host.
///
/// All dependencies of member programs count, also those that the closure did not follow: the default policy
/// keeps devices and the kernel's views out of every group, and they decide the most.
struct UseCollector {
    private let group: MoveGroup
    private let graph: DependencyGraph
    private let order: NodeOrder
    private(set) var hosts: [HostID: HostUses] = [:]
    private var found: [HostID: [Use: Occurrences]] = [:]
    private var workloads: [HostID: Set<[UInt8]>] = [:]
    /// Who shares a channel or a file is asked for once each.
    private var sharing: [NodeID: Sharing] = [:]

    private struct Occurrences {
        var objects: Set<NodeID> = []
        var example: HostUses.Example
    }

    private struct Sharing {
        var reach: Use.Reach
        var outsider: NodeID?
    }

    init(_ group: MoveGroup, _ order: NodeOrder) {
        self.group = group
        self.order = order
        graph = group.graph
        for node in group.members { add(node) }
        hosts = Dictionary(uniqueKeysWithValues: hosts.map { ($0.key, ordered($0.value, of: $0.key)) })
    }

    private func ordered(_ gathered: HostUses, of host: HostID) -> HostUses {
        var uses = gathered
        uses.findings = found[host, default: [:]].sorted { $0.key < $1.key }.map { use, occurrences in
            HostUses.Finding(
                use: use, objects: sorted(occurrences.objects), example: occurrences.example)
        }
        uses.workloads = workloads[host, default: []].sorted { $0.lexicographicallyPrecedes($1) }
        uses.programs = sorted(uses.programs)
        uses.files = sorted(uses.files)
        uses.entries = sorted(uses.entries)
        return uses
    }

    private func sorted(_ nodes: some Sequence<NodeID>) -> [NodeID] {
        nodes.sorted { order.compare($0, $1) < 0 }
    }

    private mutating func add(_ node: NodeID) {
        let host = graph.host(node)
        switch graph.kind(node) {
        case .program: addProgram(node, on: host)
        case .file: addFile(node, on: host)
        case .entry: hosts[host, default: HostUses()].entries.append(node)
        // Addresses and channels are met from the programs that use them.
        case .endpoint, .channel: break
        }
    }

    private mutating func addFile(_ node: NodeID, on host: HostID) {
        guard !KernelPath.isPseudo(graph.withText(node) { Array($0) }) else { return }
        var isWritten = false
        graph.forEachEdge(at: node) { edge in
            if edge.mark.access.contains(.written), group.contains(edge.other) { isWritten = true }
        }
        hosts[host, default: HostUses()].files.append(node)
        if isWritten { hosts[host, default: HostUses()].writtenFiles += 1 }
    }

    private mutating func addProgram(_ node: NodeID, on host: HostID) {
        hosts[host, default: HostUses()].programs.append(node)
        guard case .program(let name) = graph[node] else { return }
        if !name.workload.isEmpty { workloads[host, default: []].insert(name.workload) }
        if group.isStop(node) {
            hosts[host, default: HostUses()].stops += 1
            return
        }
        if KernelPath.isModuleLoader(name.executable) { note(Use(.module), node, node) }
        let graph = graph
        graph.forEachEdge(at: node) { edge in
            switch edge.mark.link {
            case .file: if !edge.isIncoming { addFileUse(node, edge) }
            case .spawn: if !edge.isIncoming { note(Use(.spawn), node, edge.other) }
            case .listen: if !edge.isIncoming { addListener(node, edge.other) }
            case .connect, .accept: addConnection(node, edge)
            case .ipc: addChannel(node, edge)
            // Rows of a list that says no more lead to entries, which are counted.
            case .listed: break
            }
        }
    }

    // MARK: Files

    private mutating func addFileUse(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let path = graph.withText(edge.other) { Array($0) }
        let kind = graph.detail(edge.edge).kind
        guard let use = KernelPath.use(path, edge.mark.access, kind) else { return }
        if use.isShared {
            let sharing = sharing(of: edge.other, .file)
            note(Use(use, sharing.reach), node, edge.other, peer: sharing.outsider)
        } else {
            note(Use(use), node, edge.other)
        }
    }

    // MARK: The network

    private mutating func addListener(_ node: NodeID, _ address: NodeID) {
        note(Use(.listen, isLoopback(address) ? .inside : .outside), node, address)
    }

    private func isLoopback(_ node: NodeID) -> Bool {
        guard case .endpoint(_, let endpoint) = graph[node] else { return false }
        return endpoint.address.isLoopback
    }

    /// The record may be that of the other side.
    private mutating func addConnection(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let connects = (edge.mark.link == .connect) != edge.isIncoming
        let via = graph.detail(edge.edge).via
        let object = via ?? edge.other
        let isProgram = graph.kind(edge.other) == .program
        let reach: Use.Reach
        if !isProgram || !group.contains(edge.other) {
            reach = .outside
        } else if graph.host(edge.other) == graph.host(node), via.map({ isLoopback($0) }) ?? false {
            reach = .inside
        } else {
            reach = .group
        }
        note(
            Use(connects ? .connect : .accept, reach), node, object,
            peer: object != edge.other ? edge.other : nil)
    }

    // MARK: Inter-process communication

    private mutating func addChannel(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if graph.kind(edge.other) == .channel {
            guard !edge.isIncoming else { return }
            let sharing = sharing(of: edge.other, .ipc)
            note(Use(kind(ofChannel: edge.other), sharing.reach), node, edge.other, peer: sharing.outsider)
            return
        }
        // A named channel has an edge of its own; of a pipe just the other end is known.
        guard let via = graph.detail(edge.edge).via, graph.isNameless(via) else { return }
        let reach: Use.Reach = group.contains(edge.other) ? .inside : .outside
        note(Use(kind(ofChannel: via), reach), node, via, peer: edge.other)
    }

    private func kind(ofChannel node: NodeID) -> Use.Kind {
        guard case .channel(let mechanism, let name) = graph[node] else { return .unix }
        return Use.Kind(mechanism, name: name)
    }

    /// Whether all known sharers are members; of the others the first in the order of outputs.
    private mutating func sharing(of object: NodeID, _ link: Link) -> Sharing {
        if let known = sharing[object] { return known }
        var result = Sharing(reach: .inside)
        if link == .ipc, graph.isNameless(object) {
            result.reach = .unknown
        } else {
            graph.forEachEdge(at: object) { edge in
                guard edge.isIncoming, edge.mark.link == link, !group.contains(edge.other) else { return }
                result.reach = .outside
                if let known = result.outsider, order.compare(known, edge.other) < 0 { return }
                result.outsider = edge.other
            }
        }
        sharing[object] = result
        return result
    }

    // MARK: What was found

    private mutating func note(_ use: Use, _ program: NodeID, _ object: NodeID, peer: NodeID? = nil) {
        let host = graph.host(program)
        let example = HostUses.Example(program: program, object: object, peer: peer)
        guard var known = found[host, default: [:]].removeValue(forKey: use) else {
            found[host, default: [:]][use] = Occurrences(objects: [object], example: example)
            return
        }
        known.objects.insert(object)
        if precedes(example, known.example) { known.example = example }
        found[host, default: [:]][use] = known
    }

    private func precedes(_ one: HostUses.Example, _ other: HostUses.Example) -> Bool {
        for order in [order.compare(one.program, other.program), order.compare(one.object, other.object)]
        where order != 0 {
            return order < 0
        }
        guard let peer = one.peer else { return other.peer != nil }
        return other.peer.map { order.compare(peer, $0) < 0 } ?? false
    }
}
