import MovePlan
import Placement
import Records

/// What the agents of a policy's hosts report of load, as a question to a scheduler.
struct PlacementSurvey {
    private(set) var question = PlacementQuestion()
    /// What is left out of it, and why.
    private(set) var remarks: [String] = []

    /// Measures all hosts at the same time. Of one that does not answer nothing is known, and nothing goes there.
    ///
    /// - Parameter leaving: the host that is to be empty.
    init(_ policy: PlacementPolicy, leaving: String? = nil, agent: String) throws {
        question.limit = policy.limit
        question.gain = policy.gain
        let orders = JSONValue.array(
            try policy.moves.map { try policy.order($0, to: $0.hosts.first ?? policy.hosts[0].place.host) })
        // One that is not there is known only by its answer: all of them are asked by the agent of this host.
        let waiting = try policy.hosts.map { host in
            try AgentQuestion(
                .object([
                    .init("verb", .string("load")), .init("at", host.place.value), .init("orders", orders),
                    .init("milliseconds", .integer(Int128(policy.seconds * 1000))),
                ]), agent)
        }
        var places: [String: [(host: String, measured: JSONValue)]] = [:]
        for (host, asked) in zip(policy.hosts, waiting) {
            let answer: JSONValue
            do { answer = try asked.answer() } catch let failure as Failure where host.place.host != leaving {
                remarks.append("\(failure.message): nothing goes there")
                continue
            }
            var known = try Self.read { () throws(PlacementFlaw) in try PlacementQuestion.Host(answer) }
            known.name = host.place.host
            if let processors = host.processors { known.processors = processors }
            known.isLeaving = known.name == leaving
            question.hosts.append(known)
            if case .double(let seconds) = answer["seconds"] {
                question.seconds = max(question.seconds, seconds)
            }
            for measured in answer["moves"]?.array ?? [] where measured["processes"]?.integer ?? 0 > 0 {
                places[measured["move"]?.string ?? "", default: []].append((known.name, measured))
            }
        }
        if question.hosts.isEmpty {
            throw Failure("no host of the policy answers", status: ExitStatus.unreachable)
        }
        if let leaving, !question.hosts.contains(where: { $0.name == leaving }) {
            throw Failure("the policy has no host \(leaving.printable)", status: ExitStatus.badInput)
        }
        for move in policy.moves {
            let found = places[move.name] ?? []
            guard found.count == 1 else {
                remarks.append(
                    found.isEmpty
                        ? "\(move.name.printable) runs at none of the hosts that answered: it is left alone"
                        : "\(move.name.printable) runs at \(found.map(\.host).joined(separator: " and ")): it is left alone"
                )
                continue
            }
            var known = PlacementQuestion.Move(move.name, at: found[0].host)
            known.may = move.hosts.filter { host in question.hosts.contains { $0.name == host } }
            try Self.read { () throws(PlacementFlaw) in try known.measure(found[0].measured) }
            question.moves.append(known)
        }
    }

    /// Adds what talked to what.
    mutating func take(_ edges: [PlacementQuestion.Edge]) { question.edges = edges }

    private static func read<Result>(_ body: () throws(PlacementFlaw) -> Result) throws -> Result {
        do throws(PlacementFlaw) { return try body() } catch {
            throw Failure("an agent reported what is no load: \(error)")
        }
    }
}

/// A request on a connection of its own, so that several agents work at the same time.
private final class AgentQuestion {
    private var client: AgentClient

    init(_ request: JSONValue, _ path: String) throws {
        client = try AgentClient(path)
        try client.send(request)
    }

    func answer() throws -> JSONValue { try client.answer { _ in } }
}
