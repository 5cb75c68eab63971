import ArgumentParser
import Glibc
import MovePlan
import Records
import SystemCalls
import Text

struct MoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Carry a plan out: bring a group's programs and files to another host.",
        discussion: """
            Both hosts run retinue-agent(8). The steps can be taken one by one, or all by `run`: check what stands in the \
            way, pre-copy while the programs run, cut over (hold new clients, stop, bring the rest, start there), verify, and \
            commit, which lets clients in. Until then everything can be rolled back, and is, if a step fails, if it is not \
            committed in time, or if an agent dies. Nothing of the source is removed without `commit --remove`.

            Examples:
              retinue move check plan.yaml --to db2=10.0.0.12
              retinue move rehearse plan.yaml --to db2=10.0.0.12 --confirm 'pg_isready -h 127.0.0.1'
              retinue move run plan.yaml --to db2=10.0.0.12 --address 10.0.0.5/24 --confirm 'pg_isready -h 127.0.0.1'
              retinue move status

            Exit status: 0 done; 1 it was not, and the source serves; 2 bad input; 3 the agent cannot be reached.
            """,
        subcommands: [
            CheckMoveCommand.self, RehearseMoveCommand.self, PrecopyMoveCommand.self, CutoverMoveCommand.self,
            VerifyMoveCommand.self, CommitMoveCommand.self, RollbackMoveCommand.self, RunMoveCommand.self,
            CopyMoveCommand.self, MoveStatusCommand.self, ThrottleMoveCommand.self, AbortMoveCommand.self,
        ])
}

/// Where the agent is, and how answers are printed.
struct AgentOptions: ParsableArguments {
    enum Format: String, OutputFormat {
        case text, json
        static let standard = text
    }

    @Option(help: ArgumentHelp("The agent's socket.", valueName: "path"), completion: .file())
    var agent = AgentClient.standardPath

    @OptionGroup var form: FormatOptions<Format>

    var isJSON: Bool { form.choice == .json }
}

/// Which move: a plan, and where to.
struct MoveOptions: ParsableArguments {
    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp(
            "The destination, by its certificate's name, and where its agent is reached.",
            valueName: "host[=address[:port]]"))
    var to: String

    @Option(help: ArgumentHelp("Of which host of the plan: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What the move, and the cell there, are called; else the program's last name.", valueName: "name")
    )
    var name: String?

    @Option(help: ArgumentHelp("chroot or container; else what the plan says.", valueName: "kind"))
    var isolation: String?

    @Option(
        help: ArgumentHelp("Seconds after which what was not committed undoes itself.", valueName: "seconds"))
    var within = 60

    @Option(help: ArgumentHelp("Pre-copy until what is left fits into this pause.", valueName: "seconds"))
    var downtime = 1.0

    @Option(
        help: ArgumentHelp(
            "Says at the destination whether the programs work, by a shell, while clients are held.",
            valueName: "command"))
    var confirm: String?

    @Option(help: ArgumentHelp("An address that moves with the service.", valueName: "address/prefix"))
    var address: String?

    @Flag(help: "Pass on what still comes to the source (destination NAT).")
    var forward = false

    @Option(
        help: ArgumentHelp(
            "What starts the program, by a shell, where its arguments are not known.", valueName: "command"))
    var start: String?

    @Flag(
        help:
            "Start the programs before large files are there, which are fetched when they are touched (Linux 6.14 there)."
    )
    var startFirst = false

    @Option(help: ArgumentHelp("Send at most so many bytes a second.", valueName: "bytes"))
    var throttle = 0

    func validate() throws {
        guard (5...86400).contains(within) else {
            throw ValidationError("--within is from 5 to 86400 seconds")
        }
        guard downtime > 0, downtime < 86400 else {
            throw ValidationError("--downtime is a number of seconds")
        }
        guard throttle >= 0 else { throw ValidationError("--throttle is a number of bytes a second") }
    }

    /// What the agent is asked.
    func order() throws -> JSONValue {
        let plan = try PlanFile.read(at: file)
        let position = try plan.position(ofHost: host)
        let parts = to.split(separator: "=", maxSplits: 1).map(String.init)
        guard let destination = parts.first, !destination.isEmpty else {
            throw Failure("--to names no host", status: ExitStatus.badInput)
        }
        var place = parts.count == 2 ? parts[1] : destination
        var port = 7420
        if let colon = place.lastIndex(of: ":"),
            place.filter({ $0 == ":" }).count == 1 || place.contains("]:")
        {
            guard let number = Int(place[place.index(after: colon)...]), (1...65535).contains(number) else {
                throw Failure("`\(place.printable)` has no port", status: ExitStatus.badInput)
            }
            port = number
            place = String(place[..<colon])
        }
        place = place.filter { $0 != "[" && $0 != "]" }
        var members: [JSONValue.Member] = [
            .init(
                "plan",
                PlanDocument.value(
                    Plan(program: plan.program, made: plan.made, hosts: [plan.hosts[position]]))),
            .init("name", .string(name ?? Self.name(of: plan))), .init("host", .string(destination)),
            .init("at", .string(place)), .init("port", .integer(Int128(port))),
            .init("within", .integer(Int128(within))),
            .init("downtime", .double(downtime)), .init("forward", .boolean(forward)),
            .init("throttle", .integer(Int128(throttle))), .init("start_first", .boolean(startFirst)),
            .init("isolation", .string(try kind(plan.hosts[position]))),
        ]
        for (key, value) in [("check", confirm), ("address", address), ("start", start)] {
            if let value { members.append(.init(key, .string(value))) }
        }
        return .object(members)
    }

    private func kind(_ host: HostPlan) throws -> String {
        let kind = isolation ?? host.isolation?.choice ?? "chroot"
        guard kind == "chroot" || kind == "container" else {
            throw Failure(
                "programs are moved into a chroot or a container, not into a \(kind.printable)",
                status: ExitStatus.badInput)
        }
        return kind
    }

    /// The last name of the program that the plan was made for, as far as it can be a name.
    static func name(of plan: Plan) -> String {
        let last = plan.program.split(separator: "/").last.map(String.init) ?? plan.program
        let word = last.prefix { $0 != "@" }
        let plain = word.utf8.map { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || "._-".utf8.contains(byte)
                ? Character(UnicodeScalar(byte)) : "_"
        }
        let name = String(plain.prefix(60)).drop { $0 == "." || $0 == "-" }
        return name.isEmpty ? "program" : String(name)
    }
}

