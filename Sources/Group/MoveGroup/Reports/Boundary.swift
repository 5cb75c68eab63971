import Records

/// What leads out of a group, in the order of outputs, equal dependencies merged.
struct Boundary {
    /// A dependency that was not followed.
    struct Crossing {
        var member: NodeID
        /// What was not followed; the member itself if nothing was followed beyond it.
        var other: NodeID
        /// `nil` for a member where the group stops that is no more than that.
        var dependency: Dependency?
        var obstacle: Obstacle
    }

    /// An address to which nothing that was observed belongs: to be connected again, or to be let in again.
    struct Endpoint {
        var node: NodeID
        var transport: Transport
        var address: NetworkAddress
        /// The port to which members connect, or on which they take connections; 0 if it is not known.
        var port: UInt16
        /// Whether the connections come from there.
        var isIncoming: Bool
        /// Bytes that the members sent and received.
        var sent: UInt64
        var received: UInt64
        /// The members that use it, in order.
        var members: [NodeID]
    }

    let crossings: [Crossing]
    let endpoints: [Endpoint]

    init(_ report: GroupReport) {
        let order = NodeOrder(report.graph, report.order.hosts)
        crossings = Self.crossings(report.group, order)
        endpoints = Self.endpoints(crossings, report.graph, order)
    }

    private static func crossings(_ group: MoveGroup, _ order: NodeOrder) -> [Crossing] {
        let graph = group.graph
        let merger = DependencyMerger(graph, order)
        var found: [Crossing] = []
        var known: [Key: Int] = [:]
        for crossing in group.crossings {
            // Which of the members that use a file met its writer first depends on the order of inputs; the
            // file does not.
            let ends = graph[crossing.edge]
            var member = crossing.member
            if member != crossing.other, ends.from != member, ends.to != member {
                member = ends.from == crossing.other ? ends.to : ends.from
            }
            let via = graph.detail(crossing.edge).via.map { graph[$0].shownText } ?? []
            let key = Key(
                member: member, other: crossing.other, link: ends.mark.link, via: via,
                isOwn: ends.from == member, obstacle: crossing.obstacle)
            if known[key] != nil { continue }
            known[key] = found.count
            found.append(
                Crossing(
                    member: member, other: crossing.other, dependency: merger.dependency(crossing.edge),
                    obstacle: crossing.obstacle))
        }
        let sorted = found.indices.sorted { precedes(found[$0], found[$1], order, graph) }
        return sorted.map { found[$0] }
    }

    private struct Key: Hashable {
        var member: NodeID
        var other: NodeID
        var link: Link
        var via: [UInt8]
        var isOwn: Bool
        var obstacle: Obstacle
    }

    private static func precedes(
        _ left: Crossing, _ right: Crossing, _ order: NodeOrder, _ graph: DependencyGraph
    ) -> Bool {
        var comparison = order.compare(left.member, right.member)
        if comparison != 0 { return comparison < 0 }
        comparison = order.compare(left.other, right.other)
        if comparison != 0 { return comparison < 0 }
        if left.obstacle != right.obstacle { return left.obstacle.rank < right.obstacle.rank }
        guard let one = left.dependency, let two = right.dependency else { return false }
        if one.link != two.link { return one.link.rawValue < two.link.rawValue }
        if (one.from == left.member) != (two.from == right.member) { return one.from == left.member }
        let (via, otherVia) = (one.via.map { graph[$0].shownText }, two.via.map { graph[$0].shownText })
        return (via ?? []).lexicographicallyPrecedes(otherVia ?? [])
    }

    private static func endpoints(
        _ crossings: [Crossing], _ graph: DependencyGraph, _ order: NodeOrder
    ) -> [Endpoint] {
        var found: [Endpoint] = []
        var known: [EndpointKey: Int] = [:]
        for crossing in crossings where crossing.obstacle == .unobserved {
            guard case .endpoint(let transport, let end) = graph[crossing.other],
                let dependency = crossing.dependency
            else { continue }
            var port = end.port
            if dependency.link == .accept, let via = dependency.via, case .endpoint(_, let local) = graph[via]
            {
                port = local.port
            }
            let key = EndpointKey(
                node: crossing.other, port: port, isIncoming: dependency.link == .accept)
            let position = known[key] ?? found.count
            if position == found.count {
                known[key] = position
                found.append(
                    Endpoint(
                        node: crossing.other, transport: transport, address: end.address, port: port,
                        isIncoming: key.isIncoming, sent: 0, received: 0, members: []))
            }
            found[position].sent = sum(found[position].sent, dependency.sent)
            found[position].received = sum(found[position].received, dependency.received)
            if found[position].members.last != crossing.member {
                found[position].members.append(crossing.member)
            }
        }
        return found.sorted { left, right in
            if left.key != right.key { return left.key.lexicographicallyPrecedes(right.key) }
            return order.compare(left.node, right.node) < 0
        }
    }

    private struct EndpointKey: Hashable {
        var node: NodeID
        var port: UInt16
        var isIncoming: Bool
    }

    private static func sum(_ one: UInt64, _ other: UInt64) -> UInt64 {
        let (sum, overflow) = one.addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension Boundary.Endpoint {
    /// Numbers to sort by: those to be connected to first, then by address, port, transport.
    fileprivate var key: [UInt64] {
        [
            isIncoming ? 1 : 0, address.isV4 ? 0 : 1, address.high, address.low, UInt64(port),
            UInt64(transport.rawValue),
        ]
    }
}

extension Obstacle {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .rule: "rule"
        case .stopAt: "stop-at"
        case .exclude: "exclude"
        case .unobserved: "unobserved"
        case .executed: "executed"
        case .unknown: "unknown"
        }
    }

    /// Numbers to sort by.
    var rank: Int {
        switch self {
        case .rule(let number): number
        case .stopAt(let number): 1 << 40 + number
        case .exclude(let number): 2 << 40 + number
        case .unobserved: 3 << 40
        case .executed: 4 << 40
        case .unknown: 5 << 40
        }
    }
}

extension MoveGroup {
    /// The text of the rule or pattern that an obstacle is, and where it was written.
    public func cause(of obstacle: Obstacle) -> (text: String, origin: String)? {
        switch obstacle {
        case .rule(let number): (options.policy.rules[number].text, options.policy.rules[number].origin)
        case .stopAt(let number): (options.stopAt[number].text, "--stop-at")
        case .exclude(let number): (options.exclude[number].text, "--exclude")
        case .unobserved, .executed, .unknown: nil
        }
    }

    /// Whether a member is a file whose users join as well; without relations to follow none is.
    public func isBound(_ node: NodeID) -> Bool { states[Int(node.rawValue)] & MemberState.bound != 0 }
}
