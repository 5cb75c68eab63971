/// When to look again at what may have been looked at too early: after a millisecond, and each time after twice as long,
/// until some two seconds have passed.
struct LaterLook: Equatable, Sendable {
    /// When the next look is due, `CLOCK_MONOTONIC`, nanoseconds; `UInt64.max` after the last.
    private(set) var moment: UInt64 = 0
    private var pause: UInt64 = 1_000_000

    private static let longest: UInt64 = 1_024_000_000

    /// Goes on to the next look.
    mutating func advance(_ now: UInt64) {
        if pause > Self.longest {
            moment = .max
        } else {
            moment = now + pause
            pause *= 2
        }
    }
}
