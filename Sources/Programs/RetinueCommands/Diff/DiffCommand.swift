import ArgumentParser
import MoveGroup
import MovePlan
import Records
import Text

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say what two dumps, groups, lists or plans differ in.",
        usage: """
            retinue diff <a> <b> [<options>]
            retinue diff <time> <time> --group <program> --from <file> ... [<options>]
            """,
        discussion: """
            A line for each difference, which names its record: + only B has it, - only A has it, ~ both have it, and \
            what is said of it has changed. Behind it stands why it is there: of a dependency its evidence, count and \
            times, of a member of a group the dependency by which it came in. The order of the inputs' lines makes \
            no difference.

            Dumps and stores are compared with each other, and so are groups (--format json, csv), dependency lists and \
            plans (retinue plan). Counts, times and bytes, which differ between any two dumps, are left out and how many \
            differ in nothing else is said, unless --counts takes them in. Of a dump its dependencies, gaps and host are \
            compared.

            With --group, A and B are times, and the group of PROGRAM as it was at the one is compared with that at the \
            other: what grew, and why. The records come from --from, a fleet's store above all.

            Examples:
              retinue diff monday.ndjson friday.ndjson
              retinue dump | retinue diff monday.ndjson -
              retinue group nginx --json > now.json; retinue diff before.json now.json
              retinue diff 30d 0s --group web1:nginx --from postgresql:///fleet

            Exit status: 0 no difference; 1 there are some (or a wrong command line); 2 an input is not what it should \
            be, or the two are of different kinds.
            """)

    enum Format: String, OutputFormat {
        case table, json
        static let standard = table
    }

    @Argument(
        help: ArgumentHelp("What is compared; - is standard input.", valueName: "a"), completion: .file())
    var former: String

    @Argument(help: ArgumentHelp("With what it is compared.", valueName: "b"), completion: .file())
    var latter: String

    @Flag(help: "Let counts, times, bytes and reasons make a difference, too.")
    var counts = false

    @Option(
        help: ArgumentHelp(
            "Compare the group that this program had at two times, which <a> and <b> are.",
            valueName: "program"),
        completion: RecordCompletion.program)
    var group: String?

    @OptionGroup var options: GroupOptions

    @OptionGroup var format: FormatOptions<Format>

    @OptionGroup var colour: ColourOptions

    func validate() throws {
        guard former != "-" || latter != "-" else {
            throw ValidationError("standard input can be read only once")
        }
        guard group != nil || options.from.isEmpty else {
            throw ValidationError("--from is for --group PROGRAM")
        }
        guard group == nil || (!options.from.isEmpty && !options.from.contains("-")) else {
            throw ValidationError("--group reads what --from names, twice: give files or a store")
        }
        guard group == nil || options.window.span == nil else {
            throw ValidationError(
                "--group has the two times for its own: give no --since, --until or --as-of")
        }
    }

    func run() throws {
        let report = try report()
        switch format.choice {
        case .table: try Output.standard.write(painted: report.text(colour.palette()))
        case .json: try Output.standard.write(report.json)
        }
        if report.measuredOnly > 0, format.choice == .table {
            let records = Quantity.counted(report.measuredOnly, "record")
            Diagnostics.say(
                "\(records) more \(report.measuredOnly == 1 ? "differs" : "differ") in counts and times alone; --counts shows that"
            )
        }
        if !report.isEmpty { throw ExitCode(ExitStatus.negative) }
    }

    private func report() throws -> DiffReport {
        do {
            if let group {
                let old = try members(of: group, at: former)
                return DiffReport(
                    Differences(from: old, to: try members(of: group, at: latter), withMeasures: counts),
                    .group)
            }
            let (one, other) = (try DiffInput(reading: former), try DiffInput(reading: latter))
            switch (one, other) {
            case (.plan(let old), .plan(let new)):
                return DiffReport(plans: PlanChanges(from: old, to: new).lines)
            case (.facts(let form, let old), .facts(let other, let new)) where form == other:
                return DiffReport(Differences(from: old, to: new, withMeasures: counts), form)
            default:
                throw Failure(
                    "\(former.printable) is \(one.name), and \(latter.printable) is \(other.name): they cannot be compared",
                    status: ExitStatus.badInput)
            }
        } catch let failure as Failure where failure.status == ExitStatus.negative {
            // 1 would be an answer.
            throw Failure(failure.message, details: failure.details, status: ExitStatus.badInput)
        }
    }
}

