import Glibc

/// The order of outputs for two nodes at a time; that of many is `MemberOrder`.
struct NodeOrder {
    private let graph: DependencyGraph
    private let hosts: HostOrder

    init(_ graph: DependencyGraph, _ hosts: HostOrder) {
        self.graph = graph
        self.hosts = hosts
    }

    /// Negative if `left` comes first, positive if `right` does, 0 if they are the same.
    func compare(_ left: NodeID, _ right: NodeID) -> Int {
        if left == right { return 0 }
        let leftRank = hosts.ranks[Int(graph.host(left).rawValue)]
        let rightRank = hosts.ranks[Int(graph.host(right).rawValue)]
        if leftRank != rightRank { return leftRank < rightRank ? -1 : 1 }
        let (kind, other) = (graph.kind(left), graph.kind(right))
        if kind != other { return kind.rawValue < other.rawValue ? -1 : 1 }
        return graph.withText(left) { left in
            graph.withText(right) { right in Self.compare(kind, left, right) }
        }
    }

    private static func compare(
        _ kind: NodeKind, _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
    ) -> Int {
        switch kind {
        case .file, .entry: return compare(left, right)
        case .program:
            let (one, two) = (ProgramText(left), ProgramText(right))
            for order in [
                compare(one.path, two.path), compare(one.workload, two.workload),
                compare(one.executable, two.executable),
            ] where order != 0 { return order }
            return compare(one.script, two.script)
        case .endpoint, .channel:
            return Node(kind: kind, text: left).shownText.withUnsafeBytes { left in
                Node(kind: kind, text: right).shownText.withUnsafeBytes { right in compare(left, right) }
            }
        }
    }

    private static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let one = left.baseAddress, let two = right.baseAddress {
            let order = Int(memcmp(one, two, common))
            if order != 0 { return order }
        }
        return left.count - right.count
    }
}
