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

    /// The first event after a time without.
    mutating func eventArrived() -> Action {
        guard !isBusy else { return .none }
        isBusy = true
        return .leaveWaitQueue
    }

    /// A drain has ended; `isIdle` if nothing had happened and nothing waits.
    mutating func drainEnded(isIdle: Bool) -> Action {
        guard isBusy else { return .none }
        guard isIdle else { return .rearm }
        isBusy = false
        return .joinWaitQueue
    }
}
