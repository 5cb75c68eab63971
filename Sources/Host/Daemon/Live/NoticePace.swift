import Net
import Observation

/// Whether the notices of TCP sockets' ends are worth what they cost.
///
/// A notice is built by a kernel thread on the processor on which the socket ended: some microseconds for each of a
/// connection's two ends, several times what its changes of state take. It brings the bytes that went over, and nothing else that
/// they do not bring. So where connections are many and short, the daemon leaves the groups in which notices are sent, and
/// comes back when connections are few or nothing happens. Of a connection that ends meanwhile the bytes are a lower bound.
struct NoticePace {
    /// Ends a second that are noticed, however long that goes on: with this many the notices take a hundredth of a
    /// processor.
    static let steady: UInt64 = 2048
    /// Ends beyond these that may gather before the notices are given up.
    static let burst: UInt64 = 8192
    /// Ends a second below which the notices are taken up again: a quarter, so that a rate that wavers changes nothing.
    static let few = steady / 4
    /// How long a rate is measured, and how long the notices stay after a loss, nanoseconds.
    private static let window: UInt64 = 1_000_000_000
    private static let caution: UInt64 = 60_000_000_000

    /// What has to be done.
    enum Step: Equatable { case none, pause, resume }

    /// Whether the notices are given up.
    private(set) var isPaused = false
    /// How often they were.
    private(set) var pauses: UInt64 = 0
    /// Ends that have gathered, times a second's nanoseconds.
    private var level: UInt64 = 0
    private var last: UInt64 = 0
    /// Ends since the measuring began.
    private var counted: UInt64 = 0
    private var began: UInt64 = 0
    private var cautiousUntil: UInt64 = 0
    /// Whether they are to be taken up, and it has not come to that yet.
    private var isOver = false

    /// Notes what a drain has brought.
    ///
    /// - Parameters:
    ///   - ends: connections that ended.
    ///   - isIdle: whether nothing at all has happened.
    ///   - isWhole: whether every change of state is reported: if not, a notice may be all that is known of a connection.
    ///   - now: `CLOCK_MONOTONIC`, nanoseconds.
    mutating func drained(ends: Int, isIdle: Bool, isWhole: Bool, at now: UInt64) -> Step {
        let passed = now > last ? now - last : 0
        last = now
        let leaked = min(passed, 60_000_000_000) * Self.steady
        level = (level > leaked ? level - leaked : 0) + UInt64(ends) * 1_000_000_000
        counted += UInt64(ends)
        if !isWhole { cautiousUntil = now + Self.caution }
        guard isPaused else {
            guard level > Self.burst * 1_000_000_000, now >= cautiousUntil else { return .none }
            return .pause
        }
        if isIdle || !isWhole { isOver = true }
        if now - began >= Self.window {
            if counted * 1_000_000_000 / (now - began) < Self.few { isOver = true }
            (counted, began) = (0, now)
        }
        return isOver ? .resume : .none
    }

    /// Notes that they were given up at this moment.
    mutating func paused(at now: UInt64) {
        isPaused = true
        pauses += 1
        (counted, began) = (0, now)
    }

    /// Notes that they are made again.
    mutating func resumed() {
        (isPaused, isOver) = (false, false)
        level = 0
    }

    /// How many of some changes of state end a connection.
    static func ends(in transitions: [TransitionEvent]) -> Int {
        var count = 0
        for change in transitions
        where change.to == .close && change.from != .synSent && change.from != .listen {
            count += 1
        }
        return count
    }
}
