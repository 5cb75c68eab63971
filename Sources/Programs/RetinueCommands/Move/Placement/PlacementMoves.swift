import Placement
import Records
import SystemCalls

/// Does what a scheduler has answered: one move after the other, each by the agent of the host where the programs are.
struct PlacementMoves {
    let policy: PlacementPolicy
    let question: PlacementQuestion
    let agent: AgentOptions

    /// What came of a placement.
    struct Outcome {
        var placement: PlacementAnswer.Placement
        var from: String
        /// `nil` where it was done.
        var failure: String?

        var value: JSONValue {
            .object([
                .init("move", .string(placement.move)), .init("from", .string(from)),
                .init("to", .string(placement.host)), .init("reason", .string(placement.reason)),
                .init("failure", failure.map { .string($0) } ?? .null),
            ])
        }
    }

    /// Where a move's programs are.
    func host(of move: String) -> String { question.moves.first { $0.name == move }?.host ?? "" }

    /// Does all of them; one that fails is at its source, as ever, and the others are done all the same.
    ///
    /// - Parameter end: by the monotonic clock; none is begun after it.
    func run(_ placements: [PlacementAnswer.Placement], until end: UInt64 = .max) -> [Outcome] {
        placements.map { placement in
            var outcome = Outcome(placement: placement, from: host(of: placement.move))
            guard Clock.monotonic() < end else {
                outcome.failure = "there was no time left to begin it"
                return outcome
            }
            do { try run(placement, from: outcome.from) } catch let failure as Failure {
                outcome.failure = failure.message
            } catch { outcome.failure = "\(error)" }
            return outcome
        }
    }

    private func run(_ placement: PlacementAnswer.Placement, from host: String) throws {
        guard let move = policy.moves.first(where: { $0.name == placement.move }),
            let source = policy.place(of: host)
        else { return }
        let order = try policy.order(move, to: placement.host)
        _ = try RunMoveCommand.ask(
            agent, [.init("order", order), .init("at", source.value)], title: placement.move)
    }
}
