import Placement
import Records
import Text

/// What is, or would be, placed elsewhere, for people and as `retinue-placements/1`.
struct PlacementText {
    let question: PlacementQuestion
    let outcomes: [PlacementMoves.Outcome]
    /// Whether it was done.
    let isDone: Bool

    private var bytes: (before: UInt64, after: UInt64) {
        let moved = outcomes.filter { $0.failure == nil }.map { ($0.placement.move, $0.placement.host) }
        return (
            question.bytesBetweenHosts(),
            question.bytesBetweenHosts(with: Dictionary(moved) { first, _ in first })
        )
    }

    var text: String {
        var text = ""
        for outcome in outcomes {
            let placement = outcome.placement
            text += "\(placement.move.printable): \(outcome.from.printable) -> \(placement.host.printable)"
            text += placement.reason.isEmpty ? "\n" : ": \(placement.reason.printable)\n"
            if let failure = outcome.failure { text += "  it was not moved: \(failure.printableOnce)\n" }
        }
        guard !outcomes.isEmpty else { return "nothing had better run elsewhere\n" }
        let (before, after) = bytes
        if before != after {
            text +=
                "between hosts: \(Quantity.bytes(before)) of those recorded, \(Quantity.bytes(after)) \(isDone ? "now" : "then")\n"
        }
        return isDone ? text : text + "nothing was moved: --go does it\n"
    }

    var value: JSONValue {
        let (before, after) = bytes
        return .object([
            .init("schema", .string("retinue-placements/1")), .init("done", .boolean(isDone)),
            .init("placements", .array(outcomes.map(\.value))),
            .init("bytes_between_hosts", .integer(Int128(before))),
            .init("bytes_between_hosts_then", .integer(Int128(after))),
        ])
    }
}
