import Glibc
import Records
import Synchronization
import SystemCalls

/// How far a long piece of work has come: a line on stderr that is written over and goes away at the end.
///
/// Shown only where stderr is a terminal, and only once the work has taken a second.
struct Progress: ~Copyable {
    /// Nanoseconds before it is shown, and between two refreshes of it.
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

/// Ctrl-C leaves nothing behind: files that are written aside are removed when SIGINT, SIGTERM or SIGHUP
/// ends the program.
///
/// The handler does what a handler may (unlink, signal, raise) and nothing else; the program then dies
/// of the same signal, as a shell expects. A signal that is ignored, as under nohup, stays so.
enum Interruption {
    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    /// More files than any command writes at once.
    private static let room = 64

    /// Addresses of paths as C strings; 0 is free. Never given back: the handler may look at it any time.
    nonisolated(unsafe) private static let paths: UnsafeMutablePointer<Atomic<UInt>> = {
        let paths = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: room)
        for index in 0..<room { (paths + index).initialize(to: Atomic(0)) }
        return paths
    }()

    private static let isInstalled: Bool = {
        // Made now: a handler must not be the first to ask for them.
        _ = paths
        for number in signals {
            // What is no default is somebody's wish. Asked, and never ignored for a moment: that would throw away a signal
            // that somebody holds back.
            var before = sigaction()
            guard sigaction(number, nil, &before) == 0,
                unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == 0
            else { continue }
            signal(number, Interruption.handle)
        }
        return true
    }()

    private static let handle: @convention(c) (Int32) -> Void = { number in
        for index in 0..<Interruption.room {
            let address = Interruption.paths[index].load(ordering: .acquiring)
            if let path = UnsafePointer<CChar>(bitPattern: address) { unlink(path) }
        }
        signal(number, SIG_DFL)
        // Blocked while this runs, delivered as it returns.
        raise(number)
    }

    /// Makes a file and has it removed should the program be interrupted, until `body` is done; then it is
    /// `body`'s to have renamed or removed it.
    ///
    /// - Parameters:
    ///   - path: the file that `make` makes.
    ///   - make: not interrupted: a file that was there before and makes it fail is never removed.
    static func removing<Made: ~Copyable>(
        _ path: String, make: () throws -> Made, _ body: (borrowing Made) throws -> Void
    ) throws {
        var before = hold()
        let made: Made
        let entry: Entry
        do {
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            made = try make()
            entry = Entry(path)
        }
        defer { entry.remove() }
        try body(made)
    }

    /// Holds the signals back, and gives what was held back before.
    private static func hold() -> sigset_t {
        _ = isInstalled
        var waiting = sigset_t()
        var before = sigset_t()
        sigemptyset(&waiting)
        for number in signals { sigaddset(&waiting, number) }
        pthread_sigmask(SIG_BLOCK, &waiting, &before)
        return before
    }

    /// A path in the table.
    private struct Entry {
        private var index: Int?
        private let text: UnsafeMutablePointer<CChar>?

        init(_ path: String) {
            text = strdup(path)
            let address = UInt(bitPattern: text)
            index = (0..<room).first { index in
                paths[index].compareExchange(expected: 0, desired: address, ordering: .acquiringAndReleasing)
                    .exchanged
            }
        }

        func remove() {
            if let index { paths[index].store(0, ordering: .releasing) }
            // The text is not freed: the handler may be reading it on another thread.
        }
    }
}
