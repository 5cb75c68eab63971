/// Why each member is one.
struct Reasons {
    /// The step by which a member came in.
    struct Reason {
        /// The member that was there before.
        var from: NodeID
        var dependency: Dependency
        /// Whether the dependency is that of the member that came in.
        var isIncoming: Bool
        var follow: Follow
    }

    private let group: MoveGroup
    private let merger: DependencyMerger
    private let distances: [UInt32]

    init(_ report: GroupReport) {
        group = report.group
        merger = DependencyMerger(report.graph, NodeOrder(report.graph, report.order.hosts))
        distances = report.distances()
    }

    /// Steps from the start.
    func distance(of node: NodeID) -> Int { Int(distances[Int(node.rawValue)]) }

    /// `nil` for where the group began.
    subscript(node: NodeID) -> Reason? { group.step(to: node).map(reason) }

    func reason(_ step: MoveGroup.Step) -> Reason {
        Reason(
            from: step.from, dependency: merger.dependency(step.edge), isIncoming: step.isIncoming,
            follow: step.follow)
    }
}

extension Follow {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .start: "start"
        case .copied: "copied"
        case .bound: "bound"
        case .writes: "writes"
        case .reads: "reads"
        case .child: "child"
        case .parent: "parent"
        case .server: "server"
        case .client: "client"
        case .listens: "listens"
        case .channel: "channel"
        case .sharer: "sharer"
        case .endpoint: "endpoint"
        case .related: "related"
        }
    }
}
