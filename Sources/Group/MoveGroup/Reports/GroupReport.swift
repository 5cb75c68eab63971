import Records

/// A move group as text.
///
/// Members come in the order of `members`, and equal dependencies of several inputs are one: what is written
/// is the same, byte by byte, for the same inputs in any order and however often each was given. Reasons are
/// so only if the group was computed with `ClosureOptions.prefersEvidence`.
public struct GroupReport {
    /// The group.
    public let group: MoveGroup
    let order: MemberOrder

    /// Puts the members in order.
    public init(_ group: MoveGroup) { self.init(group, many: MemberOrder.many) }

    /// - Parameter many: the members from which on two threads put them in order.
    init(_ group: MoveGroup, many: Int) {
        self.group = group
        order = MemberOrder(group, many: many)
    }

    /// The members: by host (its title, then its id), then kind, then path, bytewise, then workload.
    public var members: [NodeID] { order.members }

    var graph: DependencyGraph { group.graph }

    /// What to call the host of a node; empty for an address that no observed host has.
    public func hostLabel(of node: NodeID) -> String {
        order.hosts.labels[Int(graph.host(node).rawValue)]
    }

    /// The distance of each member from the start, by the number of the node; 0 for others.
    func distances() -> [UInt32] {
        var distances = [UInt32](repeating: 0, count: graph.nodeCount)
        for (level, start) in group.levels.enumerated() {
            let end = level + 1 < group.levels.count ? group.levels[level + 1] : group.members.count
            for node in group.members[start..<end] { distances[Int(node.rawValue)] = UInt32(level) }
        }
        return distances
    }

    /// The nodes where the group began, each once, in order.
    package var start: [NodeID] {
        let nodes = NodeOrder(graph, order.hosts)
        return Set(group.start).sorted { nodes.compare($0, $1) < 0 }
    }
}
