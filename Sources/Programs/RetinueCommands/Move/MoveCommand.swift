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
            HandoverMoveCommand.self,
            CopyMoveCommand.self, MoveStatusCommand.self, ThrottleMoveCommand.self, AbortMoveCommand.self,
            ReconnectMoveCommand.self,
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
            "The destination, by its certificate's name, and where its agent is reached; else what the plan says (`move`).",
            valueName: "host[=address[:port]]"))
    var to: String?

    @Option(help: ArgumentHelp("Of which host of the plan: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What the move, and the cell there, are called; else the program's last name.", valueName: "name")
    )
    var name: String?

    @Option(
        help: ArgumentHelp("chroot, container, runc or nspawn; else what the plan says.", valueName: "kind"))
    var isolation: String?

    @Flag(
        help:
            "Give the container a network of its own there: to it goes what comes to --address, or to the ports."
    )
    var ownNetwork = false

    @Option(
        help: ArgumentHelp(
            "With --own-network: under which number clients reach a port there.", valueName: "port=number"))
    var publish: [String] = []

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
            "A host whose programs are clients: its agent, and this one's, send them to the destination; repeatable.",
            valueName: "host[=address[:port]]"))
    var client: [String] = []

    @Option(
        help: ArgumentHelp(
            "An address by which clients know the service, beside those of the plan; repeatable.",
            valueName: "address"))
    var oldAddress: [String] = []

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
        guard publish.isEmpty || ownNetwork else { throw ValidationError("--publish is for --own-network") }
        guard throttle >= 0 else { throw ValidationError("--throttle is a number of bytes a second") }
    }

    /// A move that the agent is asked for.
    struct Part {
        /// The host of the plan.
        var title: String
        /// Which agent is asked: the one of this host, unless another one is named.
        var source: HostPlace?
        /// What it is asked.
        var order: JSONValue
    }

    /// The moves, each of a host of the plan: the one that the options mean, or all of which the plan says how, in the order in
    /// which their programs start.
    func parts() throws -> [Part] {
        let plan = try PlanFile.read(at: file)
        guard to == nil else { return [try part(plan, try plan.position(ofHost: host), isOnly: true)] }
        let positions = plan.hosts.indices.filter {
            plan.hosts[$0].move != nil
                && (host == nil || plan.hosts[$0].id == host || plan.hosts[$0].name == host)
        }
        guard !positions.isEmpty else {
            throw Failure(
                "--to names no host, and the plan has no key `move` that does", status: ExitStatus.badInput)
        }
        guard positions.count == 1 || [name, isolation, confirm, address, start].allSatisfy({ $0 == nil })
        else {
            throw Failure(
                "the plan says how \(positions.count) hosts are moved: name one by --host, or write what is different into it",
                status: ExitStatus.badInput)
        }
        let order = Dictionary(
            uniqueKeysWithValues: positions.map {
                ($0, plan.hosts[$0].programs.compactMap(\.order).min() ?? .max)
            })
        return try positions.sorted { (order[$0]!, $0) < (order[$1]!, $1) }.map {
            try part(plan, $0, isOnly: positions.count == 1)
        }
    }

    private func part(_ plan: Plan, _ position: Int, isOnly: Bool) throws -> Part {
        let part = plan.hosts[position]
        let title = part.name.isEmpty ? part.id : part.name
        let destination = try destination(of: part)
        let clients = try client.map { text in
            let place = try Self.place(text)
            return JSONValue.object([
                .init("name", .string(place.host)), .init("address", .string(place.address)),
                .init("port", .integer(Int128(place.port))),
            ])
        }
        // Two parts may come to one destination.
        let name = name ?? Self.name(of: isOnly ? plan.program : "\(plan.program)-\(title)")
        var members: [JSONValue.Member] = [
            .init(
                "plan", PlanDocument.value(Plan(program: plan.program, made: plan.made, hosts: [part]))),
            .init("name", .string(name)), .init("host", .string(destination.host)),
            .init("at", .string(destination.address)), .init("port", .integer(Int128(destination.port))),
            .init("within", .integer(Int128(within))), .init("downtime", .double(downtime)),
            .init("forward", .boolean(forward || part.move?.forwards == true)),
            .init("throttle", .integer(Int128(throttle))), .init("clients", .array(clients)),
            .init("start_first", .boolean(startFirst)),
            .init("old_addresses", .array(oldAddress.map { .string($0) })),
            .init("isolation", .string(try kind(part))),
        ]
        if ownNetwork { members.append(.init("network", try network())) }
        for (key, value) in [
            ("check", confirm ?? part.move?.confirm), ("address", address ?? part.move?.address),
            ("start", start ?? part.move?.start),
        ] {
            if let value { members.append(.init(key, .string(value))) }
        }
        return Part(title: title, source: part.move?.source, order: .object(members))
    }

    /// Where a host's part is moved to.
    func destination(of part: HostPlan) throws -> HostPlace {
        if let to { return try Self.place(to) }
        guard let destination = part.move?.destination else {
            throw Failure(
                "--to names no host, and the plan has no key `move` that does", status: ExitStatus.badInput)
        }
        return destination
    }

    /// Of `host[=address[:port]]`.
    static func place(_ text: String) throws -> HostPlace {
        guard let place = HostPlace(text) else {
            throw Failure(
                "`\(text.printable)` is not HOST, HOST=ADDRESS or HOST=ADDRESS:PORT",
                status: ExitStatus.badInput)
        }
        return place
    }

    private func kind(_ host: HostPlan) throws -> String {
        let kind = isolation ?? host.move?.isolation ?? host.isolation?.choice ?? "chroot"
        guard Self.kinds.contains(kind) else {
            throw Failure(
                "programs are moved into one of \(Self.kinds.joined(separator: ", ")), not into a \(kind.printable)",
                status: ExitStatus.badInput)
        }
        return kind
    }

    private static let kinds = ["chroot", "container", "runc", "nspawn"]

    /// What of a network of its own is asked for.
    private func network() throws -> JSONValue {
        var pairs: [JSONValue] = []
        for text in publish {
            let numbers = text.split(separator: "=", omittingEmptySubsequences: false).map { UInt16($0) ?? 0 }
            guard numbers.count == 2, !numbers.contains(0) else {
                throw Failure("`\(text.printable)` is no port=number", status: ExitStatus.badInput)
            }
            pairs.append(.array(numbers.map { .integer(Int128($0)) }))
        }
        return .object([
            .init("address", address.map { .string(String($0.prefix { $0 != "/" })) } ?? .null),
            .init("published", .array(pairs)),
        ])
    }

    /// The last name of the program that the plan was made for, as far as it can be a name.
    static func name(of program: String) -> String {
        let last = program.split(separator: "/").last.map(String.init) ?? program
        let word = last.prefix { $0 != "@" }
        let plain = word.utf8.map { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || "._-".utf8.contains(byte)
                ? Character(UnicodeScalar(byte)) : "_"
        }
        let name = String(plain.prefix(60)).drop { $0 == "." || $0 == "-" }
        return name.isEmpty ? "program" : String(name)
    }
}

