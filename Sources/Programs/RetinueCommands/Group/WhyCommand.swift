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
        let graph = try options.graph(of: program)
        let group = try options.group(of: program, in: graph, hasReasons: true)
        let question = WhyQuestion(program: program, member: member)
        let asked = try question.asked(group)
        let report = GroupReport(group)
        let members = asked.filter { group.contains($0) }
        guard !members.isEmpty else { throw question.absence(of: asked, from: group) }
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
}
