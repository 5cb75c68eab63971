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
        states = LargeMemory.array(of: 0, count: graph.nodeCount)
        ways = LargeMemory.array(of: 0, count: graph.nodeCount)
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

extension DependencyGraph {
    /// Everything that has to move with some nodes.
    public func moveGroup(of start: [NodeID], _ options: ClosureOptions = ClosureOptions()) -> MoveGroup {
        Closure.group(of: start, in: self, options)
    }
}

/// How to compute a move group.
public struct ClosureOptions: Sendable {
    /// Follow every relation both ways and stop nowhere, as the method was published.
    public var isSymmetric = false
    /// Where to stop; of no effect when `isSymmetric`.
    public var policy = BoundaryPolicy.standard
    /// Members beyond which nothing is followed.
    public var stopAt: [NodePattern] = []
    /// What is followed though the policy would stop there.
    public var include: [NodePattern] = []
    /// What does not join.
    public var exclude: [NodePattern] = []
    /// Among chains of equal length prefer those of stronger evidence, and among those the first in the order
    /// of outputs, so that reasons do not depend on the order of inputs; a little slower.
    public var prefersEvidence = false

    /// Default policy, nothing asked for beside it.
    public init() {}
}

/// Why a node joins, given the one that was there before.
public enum Follow: UInt8, Sendable, CaseIterable {
    /// It is where the closure began.
    case start
    /// A file that a member only reads or executes: copied along.
    case copied
    /// A file that a member writes, or reads and another program writes.
    case bound
    /// A program that writes a file which a member reads.
    case writes
    /// A program that reads a file which a member, or one that joins, writes.
    case reads
    /// A program that a member started.
    case child
    /// A program that started a member.
    case parent
    /// A program that a member connects to.
    case server
    /// A program that connects to a member.
    case client
    /// An address on which a member listens.
    case listens
    /// An object of inter-process communication that a member shares.
    case channel
    /// A program that shares such an object with a member.
    case sharer
    /// An address to which a member connects, or from which it is connected to.
    case endpoint
    /// Related to a member in a list that does not say how, or both ways since that was asked for.
    case related
}

/// Why a dependency of a member was not followed.
public enum Obstacle: Hashable, Sendable {
    /// A rule of the policy, by its number.
    case rule(Int)
    /// `--stop-at`, by its number.
    case stopAt(Int)
    /// `--exclude`, by its number.
    case exclude(Int)
    /// The other end of the connection was not observed: no dump of its host, or nothing in it.
    case unobserved
    /// The member only executes the file that the other program writes.
    case executed
    /// A program of which nothing is known.
    case unknown
}

/// A dependency of a member that leads out of the group.
public struct Crossing: Hashable, Sendable {
    /// The member.
    public var member: NodeID
    /// What was not followed.
    public var other: NodeID
    /// The dependency.
    public var edge: EdgeID
    /// What stopped it.
    public var obstacle: Obstacle
}

extension MoveGroup {
    /// The group as the method was published: everything related, then everything related to that, until
    /// nothing new appears.
    static func symmetric(
        _ graph: DependencyGraph, _ options: ClosureOptions, from start: [NodeID]
    ) -> MoveGroup {
        var group = MoveGroup(graph, options, start: start)
        // Address space alone: a small group of a large graph touches little of it.
        var queue: [NodeID] = LargeMemory.array(ofAtMost: graph.nodeCount)
        group.states.withUnsafeMutableBufferPointer { states in
            group.ways.withUnsafeMutableBufferPointer { ways in
                for node in start where states[Int(node.rawValue)] == 0 {
                    states[Int(node.rawValue)] = MemberState.member
                    queue.append(node)
                }
            }
        }
        group.spread(&queue)
        group.members = queue
        return group
    }

    private mutating func spread(_ queue: inout [NodeID]) {
        let graph = graph
        var levels = [0]
        states.withUnsafeMutableBufferPointer { states in
            ways.withUnsafeMutableBufferPointer { ways in
                graph.edges.from.withElements { from in
                    graph.edges.to.withElements { to in
                        var head = 0
                        while head < queue.count {
                            let end = queue.count
                            levels.append(end)
                            while head < end {
                                for position in graph.adjacency.range(queue[head].rawValue) {
                                    let entry = graph.adjacency[position]
                                    let row = Int(entry >> 1)
                                    let other = entry & 1 != 0 ? from[row] : to[row]
                                    if states[Int(other)] != 0 { continue }
                                    states[Int(other)] = MemberState.member
                                    ways[Int(other)] = UInt32(row) + 1
                                    queue.append(NodeID(rawValue: other))
                                }
                                head += 1
                            }
                        }
                    }
                }
            }
        }
        // The last level is empty.
        levels.removeLast()
        self.levels = levels.isEmpty ? [0] : levels
    }
}
