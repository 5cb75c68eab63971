/// How many events of a source are borne: when they are too many, fewer are let through for a while, the longer the more
/// often it happens.
public struct EventPace: Sendable {
    /// What is to be done now.
    public enum Change: Sendable {
        /// Fewer events are to be let through, until `retryTime`.
        case fewer
        /// All are to be let through again.
        case all
    }

    /// Events a second that are borne, and at once.
    private let mostInSecond: Double
    private let mostAtOnce: Double
    /// Events that may come before they are too many.
    private var room: Double
    private var lastDrain: UInt64 = 0
    private var pause: UInt64 = 0
    /// When all are to be let through again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    public private(set) var retryTime: UInt64?

    /// How long fewer come, the first time and at most, nanoseconds.
    private static let shortestPause: UInt64 = 5_000_000_000
    private static let longestPause: UInt64 = 300_000_000_000

    /// - Parameters:
    ///   - mostInSecond: events a second that are borne for ever.
    ///   - mostAtOnce: events beyond these that are borne once.
    public init(mostInSecond: Double = 2000, mostAtOnce: Double = 2000) {
        (self.mostInSecond, self.mostAtOnce) = (mostInSecond, mostAtOnce)
        room = mostAtOnce
    }

    /// Takes in how many have come since the last call.
    ///
    /// - Parameter now: `CLOCK_MONOTONIC`, nanoseconds.
    /// - Returns: what is to be done now; `all` until `widened` says that it was.
    public mutating func take(_ events: UInt64, now: UInt64) -> Change? {
        let passed = Double(now &- min(lastDrain, now)) / 1e9
        lastDrain = now
        room = min(room + passed * mostInSecond, mostAtOnce) - Double(events)
        if let retryTime { return now >= retryTime ? .all : nil }
        guard room < 0 else {
            if room == mostAtOnce { pause = 0 }
            return nil
        }
        pause = min(max(pause * 2, Self.shortestPause), Self.longestPause)
        retryTime = now &+ pause
        return .fewer
    }

    /// All are let through again; or that failed, and is tried again later.
    public mutating func widened(_ isDone: Bool, now: UInt64) {
        retryTime = isDone ? nil : now &+ pause
        if isDone { room = mostAtOnce }
    }
}
