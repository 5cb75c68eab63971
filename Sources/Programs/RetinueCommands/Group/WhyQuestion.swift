import MoveGroup

/// Whether something moves with a program, as it was asked.
struct WhyQuestion {
    let program: String
    let member: String

    /// What is meant: of several things with the name those that are members.
    func asked(_ group: MoveGroup) throws -> [NodeID] {
        guard case .ambiguous(let nodes) = group.graph.select(NodePattern(member)) else {
            return try NodeChoice(group.graph).nodes(for: member)
        }
        let members = nodes.filter { group.contains($0) }
        return members.isEmpty ? nodes : members
    }

    /// Why none of them is a member.
    func absence(of asked: [NodeID], from group: MoveGroup) -> Failure {
        let choice = NodeChoice(group.graph)
        guard asked.count == 1 else {
            return Failure(
                "\"\(member)\" may be any of these, of which none moves with \(program):",
                details: choice.choices(asked))
        }
        guard let crossing = group.crossings.first(where: { asked.contains($0.other) }) else {
            return Failure(
                "\(choice.text(asked[0])) does not move with \(program): no chain of dependencies that is "
                    + "followed leads there")
        }
        let (other, by) = (choice.text(crossing.other), choice.text(crossing.member))
        return Failure(
            "\(other) does not move with \(program): \(by) depends on it or it on that, but "
                + obstacle(crossing, in: group))
    }

    private func obstacle(_ crossing: Crossing, in group: MoveGroup) -> String {
        switch crossing.obstacle {
        case .rule, .stopAt, .exclude:
            group.cause(of: crossing.obstacle).map { "\"\($0.text)\" stops there (\($0.origin))" }
                ?? "the boundary is there"
        case .unobserved: "nobody was observed at the other end of the connection"
        case .executed: "what the one writes the other only executes"
        case .unknown: "of one of them nothing is known but that it was there"
        }
    }
}
