import ArgumentParser
import Glibc
import MovePlan
import Records
import SystemCalls

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
                request.append(.init("at", source.value))
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
