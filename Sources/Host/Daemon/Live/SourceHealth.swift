import SystemCalls

/// Whether a source can be read, and when one that cannot is tried again.
///
/// One failure is a loss and no more. A source that fails again and again is a named degraded mode: it is left
/// alone for a second, then twice as long each time, up to a minute.
struct SourceHealth {
    /// Failures one after the other that are taken for chance.
    static let patience = 3
    /// The first and the longest pause, nanoseconds.
    static let firstPause: UInt64 = 1_000_000_000
    static let longestPause: UInt64 = 60_000_000_000

    private var failures = 0
    private var retry: UInt64 = 0
    private var pause: UInt64 = 0
    private var error: SystemError?

    /// Whether it has failed more often than chance explains, so that it has to be opened anew.
    var isFailing: Bool { failures >= Self.patience }

    /// Why it is given up for now; `nil` while it works.
    var sentence: String? { isFailing ? error.map { "\($0); it is opened anew from time to time" } : nil }

    /// Whether it is to be read at this moment (`CLOCK_MONOTONIC`).
    func mayTry(_ now: UInt64) -> Bool { now >= retry }

    /// Notes that it could be read.
    mutating func works() { self = SourceHealth() }

    /// Notes that it could not.
    mutating func failed(_ error: SystemError, at now: UInt64) {
        failures += 1
        self.error = error
        guard isFailing else { return }
        pause = pause == 0 ? Self.firstPause : min(pause * 2, Self.longestPause)
        retry = now + pause
    }
}
