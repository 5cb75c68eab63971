import Glibc
import Synchronization

/// A descriptor held only to be given up when the process has no other left.
///
/// A listener is readable for as long as a connection waits, and without a descriptor none can be taken: an
/// event loop would be notified of it again and again. With the spare given up it can be taken and let go.
struct SpareDescriptor: ~Copyable {
    /// -1 while there is none.
    private let number = Mutex<Int32>(-1)

    /// Takes a descriptor if there is none yet; a copy of `other`, since that needs nothing else.
    borrowing func hold(copyOf other: Int32) {
        number.withLock { if $0 < 0 { $0 = fcntl(other, F_DUPFD_CLOEXEC, 0) } }
    }

    /// Gives the descriptor up; returns whether there was one.
    borrowing func giveUp() -> Bool {
        number.withLock { number in
            guard number >= 0 else { return false }
            close(number)
            number = -1
            return true
        }
    }

    deinit { _ = giveUp() }
}
