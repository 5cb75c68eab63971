/// Mount namespaces that were gone before they could be entered: what was opened there on filesystems of their own was reported
/// by nobody.
///
/// A process that was reported in a namespace may have ended while others live there, and one of these is met a moment later. The
/// number of a namespace that has ended is given to the next one, often at once. So one counts when nobody was met in it for a while, or
/// when nobody is met in that number again. What ends within `patience` under a number that another one has counts with that, or
/// is met as that: there are at least so many.
struct UnmetNamespaces {
    /// Since when nobody is met in each, `CLOCK_MONOTONIC`, nanoseconds.
    private var waiting: [UInt64: UInt64] = [:]
    private var gone: UInt64 = 0

    /// How long somebody may yet be met, nanoseconds.
    static let patience: UInt64 = 100_000_000

    /// Notes that a process was reported in a namespace, and is there no longer.
    mutating func miss(_ namespace: UInt64, at now: UInt64) {
        if let since = waiting[namespace], now < since + Self.patience { return }
        if waiting.count >= OtherMountNamespaces.most { count(at: .max) }
        if waiting.updateValue(now, forKey: namespace) != nil { gone += 1 }
    }

    /// Notes that somebody was met in a namespace.
    mutating func meet(_ namespace: UInt64, at now: UInt64) {
        guard let since = waiting.removeValue(forKey: namespace) else { return }
        if now >= since + Self.patience { gone += 1 }
    }

    /// How many there were.
    ///
    /// - Parameter now: `CLOCK_MONOTONIC`, nanoseconds.
    @discardableResult mutating func count(at now: UInt64) -> UInt64 {
        let left = waiting.filter { now < $0.value.addingReportingOverflow(Self.patience).partialValue }
        gone += UInt64(waiting.count - left.count)
        waiting = left
        return gone
    }
}