/// A step of a move.
protocol MoveStepCommand: ParsableCommand {
    /// What the agent calls it.
    static var verb: String { get }
    var agent: AgentOptions { get }
    func request() throws -> [JSONValue.Member]
}

extension MoveStepCommand {
    func run() throws {
        var client = try AgentClient(agent.agent)
        let isJSON = agent.isJSON
        let answer = try client.ask(.object([.init("verb", .string(Self.verb))] + request())) { report in
            if let text = MoveText.report(report), !isJSON { Diagnostics.say(text) }
        }
        if isJSON {
            var out = JSONWriter()
            out.value(answer)
            out.endDocument()
            try Output.standard.write(out.bytes)
        } else {
            try Output.standard.write(MoveText.answer(answer))
        }
        if let problems = answer["problems"]?.array, !problems.isEmpty { throw ExitCode(1) }
    }
}

/// What a move reports, as text.
enum MoveText {
    static func report(_ report: JSONValue) -> String? {
        func number(_ key: String) -> UInt64? { report[key]?.integer.flatMap { UInt64(exactly: $0) } }
        func seconds(_ nanoseconds: UInt64) -> String {
            let hundredths = nanoseconds / 10_000_000
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
        }
        if let round = number("round"), let sent = number("sent"), let offered = number("offered") {
            return "round \(round): \(Quantity.bytes(sent)) sent, of \(offered) entries"
        }
        if let recipe = report["recipe"]?.string {
            let status = number("status") ?? 0
            let words = report["output"]?.string.map { ": " + $0.printable } ?? ""
            return status == 0
                ? "\(recipe.printable): done" : "\(recipe.printable): exit status \(status)\(words)"
        }
        if let phase = report["phase"]?.string {
            if let pause = number("pause_ns") { return "\(phase); clients were held for \(seconds(pause))" }
            let more = number("sent").map { ", \(Quantity.bytes($0)) sent" } ?? ""
            return number("after_ns").map { "\(phase) after \(seconds($0))\(more)" } ?? phase
        }
        if let count = number("removed") { return "\(count) files and folders were removed" }
        return nil
    }

    static func answer(_ answer: JSONValue) -> String {
        if let problems = answer["problems"]?.array {
            let notes = (answer["notes"]?.array ?? []).compactMap { $0.string.map { "  \($0.printable)\n" } }
            let said = problems.compactMap { $0.string.map { "  stands in the way: \($0.printable)\n" } }
            return (problems.isEmpty ? "it can be moved\n" : "it cannot be moved\n") + (said + notes).joined()
        }
        if answer["departures"] != nil {
            var text = ""
            for move in answer["departures"]?.array ?? [] { text += line(move, "to") }
            for move in answer["arrivals"]?.array ?? [] { text += line(move, "from") }
            return text.isEmpty ? "no move has begun or ended at this host\n" : text
        }
        return line(answer, "to")
    }

    private static func line(_ move: JSONValue, _ direction: String) -> String {
        func word(_ key: String) -> String { (move[key]?.string ?? "").printable }
        var text = "\(word("name")) \(direction) \(word(direction)): \(word("state"))"
        if !word("activity").isEmpty { text += ", \(word("activity"))" }
        if let sent = move["sent"]?.integer, sent > 0 {
            text += ", \(Quantity.bytes(UInt64(clamping: sent))) sent"
        }
        if move["home"] == .boolean(true) { text += ", lives here" }
        let missing = move["missing"]?.integer ?? move["fetch"]?["missing"]?.integer ?? 0
        if missing > 0, move["fetch"]?["state"]?.string != "done" {
            text += ", \(Quantity.bytes(UInt64(clamping: missing))) to be fetched"
        }
        if let reason = move["fetch"]?["error"]?.string { text += " (\(reason.printable))" }
        return text + "\n"
    }
}
