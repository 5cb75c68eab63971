import SystemCalls

/// Pauses between attempts at something that goes on failing: a second, then twice as long each time, up to a minute.
struct BackOff {
    /// The first and the longest pause, nanoseconds.
    static let firstPause: UInt64 = 1_000_000_000
    static let longestPause: UInt64 = 60_000_000_000

    private var pause: UInt64 = 0
    /// When it may be tried again, `CLOCK_MONOTONIC`, nanoseconds; 0 for at once.
    private(set) var retry: UInt64 = 0

    /// Notes that it failed at this moment.
    mutating func failed(at now: UInt64) {
        pause = pause == 0 ? Self.firstPause : min(pause * 2, Self.longestPause)
        retry = now &+ pause
    }
}

/// Whether a source can be read, and when one that cannot is tried again.
///
/// One failure is a loss and no more. A source that fails again and again is a named degraded mode: it is left
/// alone for a while and opened anew.
struct SourceHealth {
    /// Failures one after the other that are taken for chance.
    static let patience = 3

    private var failures = 0
    private var backOff = BackOff()
    /// Why it was given up, and why it is still.
    private var first: SystemError?
    private var last: SystemError?
    /// Since when it is given up, nanoseconds since 1970.
    private(set) var since: UInt64 = 0

    /// Whether it has failed more often than chance explains, so that it has to be opened anew.
    var isFailing: Bool { failures >= Self.patience }

    /// Why it was given up; `nil` while it works. It stays the same as long as it is: a gap has it for its cause.
    var reason: String? { isFailing ? first?.description : nil }

    /// The same for people, with what the last attempt met.
    var sentence: String? {
        guard let reason else { return nil }
        let again = last.map { $0 == first ? "" : " (now \($0))" } ?? ""
        return "\(reason)\(again); it is opened anew from time to time"
    }

    /// When it is to be opened anew, `CLOCK_MONOTONIC`, nanoseconds; `nil` while it works.
    var retryTime: UInt64? { isFailing ? backOff.retry : nil }

    /// Whether it is to be read at this moment (`CLOCK_MONOTONIC`).
    func mayTry(_ now: UInt64) -> Bool { !isFailing || now >= backOff.retry }

    /// Notes that it could be read; returns whether that ends a degraded mode.
    mutating func works() -> Bool {
        guard failures > 0 else { return false }
        defer { self = SourceHealth() }
        return isFailing
    }

    /// Notes that it could not, by both clocks.
    mutating func failed(_ error: SystemError, at now: UInt64, wall: UInt64) {
        let wasFailing = isFailing
        failures = min(failures + 1, Self.patience)
        last = error
        guard isFailing else { return }
        if !wasFailing { (since, first) = (wall, error) }
        backOff.failed(at: now)
    }
}
