import Records
import SystemCalls

/// How long each phase of a command took.
struct PhaseTimes {
    private var last = Clock.monotonic()
    private var phases: [(name: String, nanoseconds: UInt64)] = []

    /// Ends a phase.
    mutating func end(_ name: String) {
        let now = Clock.monotonic()
        phases.append((name, now - last))
        last = now
    }

    /// `read 24.1 ms, closure 3.9 ms`.
    var text: String {
        phases.map { "\($0.name) \(Quantity.decimal(Double($0.nanoseconds) / 1e6)) ms" }.joined(
            separator: ", ")
    }
}
