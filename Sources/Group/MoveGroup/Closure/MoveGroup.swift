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
    /// For a file that something else bound than what it came in by: the edge that bound it, plus one.
    var bindings: [UInt32: UInt32] = [:]

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
        return way == 0 ? nil : step(to: node, by: EdgeID(rawValue: way - 1))
    }

    /// The steps from where it began to a member, in order.
    ///
    /// A file that a member executes, and that another member's use binds, comes in by the first; what joins
    /// for using it does so by the second.
    public func chain(to node: NodeID) -> [Step] {
        var steps: [Step] = []
        var next = step(to: node)
        while let step = next {
            steps.append(step)
            if let binding = bindings[step.from.rawValue] {
                next = self.step(to: step.from, by: EdgeID(rawValue: binding - 1))
            } else {
                next = self.step(to: step.from)
            }
        }
        return steps.reversed()
    }

    private func step(to node: NodeID, by edge: EdgeID) -> Step {
        let ends = graph[edge]
        // An edge from a node to itself never brings anything in.
        let isIncoming = ends.from == node
        return Step(
            from: isIncoming ? ends.to : ends.from, to: node, edge: edge, isIncoming: isIncoming,
            follow: follow(ends, isIncoming: isIncoming, to: node))
    }

    /// How many steps a member is away from the start.
    public func distance(of position: Int) -> Int { levels.lastIndex { $0 <= position } ?? 0 }

    private func follow(_ edge: Edge, isIncoming: Bool, to node: NodeID) -> Follow {
        switch edge.mark.link {
        case .listed: return .related
        case .file:
            if isIncoming { return edge.mark.access.contains(.written) ? .writes : .reads }
            let isBound = states[Int(node.rawValue)] & MemberState.bound != 0
            return isBound && !edge.mark.access.isExecution ? .bound : .copied
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
    /// It joined at an odd distance.
    static let odd: UInt8 = 16
    /// A file that was bound only after its users were looked at, or just before.
    static let late: UInt8 = 32
    /// A file that nobody writes but installers.
    static let unwritten: UInt8 = 64
}
