/// Why a server did not do what was asked; each describes itself in the server's words.
public enum PostgreSQLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No connection, or none any more: to be tried again.
    case unreachable(String)
    /// The server refused a statement; `state` is its SQLSTATE, five letters and digits.
    case refused(state: String, message: String)
    /// What came back is not what was asked for.
    case unexpected(String)

    /// A sentence for a person, without a full stop.
    public var description: String {
        switch self {
        case .unreachable(let message): "the fleet's store cannot be reached: \(message)"
        case .refused(let state, let message):
            switch state {
            case "53100": "the disk of the fleet's store is full: \(message)"
            case "42501": "the fleet's store does not let this role do that: \(message)"
            case "3F000", "42P01":
                "the fleet's store has no tables of Retinue's; make them with retinue fleet migrate: \(message)"
            default: "the fleet's store says: \(message) (SQLSTATE \(state))"
            }
        case .unexpected(let message): "the fleet's store answers otherwise than expected: \(message)"
        }
    }

    /// Whether the same may succeed later without anybody having changed it: classes 08 (connection), 40 (rollback of a
    /// transaction), 53 (resources) and 57 (shut down, starts) of Appendix A of PostgreSQL's manual.
    public var isPassing: Bool {
        switch self {
        case .unreachable: true
        case .refused(let state, _): ["08", "40", "53", "57"].contains { state.hasPrefix($0) }
        case .unexpected: false
        }
    }
}
