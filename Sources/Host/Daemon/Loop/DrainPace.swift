/// When the loop drains: adaptive, as network cards are polled (NAPI).
///
/// While nothing happens the sources are in the wait queue and the loop sleeps. The first event takes them out, so
/// that further ones cost the programs that cause them no wake-up, and a timer lets batches gather. The first
/// batch that comes back empty puts them in again.
struct DrainPace {
    /// What the loop has to do next.
    enum Action: Equatable {
        /// Nothing: it is asleep already, or the timer runs.
        case none
        /// Take the sources out of the wait queue and start the timer.
        case leaveWaitQueue
        /// Start the timer again.
        case rearm
        /// Put the sources into the wait queue and sleep.
        case joinWaitQueue
    }

    /// Whether batches are drained on the timer.
    private(set) var isBusy = false
    /// When the last drain ended, `CLOCK_MONOTONIC`, nanoseconds; 0 before the first.
    private var lastDrain: UInt64 = 0
    /// The longest time between two drains while events flowed, nanoseconds.
    private(set) var longestPause: UInt64 = 0

    /// The first event after a time without.
    mutating func eventArrived() -> Action {
        guard !isBusy else { return .none }
        isBusy = true
        lastDrain = 0
        return .leaveWaitQueue
    }

    /// Notes that a drain began at this time.
    mutating func drainBegan(_ now: UInt64) {
        if isBusy, lastDrain != 0, now > lastDrain { longestPause = max(longestPause, now - lastDrain) }
    }

    /// A drain has ended; `isIdle` if nothing had happened and nothing waits.
    mutating func drainEnded(_ now: UInt64, isIdle: Bool) -> Action {
        lastDrain = now
        guard isBusy else { return .none }
        guard isIdle else { return .rearm }
        isBusy = false
        lastDrain = 0
        return .joinWaitQueue
    }
}
