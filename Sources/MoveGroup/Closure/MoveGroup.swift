import Records

/// Everything that has to move with a program, and how each of it came in.
public struct MoveGroup {
    /// What the numbers of nodes and edges mean.
    public let graph: DependencyGraph
    /// How it was computed.
    public let options: ClosureOptions
    /// Where it began.
    public let start: [NodeID]
    /// The members in the order in which they came in: nearest first.
    public internal(set) var members: [NodeID] = []
    /// Position in `members` at which each distance from the start begins.
    public internal(set) var levels: [Int] = [0]
    /// The dependencies that were not followed, each once.
    public internal(set) var crossings: [Crossing] = []
    /// For each node: 0 if it is no member, else its state.
    var states: [UInt8]
    /// For each node: the edge by which it came in, plus one; 0 for others.
    var ways: [UInt32]

    init(_ graph: DependencyGraph, _ options: ClosureOptions, start: [NodeID]) {
        self.graph = graph
        self.options = options
        self.start = start
        states = [UInt8](repeating: 0, count: graph.nodeCount)
        ways = [UInt32](repeating: 0, count: graph.nodeCount)
    }

    /// Whether a node is a member.
    public func contains(_ node: NodeID) -> Bool { states[Int(node.rawValue)] != 0 }

    /// Whether nothing was followed beyond a member.
    public func isStop(_ node: NodeID) -> Bool { states[Int(node.rawValue)] & MemberState.stop != 0 }

    /// The step by which a member came in.
    public struct Step: Sendable {
        /// The member that was there before.
        public var from: NodeID
        /// The member that came in.
        public var to: NodeID
        /// The dependency between them.
        public var edge: EdgeID
        /// Whether the dependency is that of `to`.
        public var isIncoming: Bool
        /// Why it was followed.
        public var follow: Follow
    }

    /// The step by which a member came in; `nil` for where it began.
    public func step(to node: NodeID) -> Step? {
        let way = ways[Int(node.rawValue)]
        guard way != 0 else { return nil }
        let edge = EdgeID(rawValue: way - 1)
        let ends = graph[edge]
        // An edge from a node to itself never brings anything in.
        let isIncoming = ends.from == node
        let from = isIncoming ? ends.to : ends.from
        return Step(
            from: from, to: node, edge: edge, isIncoming: isIncoming,
            follow: follow(ends, isIncoming: isIncoming, to: node))
    }

    /// The steps from where it began to a member, in order.
    public func chain(to node: NodeID) -> [Step] {
        var steps: [Step] = []
        var here = node
        while let step = step(to: here) {
            steps.append(step)
            here = step.from
        }
        return steps.reversed()
    }

    /// How many steps a member is away from the start.
    public func distance(of position: Int) -> Int { levels.lastIndex { $0 <= position } ?? 0 }

    private func follow(_ edge: Edge, isIncoming: Bool, to node: NodeID) -> Follow {
        switch edge.mark.link {
        case .listed: return .related
        case .file:
            if isIncoming { return edge.mark.access.contains(.written) ? .writes : .reads }
            return states[Int(node.rawValue)] & MemberState.bound != 0 ? .bound : .copied
        case .spawn: return isIncoming ? .parent : .child
        case .connect:
            if graph.kind(node) == .endpoint { return .endpoint }
            return isIncoming ? .client : .server
        case .accept:
            if graph.kind(node) == .endpoint { return .endpoint }
            return isIncoming ? .server : .client
        case .listen: return isIncoming ? .related : .listens
        case .ipc: return graph.kind(node) == .channel ? .channel : .sharer
        }
    }
}

/// Bits of a member's state.
enum MemberState {
    static let member: UInt8 = 1
    /// Nothing but its own files is followed.
    static let stop: UInt8 = 2
    /// A file whose readers and writers join.
    static let bound: UInt8 = 4
    /// A file whose users were looked at.
    static let expanded: UInt8 = 8
}
