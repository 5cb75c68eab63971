import Records

/// One thing of one process that rules out a livelier way for its program to move.
struct Obstacle: Equatable {
    /// What is ruled out.
    enum Way: String {
        case live
        case handover = "hand-over"
    }

    /// What becomes of it: the way ends with an error, or it is missing afterwards and nobody says so.
    enum Effect: String {
        case refused, lost
    }

    /// Where in the process it is.
    enum Place: Equatable {
        case descriptor(Int32)
        case memory
        case attribute
    }

    /// Kinds of which a move may go on without what is lost, where a person says so. A connection is none: it would not be restored.
    static let lostKinds = ["pipe", "shared-memory", "waiting-datagrams", "multicast", "personality"]

    var rulesOut: Way
    var effect: Effect
    var pid: Int32
    var place: Place
    /// A word that does not change: `unix-socket`.
    var kind: String
    /// What it is, for people.
    var what: String
    /// Which process, and where, is at its other end; `nil` where there is none, or none is known.
    var peer: String?
    /// What can be done about it.
    var cure: String
    /// How many there are alike.
    var count = 1

    /// Equal ones as one each, with their count, in the order of the first; no more than some, and how many are left out.
    static func folded(_ obstacles: [Obstacle], most: Int) -> (kept: [Obstacle], omitted: Int) {
        struct Key: Hashable { var words: [String?] }
        var positions: [Key: Int] = [:]
        var kept: [Obstacle] = []
        for obstacle in obstacles {
            let key = Key(words: [
                obstacle.rulesOut.rawValue, obstacle.effect.rawValue, obstacle.kind, obstacle.what,
                obstacle.peer,
                obstacle.cure,
            ])
            if let position = positions[key] {
                kept[position].count += obstacle.count
            } else {
                positions[key] = kept.count
                kept.append(obstacle)
            }
        }
        let omitted = kept.dropFirst(most).reduce(0) { $0 + $1.count }
        return (Array(kept.prefix(most)), omitted)
    }

    var value: JSONValue {
        let (name, number): (String, JSONValue) =
            switch place {
            case .descriptor(let number): ("descriptor", .integer(Int128(number)))
            case .memory: ("memory", .null)
            case .attribute: ("attribute", .null)
            }
        return .object([
            .init("rules_out", .string(rulesOut.rawValue)), .init("effect", .string(effect.rawValue)),
            .init("pid", .integer(Int128(pid))), .init("place", .string(name)),
            .init("descriptor", number), .init("kind", .string(kind)), .init("what", .string(what)),
            .init("peer", peer.map { .string($0) } ?? .null), .init("cure", .string(cure)),
            .init("count", .integer(Int128(count))),
        ])
    }
}
