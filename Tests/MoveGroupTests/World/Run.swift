import MoveGroup
import Records
import Testing

/// Joins dumps.
func join(_ dumps: [HostDump], _ pairing: SocketPairing = SocketPairing()) -> DependencyGraph {
    var builder = GraphBuilder()
    for (number, dump) in dumps.enumerated() { builder.add(dump.contents, from: "dump \(number)") }
    return builder.finish(pairing)
}

extension DependencyGraph {
    var allNodes: [NodeID] { (0..<UInt32(nodeCount)).map { NodeID(rawValue: $0) } }

    func named(_ node: NodeID) -> Named { Named(host: self[host(node)].id, node: self[node]) }

    func nodes(_ names: [Named]) -> [NodeID] {
        let numbers = Dictionary(uniqueKeysWithValues: allNodes.map { (named($0), $0) })
        return names.compactMap { numbers[$0] }
    }

    func outcome(of start: [Named], _ options: ClosureOptions) -> Outcome {
        Outcome(moveGroup(of: nodes(start), options))
    }

    /// The programs' names in a group that begins at one, each with its host.
    func programs(from start: Named, _ options: ClosureOptions = ClosureOptions()) -> Set<String> {
        let members = outcome(of: [start], options).members
        return Set(
            members.compactMap { member in
                guard case .program(let name) = member.node else { return nil }
                return member.host + ":" + String(decoding: name.path, as: UTF8.self)
            })
    }
}

extension Outcome {
    init(_ group: MoveGroup) {
        self.init()
        let graph = group.graph
        for (position, node) in group.members.enumerated() {
            let name = graph.named(node)
            #expect(members.insert(name).inserted, "\(name) is a member twice")
            distances[name] = group.distance(of: position)
            strengths[name] = group.chain(to: node).map { strength(graph[$0.edge].mark.evidence) }.min() ?? 9
        }
        for crossing in group.crossings {
            crossings.insert(
                NamedCrossing(
                    member: graph.named(crossing.member), other: graph.named(crossing.other),
                    obstacle: crossing.obstacle))
        }
    }
}

/// Evidence as a number; what an input states without saying how it knows counts as exact.
func strength(_ evidence: Evidence?) -> UInt8 { (evidence ?? .exact).rawValue }
