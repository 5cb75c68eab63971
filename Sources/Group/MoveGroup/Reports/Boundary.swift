import Records

/// What leads out of a group, in the order of outputs, equal dependencies merged.
package struct Boundary {
    /// A dependency that was not followed.
    package struct Crossing {
        package var member: NodeID
        /// What was not followed; the member itself if nothing was followed beyond it.
        package var other: NodeID
        /// `nil` for a member where the group stops that is no more than that.
        package var dependency: Dependency?
        package var obstacle: Obstacle
    }

    /// An address to be connected again, or to be let in again: nothing that was observed belongs to it, or what does was
    /// left out of the group, or is followed no more.
    package struct Endpoint {
        package var node: NodeID
        package var transport: Transport
        package var address: NetworkAddress
        /// The port to which members connect, or on which they take connections; 0 if it is not known.
        package var port: UInt16
        /// Whether the connections come from there.
        package var isIncoming: Bool
        /// Bytes that the members sent and received.
        package var sent: UInt64
        package var received: UInt64
        /// The members that use it, in order.
        package var members: [NodeID]
        /// Why what is there does not move: nobody was observed there, or it was left out.
        package var obstacle: Obstacle
    }

    package let crossings: [Crossing]
    package let endpoints: [Endpoint]

    /// What leads out of a group.
    package init(_ report: GroupReport) {
        let order = NodeOrder(report.graph, report.order.hosts)
        crossings = Self.crossings(report.group, order)
        endpoints = Self.endpoints(crossings, report, order)
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
        _ crossings: [Crossing], _ report: GroupReport, _ order: NodeOrder
    ) -> [Endpoint] {
        let graph = report.graph
        let merger = DependencyMerger(graph, order)
        var found: [Endpoint] = []
        var known: [EndpointKey: Int] = [:]
        var amounts: [AmountKey: Amount] = [:]
        func add(_ member: NodeID, _ other: NodeID, _ dependency: Dependency, _ obstacle: Obstacle) {
            guard let end = end(of: dependency, member, other, graph) else { return }
            let position = known[end.key] ?? found.count
            if position == found.count {
                known[end.key] = position
                found.append(
                    Endpoint(
                        node: end.key.node, transport: end.transport, address: end.key.address,
                        port: end.key.port,
                        isIncoming: end.key.isIncoming, sent: 0, received: 0, members: [], obstacle: obstacle)
                )
            }
            // What the other one sent is what the member received. Both may have counted the same bytes.
            let isOwn = dependency.from == member
            let key = AmountKey(position: position, member: member, other: other, via: dependency.via)
            amounts[key, default: Amount()].take(
                sent: isOwn ? dependency.sent : dependency.received,
                received: isOwn ? dependency.received : dependency.sent)
            if found[position].members.last != member { found[position].members.append(member) }
        }
        for crossing in crossings {
            if let dependency = crossing.dependency, crossing.other != crossing.member {
                switch crossing.obstacle {
                case .unobserved, .exclude, .stopAt:
                    add(crossing.member, crossing.other, dependency, crossing.obstacle)
                case .rule, .executed, .unknown: break
                }
            } else if case .stopAt = crossing.obstacle {
                // A member where it was made to stop moves, and what it talks to is followed no more.
                for (other, edge) in report.connectionsOut(of: crossing.member) {
                    add(crossing.member, other, merger.dependency(edge), crossing.obstacle)
                }
            }
        }
        for (key, amount) in amounts {
            found[key.position].sent = sum(found[key.position].sent, amount.sent)
            found[key.position].received = sum(found[key.position].received, amount.received)
        }
        return found.sorted { left, right in
            if left.key != right.key { return left.key.lexicographicallyPrecedes(right.key) }
            return order.compare(left.node, right.node) < 0
        }
    }

    /// Where a connection of a member leads to, or comes from; `nil` for what is none, or whose address nobody knows.
    private static func end(
        of dependency: Dependency, _ member: NodeID, _ other: NodeID, _ graph: DependencyGraph
    ) -> (key: EndpointKey, transport: Transport)? {
        guard dependency.link == .connect || dependency.link == .accept else { return nil }
        // The server's address, where it is known: that of the listener, to which clients connect.
        var server: (node: NodeID, transport: Transport, end: Records.Endpoint)?
        if let via = dependency.via, case .endpoint(let transport, let end) = graph[via] {
            server = (via, transport, end)
        }
        if case .endpoint(let transport, let end) = graph[other] {
            let isIncoming = dependency.link == .accept
            let port = isIncoming ? server?.end.port ?? end.port : end.port
            return (
                EndpointKey(node: other, address: end.address, port: port, isIncoming: isIncoming), transport
            )
        }
        guard let server else { return nil }
        let isIncoming = (dependency.link == .accept) == (dependency.from == member)
        var address = server.end.address
        if isIncoming {
            // The client's own address stands in no record that names its program: it is one of its host's.
            guard let own = graph[graph.host(other)].sortedAddresses.first else { return nil }
            address = own
        }
        return (
            EndpointKey(
                node: isIncoming ? other : server.node, address: address, port: server.end.port,
                isIncoming: isIncoming),
            server.transport
        )
    }

    /// What goes over one address between two.
    private struct AmountKey: Hashable {
        var position: Int
        var member: NodeID
        var other: NodeID
        var via: NodeID?
    }

    private struct Amount {
        var sent: UInt64 = 0
        var received: UInt64 = 0

        mutating func take(sent: UInt64, received: UInt64) {
            self.sent = max(self.sent, sent)
            self.received = max(self.received, received)
        }
    }

    private struct EndpointKey: Hashable {
        var node: NodeID
        var address: NetworkAddress
        var port: UInt16
        var isIncoming: Bool
    }

    private static func sum(_ one: UInt64, _ other: UInt64) -> UInt64 {
        let (sum, overflow) = one.addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension GroupReport {
    /// The connections of a member with what is no member, in the order of their other ends, each once.
    fileprivate func connectionsOut(of member: NodeID) -> [(other: NodeID, edge: EdgeID)] {
        var found: [(other: NodeID, edge: EdgeID)] = []
        graph.forEachEdge(at: member) { edge in
            guard edge.mark.link == .connect || edge.mark.link == .accept, !group.contains(edge.other) else {
                return
            }
            found.append((edge.other, edge.edge))
        }
        let nodes = NodeOrder(graph, order.hosts)
        // A merged dependency has all rows between two over one address: one of them stands for it.
        struct Key: Hashable {
            var other: NodeID
            var link: Link
            var isOwn: Bool
            var via: NodeID?
        }
        var seen: Set<Key> = []
        return found.sorted { left, right in
            let comparison = nodes.compare(left.other, right.other)
            return comparison == 0 ? left.edge < right.edge : comparison < 0
        }.filter { found in
            let edge = graph[found.edge]
            let via = graph.detail(found.edge).via
            return seen.insert(
                Key(other: found.other, link: edge.mark.link, isOwn: edge.from == member, via: via)
            ).inserted
        }
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