extension DiffCommand {
    /// The group of a program as it was at a time, as facts.
    private func members(of program: String, at time: String) throws -> [Fact] {
        guard let moment = Moment(argument: time) else {
            throw Failure(
                "\(time.printable) is no time: 2026-11-21T02:00:00Z, 2026-11-21 or 30d",
                status: ExitStatus.badInput)
        }
        var options = options
        options.window.asOf = moment
        let graph = try options.graph(of: program)
        let group = try options.group(of: program, in: graph, hasReasons: true)
        var json: [UInt8] = []
        GroupReport(group).writeJSON { (piece: UnsafeRawBufferPointer) in json += piece }
        return try GroupFacts.facts(parsing: json, name: "the group at \(time)")
    }
}

/// Differences as text.
struct DiffReport {
    private let differences: [Difference]
    /// Differences of plans, which are reported in sentences.
    private let sentences: [String]
    private let what: String
    /// Records that differ in counts and times alone.
    let measuredOnly: Int

    init(_ differences: Differences, _ form: DiffInput.Form) {
        self.differences = differences.list
        sentences = []
        what =
            switch form {
            case .dump: "dump"
            case .group, .groupTable: "group"
            case .list: "list"
            }
        measuredOnly = differences.measuredOnly
    }

    init(plans sentences: [String]) {
        differences = []
        self.sentences = sentences
        what = "plan"
        measuredOnly = 0
    }

    var isEmpty: Bool { differences.isEmpty && sentences.isEmpty }

    private func count(_ change: Difference.Change) -> Int { differences.count { $0.change == change } }

    /// A line for each, and one with their number; nothing where there are none.
    func text(_ palette: Palette) -> String {
        if isEmpty { return "" }
        if !sentences.isEmpty {
            return sentences.map { palette.paint($0, PlanAnswer.meaning(ofChange: $0)) + "\n" }.joined()
        }
        let lines = differences.map { palette.paint(Self.line($0), $0.change.meaning) + "\n" }
        return lines.joined()
            + "\(Quantity.grouped(count(.added))) added, \(Quantity.grouped(count(.removed))) gone, "
            + "\(Quantity.grouped(count(.changed))) changed\n"
    }

    private static func line(_ difference: Difference) -> String {
        let why = difference.fact.why.isEmpty ? "" : " (\(difference.fact.why))"
        switch difference.change {
        case .added: return "+ \(difference.fact.text)\(why)"
        case .removed: return "- \(difference.fact.text)\(why)"
        case .changed:
            let changes = difference.changes.map { "\($0.name) \(mark($0.from)) -> \(mark($0.to))" }
            return "~ \(difference.fact.text): \(changes.joined(separator: ", "))"
        }
    }

    private static func mark(_ text: String) -> String { text.isEmpty ? "none" : text }

    /// `retinue-diff/1`, docs/diff-format.md.
    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("schema", word: "retinue-diff/1")
            out.member("of", text: what)
            out.key("differences")
            out.beginArray()
            for difference in differences {
                out.beginLine()
                Self.append(difference, to: &out)
            }
            for sentence in sentences {
                out.beginLine()
                out.object { $0.member("text", text: sentence) }
            }
            out.endArray()
            out.beginLine()
            out.object("totals") { out in
                out.member("differences", number: differences.count + sentences.count)
                out.member("added", number: count(.added))
                out.member("removed", number: count(.removed))
                out.member("changed", number: count(.changed))
                out.member("only_counts", number: measuredOnly)
            }
        }
        out.endDocument()
        return out.bytes
    }

    private static func append(_ difference: Difference, to out: inout JSONWriter) {
        out.object { out in
            out.member("change", text: difference.change.rawValue)
            out.member("text", text: difference.fact.text)
            out.object("record") { out in
                for member in difference.fact.members { Self.append(member, to: &out) }
            }
            if difference.change == .changed {
                out.object("changes") { out in
                    for change in difference.changes {
                        out.object(text: change.name) { out in
                            out.member("from", text: change.from)
                            out.member("to", text: change.to)
                        }
                    }
                }
            } else if !difference.fact.why.isEmpty {
                out.member("why", text: difference.fact.why)
            }
        }
    }

    private static func append(_ member: (name: String, value: [UInt8]), to out: inout JSONWriter) {
        let name = member.name.replacing(" ", with: "_")
        out.key(text: name)
        if out.value(bytes: member.value) { return }
        out.key(text: name + "_raw")
        out.value(base64: member.value)
    }
}

extension Difference.Change {
    fileprivate var meaning: Palette.Meaning {
        switch self {
        case .added: .good
        case .removed: .bad
        case .changed: .care
        }
    }
}
