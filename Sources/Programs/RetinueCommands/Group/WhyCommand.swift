import ArgumentParser
import MoveGroup

struct WhyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Show why something has to move with a program: the chain of dependencies.",
        usage: "retinue why <program> <member> [--from <file> ...] [<options>]",
        discussion: """
            The shortest chain of dependencies from PROGRAM to MEMBER, of those the one with the strongest \
            evidence, each step with evidence, count and times. MEMBER is a program, a file, an address or an \
            IPC object, written as for retinue group.

            Examples:
              retinue why nginx postgres --from *.ndjson
              retinue why nginx db1:/var/lib/app/state.db --from *.ndjson
              retinue why nginx tcp:10.0.0.9:5432 --from *.ndjson

            Exit status: 0 it has to move; 1 it does not, and why not (or a wrong command line); 2 an input \
            file, the policy or a name is not what it should be; 3 the daemon cannot be reached.
            """)

    @Argument(help: "What is to be moved.", completion: RecordCompletion.program)
    var program: String

    @Argument(help: "What is asked about.", completion: RecordCompletion.program)
    var member: String

    enum Format: String, OutputFormat {
        case text, json
        static let standard = text
    }

    @OptionGroup var format: FormatOptions<Format>

    @OptionGroup var colour: ColourOptions

    @OptionGroup var options: GroupOptions

    func run() throws {
        let graph = try options.graph()
        let group = try options.group(of: program, in: graph, hasReasons: true)
        let asked = try asked(group)
        let report = GroupReport(group)
        let members = asked.filter { group.contains($0) }
        guard !members.isEmpty else { throw absence(of: asked, from: group) }
        switch format.choice {
        case .text:
            let palette = colour.palette()
            let text = members.map { member in
                report.reasonChain(of: member).map { Self.painted($0, palette) + "\n" }.joined()
            }
            try Output.standard.write(painted: text.joined(separator: "\n"))
        case .json: try report.writeReasonChains(of: members) { try Output.standard.write($0) }
        }
    }

    /// A step: how it is known stands back, and less so where it is not certain.
    private static func painted(_ step: String, _ palette: Palette) -> String {
        guard
            let place = step.ranges(of: ": ").last(where: { range in
                ["exact", "snapshot", "inferred"].contains { step[range.upperBound...].hasPrefix($0) }
            })
        else { return palette.paint(step, .title) }
        let isCertain = step[place.upperBound...].hasPrefix("exact")
        return step[..<place.upperBound]
            + palette.paint(String(step[place.upperBound...]), isCertain ? .aside : .care)
    }

    /// What is meant: of several things with the name those that are members.
    private func asked(_ group: MoveGroup) throws -> [NodeID] {
        guard case .ambiguous(let nodes) = group.graph.select(NodePattern(member)) else {
            return try NodeChoice(group.graph).nodes(for: member)
        }
        let members = nodes.filter { group.contains($0) }
        return members.isEmpty ? nodes : members
    }

    private func absence(of asked: [NodeID], from group: MoveGroup) -> Failure {
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
