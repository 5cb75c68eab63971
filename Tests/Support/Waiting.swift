import Glibc
import SystemCalls

/// Sleeps for so many seconds.
package func pause(seconds: Double) {
    usleep(UInt32(seconds * 1_000_000))
}

/// Asks again and again until there is an answer; `nil` when the time is over.
///
/// The time is patience and never a pass mark: a machine that is busy may take as long as it likes.
package func eventually<Answer>(
    within seconds: Double = 30, every interval: Double = 0.002, _ ask: () throws -> Answer?
) rethrows -> Answer? {
    let end = Clock.monotonic() + UInt64(seconds * 1e9)
    while true {
        if let answer = try ask() { return answer }
        if Clock.monotonic() > end { return nil }
        pause(seconds: interval)
    }
}
