import Records

/// A dependency as all inputs together tell it: what stands in the graph as several edges, since several
/// inputs or several rows told it, is one.
struct Dependency {
    /// The program that has it.
    var from: NodeID
    var to: NodeID
    var link: Link
    /// The endpoint or channel over which two programs meet.
    var via: NodeID?
    var access: Access = []
    /// The strongest; `nil` if no input tells.
    var evidence: Evidence?
    var kind = FileKind.regular
    var count: UInt64 = 0
    var first: UInt64 = 0
    var last: UInt64 = 0
    var sent: UInt64 = 0
    var received: UInt64 = 0

    /// Merges edges of the same ends, link and meeting place.
    ///
    /// What one input tells in several rows adds up; of what several inputs tell the most stands, since they
    /// tell of the same events.
    init(_ edges: some Collection<EdgeID>, in graph: DependencyGraph) {
        precondition(!edges.isEmpty)
        let some = edges[edges.startIndex]
        (from, to, link) = (graph[some].from, graph[some].to, graph[some].mark.link)
        via = graph.detail(some).via
        kind = graph.detail(some).kind
        var sums: [UInt16: Sum] = [:]
        for edge in edges {
            let (mark, detail) = (graph[edge].mark, graph.detail(edge))
            access.formUnion(mark.access)
            if let strength = mark.evidence { evidence = max(evidence ?? strength, strength) }
            if detail.kind.rawValue < kind.rawValue { kind = detail.kind }
            if detail.first != 0 { first = first == 0 ? detail.first : min(first, detail.first) }
            last = max(last, detail.last)
            if edges.count == 1 {
                (count, sent, received) = (detail.count, detail.sent, detail.received)
            } else {
                sums[detail.source, default: Sum()].add(detail)
            }
        }
        for sum in sums.values {
            count = max(count, sum.count)
            sent = max(sent, sum.sent)
            received = max(received, sum.received)
        }
    }

    private struct Sum {
        var count: UInt64 = 0
        var sent: UInt64 = 0
        var received: UInt64 = 0

        mutating func add(_ detail: EdgeDetail) {
            count = Self.sum(count, detail.count)
            sent = Self.sum(sent, detail.sent)
            received = Self.sum(received, detail.received)
        }

        private static func sum(_ one: UInt64, _ other: UInt64) -> UInt64 {
            let (sum, overflow) = one.addingReportingOverflow(other)
            return overflow ? .max : sum
        }
    }
}

/// Finds the edges that are the same dependency.
struct DependencyMerger {
    private let graph: DependencyGraph
    private let order: NodeOrder

    init(_ graph: DependencyGraph, _ order: NodeOrder) {
        self.graph = graph
        self.order = order
    }

    /// The dependency of which an edge tells.
    func dependency(_ edge: EdgeID) -> Dependency {
        let ends = graph[edge]
        let via = graph.detail(edge).via
        // A file that ten thousand programs read, or a program that reads as many files: the shorter list.
        let isFromShorter =
            graph.adjacency.range(ends.from.rawValue).count < graph.adjacency.range(ends.to.rawValue).count
        let (here, other) = isFromShorter ? (ends.from, ends.to) : (ends.to, ends.from)
        var edges: [EdgeID] = []
        graph.forEachEdge(at: here) { found in
            if found.other == other, found.isIncoming != isFromShorter, found.mark.link == ends.mark.link,
                compare(graph.detail(found.edge).via, via) == 0
            {
                edges.append(found.edge)
            }
        }
        return Dependency(edges, in: graph)
    }

    /// The dependencies of a program (a node without numbers is no member), by the other end's rank.
    func dependencies(of node: NodeID, ranks: [UInt32]) -> [Dependency] {
        var edges: [(rank: UInt32, link: UInt8, via: NodeID?, edge: EdgeID)] = []
        graph.forEachEdge(at: node) { found in
            let rank = ranks[Int(found.other.rawValue)]
            guard !found.isIncoming, rank != .max else { return }
            edges.append((rank, found.mark.link.rawValue, graph.detail(found.edge).via, found.edge))
        }
        edges.sort { left, right in
            if left.rank != right.rank { return left.rank < right.rank }
            if left.link != right.link { return left.link < right.link }
            return compare(left.via, right.via) < 0
        }
        var merged: [Dependency] = []
        var start = 0
        for end in 1..<(edges.count + 1) {
            if end < edges.count, edges[end].rank == edges[start].rank, edges[end].link == edges[start].link,
                compare(edges[end].via, edges[start].via) == 0
            {
                continue
            }
            if start < edges.count { merged.append(Dependency(edges[start..<end].map(\.edge), in: graph)) }
            start = end
        }
        return merged
    }

    /// Where programs meet compares by what it is called: whose it is depends on the order of inputs where
    /// two hosts have an address.
    private func compare(_ left: NodeID?, _ right: NodeID?) -> Int {
        switch (left, right) {
        case (nil, nil): return 0
        case (nil, _): return -1
        case (_, nil): return 1
        case (let left?, let right?):
            if left == right { return 0 }
            let (one, two) = (graph[left].shownText, graph[right].shownText)
            return one == two ? 0 : one.lexicographicallyPrecedes(two) ? -1 : 1
        }
    }
}
