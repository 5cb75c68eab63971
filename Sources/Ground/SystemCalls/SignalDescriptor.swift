import CLinux
import Glibc

/// Signals as something to read instead of something that interrupts.
/// The corresponding C functions are `pthread_sigmask` and `signalfd`.
public struct SignalDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    /// Blocks the signals for this thread (and those it starts later) and opens the descriptor.
    public init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        let failure = pthread_sigmask(SIG_BLOCK, &set, nil)
        if failure != 0 { throw SystemError("pthread_sigmask", code: failure) }
        let number = try systemCall("signalfd") {
            signalfd(-1, &set, clinux_SFD_CLOEXEC | clinux_SFD_NONBLOCK)
        }
        descriptor = FileDescriptor(owning: number)
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// The next pending signal, or `nil`.
    public borrowing func next() throws(SystemError) -> Int32? {
        var information = signalfd_siginfo()
        let count = try withUnsafeMutableBytes(of: &information) { bytes throws(SystemError) in
            try descriptor.read(into: bytes)
        }
        return count == nil ? nil : Int32(information.ssi_signo)
    }
}
