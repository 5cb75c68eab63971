import Records

extension DependencyGraph {
    /// What was observed within a span at some nodes, and at all that is joined to them.
    ///
    /// A group of it is the one that the inputs would give, read with that `GraphBuilder.window`, if it lies within these
    /// nodes: with fewer dependencies no more joins. Dependencies without times are kept, as there.
    ///
    /// - Returns: the graph, of the same hosts, and of each of its nodes which one it is here.
    package func observed(
        in window: ClosedRange<UInt64>, around kept: some Sequence<NodeID>
    ) -> (graph: DependencyGraph, origins: [NodeID]) {
        var part = PartBuilder(self)
        for node in kept { _ = part.number(node) }
        let inner = Set(part.origins)
        for node in part.origins {
            var found: [Incidence] = []
            forEachEdge(at: node) { found.append($0) }
            // One between two of them is met at both.
            for edge in found where !(edge.isIncoming && inner.contains(edge.other)) {
                part.add(edge.edge, in: window)
            }
        }
        let origins = part.origins
        return (part.finish(), origins)
    }
}

/// Copies a part of a graph.
private struct PartBuilder: ~Copyable {
    private let whole: DependencyGraph
    private var nodes = NodeTable()
    private var edges = EdgeTable()
    private var numbers: [NodeID: UInt32] = [:]
    /// Of each node which one it is in the whole.
    private(set) var origins: [NodeID] = []

    init(_ whole: DependencyGraph) { self.whole = whole }

    mutating func number(_ node: NodeID) -> UInt32 {
        if let known = numbers[node] { return known }
        let number = whole.withText(node) { nodes.intern(whole.nodes.tag(node.rawValue), $0) }
        numbers[node] = number
        origins.append(node)
        return number
    }

    mutating func add(_ edge: EdgeID, in window: ClosedRange<UInt64>) {
        var detail = whole.detail(edge)
        guard GraphBuilder.isSeen(detail.first, detail.last, within: window) else { return }
        detail.via = detail.via.map { NodeID(rawValue: number($0)) }
        let ends = whole[edge]
        let (from, to) = (number(ends.from), number(ends.to))
        edges.append(from, to, ends.mark, detail)
    }

    consuming func finish() -> DependencyGraph {
        var called: [UInt32: [[UInt8]]] = [:]
        for (node, names) in whole.called {
            if let number = numbers[NodeID(rawValue: node)] { called[number] = names }
        }
        return DependencyGraph(
            nodes: nodes, edges: edges, hosts: whole.hosts, sources: whole.sources,
            hasEntries: whole.hasEntries,
            hasNameless: whole.hasNameless, called: called)
    }
}

extension GroupReport {
    /// The dependencies between members, those of several inputs merged, in the order of outputs.
    package var dependencies: [Dependency] {
        let merger = DependencyMerger(graph, NodeOrder(graph, order.hosts))
        let ranks = ranks()
        return members.flatMap { merger.dependencies(of: $0, ranks: ranks) }
    }
}
