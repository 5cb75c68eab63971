/// Which of two dependencies that would bring a member in at the same distance is its reason: the one on
/// the chain of stronger evidence, then the one of stronger evidence itself, then the first in the order of
/// outputs. Numbers of nodes and edges, which the order of inputs makes, do not count.
struct ReasonOrder {
    private let graph: DependencyGraph
    private let nodes: NodeOrder

    init(_ graph: DependencyGraph) {
        self.graph = graph
        nodes = NodeOrder(graph, HostOrder(graph.hosts))
    }

    /// A dependency that would bring a member in.
    struct Candidate {
        /// The member that was there before.
        var from: NodeID
        var edge: EdgeID
        /// Weakest evidence on the way.
        var strength: UInt8
    }

    func isBetter(_ new: Candidate, than old: Candidate) -> Bool {
        if new.strength != old.strength { return new.strength > old.strength }
        let (mark, other) = (graph[new.edge].mark, graph[old.edge].mark)
        if mark.strength != other.strength { return mark.strength > other.strength }
        let order = nodes.compare(new.from, old.from)
        if order != 0 { return order < 0 }
        if mark.link != other.link { return mark.link.rawValue < other.link.rawValue }
        let isIncoming = graph[new.edge].to == new.from
        if isIncoming != (graph[old.edge].to == old.from) { return !isIncoming }
        let (detail, known) = (graph.detail(new.edge), graph.detail(old.edge))
        if detail.first != known.first { return detail.first < known.first }
        switch (detail.via, known.via) {
        case (let via?, let other?): return nodes.compare(via, other) < 0
        case (nil, .some): return true
        default: return false
        }
    }
}
