import Glibc
import Records
import SystemCalls

/// How far a long piece of work has come: a line on stderr that is written over and goes away at the end.
///
/// Shown only where stderr is a terminal, and only once the work has taken a second.
struct Progress: ~Copyable {
    /// Nanoseconds before it is shown, and between two looks of it.
    static let patience: UInt64 = 1_000_000_000
    static let pause: UInt64 = 200_000_000

    private let what: String
    /// Bytes to be done; 0 where that is not known.
    private let total: UInt64
    private let isShown: Bool
    private let start: UInt64
    private var next: UInt64
    private let clock: () -> UInt64
    private let write: (String) -> Void
    private var isOnScreen = false

    /// Starts to measure; `what` and `total` are those of a sentence: "list: 40 %".
    init(
        _ what: String, total: UInt64, isShown: Bool = isatty(2) == 1,
        clock: @escaping () -> UInt64 = Clock.monotonic, write: @escaping (String) -> Void = Diagnostics.write
    ) {
        self.what = what
        self.total = total
        self.isShown = isShown
        self.clock = clock
        self.write = write
        start = clock()
        next = start + Self.patience
    }

    deinit {
        if isOnScreen { write("\r\u{1b}[K") }
    }

    /// Says how many bytes are done, and more in words of the work.
    mutating func update(_ done: UInt64, _ detail: () -> String) {
        guard isShown else { return }
        let now = clock()
        guard now >= next else { return }
        next = now + Self.pause
        isOnScreen = true
        write("\r\u{1b}[K" + line(done, seconds: Double(now - start) / 1e9, detail()))
    }

    private func line(_ done: UInt64, seconds: Double, _ detail: String) -> String {
        let far: String
        if total == 0 {
            far = Quantity.bytes(done)
        } else {
            let part = min(Double(done) / Double(total), 1)
            far = "\(Int(part * 100)) %"
        }
        let rate = seconds > 0 ? Quantity.bytes(UInt64(Double(done) / seconds)) + "/s" : ""
        return "\(what): " + [far, rate, detail].filter { !$0.isEmpty }.joined(separator: ", ")
    }
}
