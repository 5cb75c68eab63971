public import Records

/// What a scheduler answers: which programs are to go where. `retinue-placement-answer/1`.
public struct PlacementAnswer: Equatable, Sendable {
    /// The name of the format.
    public static let schema = "retinue-placement-answer/1"

    /// A program's new place.
    public struct Placement: Equatable, Sendable {
        /// Which move.
        public var move: String
        /// To which host.
        public var host: String
        /// Why, for people.
        public var reason: String

        /// A placement.
        public init(_ move: String, to host: String, because reason: String) {
            (self.move, self.host, self.reason) = (move, host, reason)
        }
    }

    /// In the order in which they are to be done.
    public var placements: [Placement] = []

    /// Of placements.
    public init(_ placements: [Placement] = []) { self.placements = placements }

    /// As a tree.
    public var value: JSONValue {
        .object([
            .init("schema", .string(Self.schema)),
            .init(
                "placements",
                .array(
                    placements.map {
                        .object([
                            .init("move", .string($0.move)), .init("to", .string($0.host)),
                            .init("reason", .string($0.reason)),
                        ])
                    })),
        ])
    }

    /// Reads a tree, which may name what the question has, and no more than it asks for: a scheduler is anybody's program.
    public init(_ value: JSONValue, to question: PlacementQuestion) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "the answer")
        try fields.schema(Self.schema)
        let moves = Dictionary(question.moves.map { ($0.name, $0) }) { first, _ in first }
        let leaving = Set(question.hosts.filter(\.isLeaving).map(\.name))
        var counted = 0
        for element in try fields.list("placements") {
            let parts = PlacementFields(element, "a placement")
            let placement = Placement(
                try parts.text("move"), to: try parts.text("to"), because: element["reason"]?.string ?? "")
            guard let move = moves[placement.move] else {
                throw PlacementFlaw("the answer places `\(placement.move)`, which is no move of the policy")
            }
            guard move.may.contains(placement.host) else {
                throw PlacementFlaw(
                    "the answer places `\(move.name)` at \(placement.host), where it may not run")
            }
            guard move.host != placement.host else {
                throw PlacementFlaw("the answer places `\(move.name)` at \(placement.host), where it runs")
            }
            guard !leaving.contains(placement.host) else {
                throw PlacementFlaw(
                    "the answer places `\(move.name)` at \(placement.host), which is to be empty")
            }
            if !leaving.contains(move.host) { counted += 1 }
            placements.append(placement)
        }
        try PlacementFields.unique(placements.map(\.move), "placement of")
        guard counted <= question.limit else {
            throw PlacementFlaw("the answer has \(counted) moves, and \(question.limit) are wanted at most")
        }
    }
}
