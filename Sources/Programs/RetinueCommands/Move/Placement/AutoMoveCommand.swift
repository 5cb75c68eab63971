import ArgumentParser
import MovePlan
import Placement
import Records

/// Which placement policy, and what talked to what.
struct PlacementOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The placement policy (docs/placement.md).", valueName: "file"),
        completion: .file())
    var policy = PlacementPolicy.standardPath

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Dumps, stores and lists, which say what talked to what.", valueName: "file"),
        completion: .file())
    var from: [String] = []

    /// What talked to what, of records that are named.
    func edges(_ policy: PlacementPolicy) throws -> [PlacementQuestion.Edge] {
        guard !from.isEmpty else { return [] }
        let options = try GroupOptions.parse(["--from"] + from)
        let parts = try policy.moves.map { move in
            let plan = try PlanFile.read(at: move.plan)
            return (name: move.name, plan: plan.hosts[try plan.position(ofHost: move.host)])
        }
        return PlacementEdges(try options.graph(), parts).edges(hosts: policy.hosts.map(\.place.host))
    }
}

struct AutoMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auto",
        abstract: "Ask a scheduler what had best run elsewhere, and with --go move it.",
        discussion: """
            The agents of a policy's hosts measure load; a scheduler, which is a program that the policy names, gets that and \
            the traffic of records as JSON and answers with placements. It is read anew each time: no agent is \
            restarted for another one. Other hosts' agents obey this one's host (retinue-agent --obey).

            Exit status: 0 nothing was to be done, or everything was; 1 a move failed, and its programs are where they were; \
            2 bad input; 3 the agent cannot be reached.
            """)

    @OptionGroup var placement: PlacementOptions
    @OptionGroup var agent: AgentOptions

    @Flag(help: "Move what the scheduler names; without it that is printed.")
    var go = false

    @Flag(help: "Print what the scheduler would be asked, and ask nobody.")
    var question = false

    func run() throws {
        let policy = try PlacementPolicy.read(at: placement.policy)
        var survey = try PlacementSurvey(policy, agent: agent.agent)
        survey.take(try placement.edges(policy))
        if question { return try MoveAnswers.write(json: survey.question.value) }
        let answer = try SchedulerProgram.ask(policy, survey.question)
        for remark in survey.remarks { Diagnostics.say(remark) }
        let moves = PlacementMoves(policy: policy, question: survey.question, agent: agent)
        let outcomes =
            go
            ? moves.run(answer.placements)
            : answer.placements.map { .init(placement: $0, from: moves.host(of: $0.move)) }
        let text = PlacementText(question: survey.question, outcomes: outcomes, isDone: go)
        if agent.isJSON {
            try MoveAnswers.write(json: text.value)
        } else {
            try Output.standard.write(text.text)
        }
        if outcomes.contains(where: { $0.failure != nil }) { throw ExitCode(ExitStatus.negative) }
    }
}