/// A request to the agent of this host.
protocol AgentCommand: ParsableCommand {
    /// What the agent calls it.
    static var verb: String { get }
    var agent: AgentOptions { get }
    func request() throws -> [JSONValue.Member]
}

extension AgentCommand {
    func run() throws {
        try MoveAnswers.write([try Self.ask(agent, request())], agent)
    }

    static func ask(
        _ options: AgentOptions, _ request: [JSONValue.Member], title: String = ""
    ) throws -> JSONValue {
        var client = try AgentClient(options.agent)
        return try client.ask(.object([.init("verb", .string(verb))] + request)) { report in
            guard let text = MoveText.report(report), !options.isJSON else { return }
            Diagnostics.say(title.isEmpty ? text : "\(title.printable): \(text)")
        }
    }
}

/// A step of a move, or of the moves of all hosts of a plan.
protocol MoveStepCommand: AgentCommand {
    var move: MoveOptions { get }
    /// What is asked beside the order.
    var extra: [JSONValue.Member] { get }
    /// What the step makes of an order.
    func adapted(_ order: JSONValue) throws -> JSONValue
    /// Called before anything is asked.
    func confirm(_ parts: [MoveOptions.Part]) throws
}

extension MoveStepCommand {
    /// Whether what was done last is undone first.
    static var isBackwards: Bool { verb == "rollback" || verb == "abort" }
    var extra: [JSONValue.Member] { [] }
    func adapted(_ order: JSONValue) throws -> JSONValue { order }
    func confirm(_ parts: [MoveOptions.Part]) throws {}
    func request() throws -> [JSONValue.Member] { extra }

    func run() throws {
        var parts = try move.parts()
        try confirm(parts)
        if Self.isBackwards { parts.reverse() }
        var answers: [JSONValue] = []
        for part in parts {
            var request: [JSONValue.Member] = [.init("order", try adapted(part.order))] + extra
            if let source = part.source {
                request.append(
                    .init(
                        "at",
                        .object([
                            .init("host", .string(source.host)), .init("address", .string(source.address)),
                            .init("port", .integer(Int128(source.port))),
                        ])))
            }
            do {
                answers.append(try Self.ask(agent, request, title: parts.count > 1 ? part.title : ""))
            } catch let failure as Failure {
                // What was done before it stands: each of them serves at one place.
                if !answers.isEmpty, !agent.isJSON { try MoveAnswers.write(answers, agent) }
                throw parts.count > 1
                    ? Failure(
                        "\(part.title.printable): \(failure.message)", details: failure.details,
                        status: failure.status) : failure
            }
        }
        try MoveAnswers.write(answers, agent)
        if answers.contains(where: { $0["problems"]?.array?.isEmpty == false }) { throw ExitCode(1) }
    }
}

/// What agents have answered, as text or JSON.
enum MoveAnswers {
    static func write(_ answers: [JSONValue], _ options: AgentOptions) throws {
        guard options.isJSON else {
            return try Output.standard.write(answers.map(MoveText.answer).joined())
        }
        var out = JSONWriter()
        if answers.count == 1 {
            out.value(answers[0])
        } else {
            out.value(
                .object([.init("schema", .string("retinue-moves/1")), .init("moves", .array(answers))]))
        }
        out.endDocument()
        try Output.standard.write(out.bytes)
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
        if let numbers = report["numbers"]?.array {
            let words = numbers.compactMap { $0.string.map { $0.printable.replacing(" ", with: " is now ") } }
            return "program and version: \(words.joined(separator: ", "))"
        }
        if let count = number("removed") { return "\(count) files and folders were removed" }
        return nil
    }

    static func answer(_ answer: JSONValue) -> String {
        if let problems = answer["problems"]?.array {
            let notes = (answer["notes"]?.array ?? []).compactMap {
                $0.string.map { "  \($0.printableOnce)\n" }
            }
            let said = problems.compactMap { $0.string.map { "  stands in the way: \($0.printableOnce)\n" } }
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
