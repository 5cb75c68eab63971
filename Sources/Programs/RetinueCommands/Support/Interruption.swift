import Glibc
import Synchronization

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
        // Made now: a handler must not be the first to ask for it.
        _ = paths
        for number in signals {
            // What is no default is somebody's wish.
            let before = signal(number, SIG_IGN)
            guard before == nil else {
                signal(number, before)
                continue
            }
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
        _ = isInstalled
        var waiting = sigset_t()
        var before = sigset_t()
        sigemptyset(&waiting)
        for number in signals { sigaddset(&waiting, number) }
        pthread_sigmask(SIG_BLOCK, &waiting, &before)
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
