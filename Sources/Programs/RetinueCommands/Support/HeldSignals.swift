import Glibc

/// Holds back the signals that end the program, so that what was begun can be taken back first.
///
/// They are looked at where the program waits; what is ignored, as under nohup, stays so. The end of a child ends a wait.
final class HeldSignals {
    /// One of them came.
    struct Interrupted: Error {
        let signal: Int32

        /// Ends the program as the signal would have, which a shell expects.
        func die() -> Never {
            Glibc.signal(signal, SIG_DFL)
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, signal)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            raise(signal)
            exit(128 + signal)
        }
    }

    private var awaited = sigset_t()
    private var before = sigset_t()
    private var came: Int32?

    init() {
        sigemptyset(&awaited)
        sigaddset(&awaited, SIGCHLD)
        for number in Self.ending { sigaddset(&awaited, number) }
        pthread_sigmask(SIG_BLOCK, &awaited, &before)
    }

    deinit { pthread_sigmask(SIG_SETMASK, &before, nil) }

    /// Those that end the program. A signal that is blocked is kept even where it is ignored, and such a one is not among them.
    static var ending: [Int32] {
        [SIGINT, SIGTERM, SIGHUP].filter { number in
            var action = sigaction()
            return sigaction(number, nil, &action) == 0 && !isIgnored(action)
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }

    /// Does not wait: sees whether one came while the program worked.
    func check() throws(Interrupted) {
        // The end of a child may stand before it.
        for _ in 0..<2 { try wait(0) }
    }

    /// Waits until a child has ended, or for some time, nanoseconds.
    ///
    /// - Throws: `Interrupted`, at once if a signal came before.
    func wait(_ nanoseconds: Int) throws(Interrupted) {
        if let came { throw Interrupted(signal: came) }
        var time = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        let number = sigtimedwait(&awaited, nil, &time)
        guard number > 0, number != SIGCHLD else { return }
        came = number
        throw Interrupted(signal: number)
    }
}
