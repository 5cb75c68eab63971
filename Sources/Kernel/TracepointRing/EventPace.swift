/// How many events of a source are borne: when they are too many, fewer are let through for a while, the longer the more
/// often it happens.
struct EventPace {
    /// What is to be done now.
    enum Change {
        case fewer, all
    }

    /// Events that may come before they are too many.
    private var room = Self.mostAtOnce
    private var lastDrain: UInt64 = 0
    private var pause: UInt64 = 0
    /// When all are to be let through again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    private(set) var retryTime: UInt64?

    /// Events a second that are borne, and at once.
    private static let mostInSecond = 2000.0
    private static let mostAtOnce = 2000.0
    /// How long fewer come, the first time and at most, nanoseconds.
    private static let shortestPause: UInt64 = 5_000_000_000
    private static let longestPause: UInt64 = 300_000_000_000

    /// Takes in how many have come since the last call.
    mutating func take(_ events: UInt64, now: UInt64) -> Change? {
        let passed = Double(now &- min(lastDrain, now)) / 1e9
        lastDrain = now
        room = min(room + passed * Self.mostInSecond, Self.mostAtOnce) - Double(events)
        if let retryTime { return now >= retryTime ? .all : nil }
        guard room < 0 else {
            if room == Self.mostAtOnce { pause = 0 }
            return nil
        }
        pause = min(max(pause * 2, Self.shortestPause), Self.longestPause)
        retryTime = now &+ pause
        return .fewer
    }

    /// All are let through again; or that failed, and is tried again later.
    mutating func widened(_ isDone: Bool, now: UInt64) {
        retryTime = isDone ? nil : now &+ pause
        if isDone { room = Self.mostAtOnce }
    }
}
