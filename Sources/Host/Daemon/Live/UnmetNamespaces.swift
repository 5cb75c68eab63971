/// Mount namespaces that were gone before they could be entered: what was opened there on filesystems of their own was reported
/// by nobody.
///
/// A process that was reported in a namespace may have ended while others live there, and one of these is met a moment later, by a
/// report or by a look. The number of a namespace that has ended is given to the next one, often at once. So one counts when nobody
/// was met in it for a while, or when nobody is met in that number again. What ends within `patience` under a number
/// that another one has counts with that, or is met as that: there are at least so many.
struct UnmetNamespaces {
    /// Since when nobody is met in each, `CLOCK_MONOTONIC`, nanoseconds.
    private var waiting: [UInt64: UInt64] = [:]
    private var gone: UInt64 = 0

    /// How long somebody may yet be met, nanoseconds.
    static let patience: UInt64 = 100_000_000

    /// Notes that nobody of those that were reported in a namespace is there any longer, and that nobody was met in it before.
    ///
    /// - Returns: whether that was so when others were reported in it: then somebody may stay there who starts them.
    mutating func miss(_ namespace: UInt64, at now: UInt64) -> Bool {
        guard let since = waiting[namespace] else {
            if waiting.count >= OtherMountNamespaces.most { count(at: .max) { _ in false } }
            waiting[namespace] = now
            return false
        }
        if now >= since + Self.patience {
            gone += 1
            waiting[namespace] = now
        }
        return true
    }

    /// Notes that somebody was met in a namespace.
    ///
    /// - Parameter isKnown: whether somebody was met in it before.
    mutating func meet(_ namespace: UInt64, at now: UInt64, isKnown: Bool = false) {
        guard let since = waiting.removeValue(forKey: namespace), !isKnown else { return }
        if now >= since + Self.patience { gone += 1 }
    }

    /// How many there were.
    ///
    /// - Parameters:
    ///   - now: `CLOCK_MONOTONIC`, nanoseconds.
    ///   - isKnown: whether somebody was met in a namespace.
    @discardableResult mutating func count(at now: UInt64, isKnown: (UInt64) -> Bool) -> UInt64 {
        for (namespace, since) in waiting {
            if isKnown(namespace) {
                waiting[namespace] = nil
            } else if now >= since.addingReportingOverflow(Self.patience).partialValue {
                waiting[namespace] = nil
                gone += 1
            }
        }
        return gone
    }
}
