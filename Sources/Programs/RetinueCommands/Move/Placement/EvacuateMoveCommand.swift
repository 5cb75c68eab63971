import ArgumentParser
import MovePlan
import Placement
import Records
import SystemCalls

struct EvacuateMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evacuate",
        abstract: "Move everything of a placement policy off this host, in the order in which it starts.",
        discussion: """
            The scheduler of the policy says where to. It ends with 0 only when the agent has seen that no program of the policy \
            runs here any more, that nothing which was moved here is left, and that no move is under way: then the host may be \
            powered off, as far as the policy says what matters. Otherwise it says what stayed, and why.

            Exit status: 0 the host is empty; 1 something stayed; 2 bad input; 3 the agent cannot be reached.
            """)

    @OptionGroup var placement: PlacementOptions
    @OptionGroup var agent: AgentOptions

    @Option(help: ArgumentHelp("Another host of the policy than this one.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp("Begin no move after so many seconds.", valueName: "seconds"))
    var within = 3600

    @Flag(help: "Say what would be moved where, and move nothing.")
    var dryRun = false

    func validate() throws {
        guard (1...86400).contains(within) else {
            throw ValidationError("--within is from 1 to 86400 seconds")
        }
    }

    func run() throws {
        let end = Clock.monotonic() + UInt64(within) * 1_000_000_000
        let policy = try PlacementPolicy.read(at: placement.policy)
        let leaving = try host ?? Self.status(at: nil, agent)["host"]?.string ?? ""
        var survey = try PlacementSurvey(policy, leaving: leaving, agent: agent.agent)
        survey.take(try placement.edges(policy))
        // Others are not what was asked for.
        var question = survey.question
        question.limit = 0
        let answer = try SchedulerProgram.ask(policy, question)
        for remark in survey.remarks { Diagnostics.say(remark) }
        let moves = PlacementMoves(policy: policy, question: question, agent: agent)
        let outcomes =
            dryRun
            ? answer.placements.map { PlacementMoves.Outcome(placement: $0, from: moves.host(of: $0.move)) }
            : moves.run(answer.placements, until: end)
        let placed = Set(answer.placements.map(\.move))
        let unplaced = question.moves.filter { $0.host == leaving && !placed.contains($0.name) }
        let text = PlacementText(question: question, outcomes: outcomes, isDone: !dryRun)
        if dryRun {
            try write(text, unplaced.map { "\($0.name.printable): the scheduler has no place for it" })
            if !unplaced.isEmpty { throw ExitCode(ExitStatus.negative) }
            return
        }
        let stayed = try what(stays: leaving, policy)
        try write(text, stayed)
        if !stayed.isEmpty { throw ExitCode(ExitStatus.negative) }
    }

    /// What the agent sees there now: the moves are not taken at their word.
    private func what(stays leaving: String, _ policy: PlacementPolicy) throws -> [String] {
        guard let place = policy.place(of: leaving) else { return [] }
        var quick = policy
        quick.seconds = 0.1
        quick.hosts = policy.hosts.filter { $0.place.host == leaving }
        var found = try PlacementSurvey(quick, agent: agent.agent).question.moves.map {
            "\($0.name.printable) stayed: \($0.processes) processes"
        }
        let status = try Self.status(at: place, agent)
        for arrival in status["arrivals"]?.array ?? [] where arrival["home"] == .boolean(true) {
            let name = arrival["name"]?.string ?? ""
            if !policy.moves.contains(where: { $0.name == name }) {
                found.append("\(name.printable) was moved here, and the policy does not name it")
            }
        }
        for departure in status["departures"]?.array ?? [] {
            let (name, state) = (departure["name"]?.string ?? "", departure["state"]?.string ?? "")
            if state != "open" && state != "moved" {
                found.append("the move \(name.printable) is under way: it is \(state.printable)")
            }
        }
        return found
    }

    private static func status(at place: HostPlace?, _ agent: AgentOptions) throws -> JSONValue {
        try MoveStatusCommand.ask(agent, place.map { [.init("at", $0.value)] } ?? [])
    }

    private func write(_ text: PlacementText, _ stayed: [String]) throws {
        if agent.isJSON {
            guard case .object(let members) = text.value else { return }
            return try MoveAnswers.write(
                json: .object(members + [.init("stayed", .array(stayed.map { .string($0) }))]))
        }
        var lines = text.outcomes.isEmpty ? "" : text.text
        lines += stayed.map { $0 + "\n" }.joined()
        if stayed.isEmpty, text.isDone { lines += "the host is empty\n" }
        try Output.standard.write(lines)
    }
}
