import Glibc
import SystemCalls

/// What the time goes to while clients are held, in the agent's log: `--timeline`.
///
/// A line has the end of a part by the monotonic clock, which hosts of one laboratory share, how long it took, both in
/// microseconds, and what it was.
enum Timeline {
    // Set once, before any thread is started.
    nonisolated(unsafe) static var isKept = false

    /// Now, for `end`; 0 where nothing is kept.
    static func begin() -> UInt64 { isKept ? Clock.monotonic() : 0 }

    /// Says that a part has ended.
    static func end(_ begin: UInt64, _ part: @autoclosure () -> String) {
        guard isKept else { return }
        let now = Clock.monotonic()
        let line = Array("timeline \(now / 1_000) \((now - begin) / 1_000) \(part())\n".utf8)
        _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }
}
