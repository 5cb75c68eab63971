import CLinux
import Glibc

/// A counter that one thread adds to and another polls. The corresponding C function is `eventfd`.
public struct EventDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Makes one that is not readable.
    public init() throws(SystemError) {
        let number = try systemCall("eventfd") { eventfd(0, Int32(clinux_EFD_CLOEXEC | clinux_EFD_NONBLOCK)) }
        descriptor = FileDescriptor(owning: number)
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Makes it readable. Never waits: a counter that is full is readable already.
    public borrowing func signal() {
        var one: UInt64 = 1
        _ = write(descriptor.number, &one, 8)
    }

    /// Makes it unreadable until the next signal.
    public borrowing func acknowledge() {
        var count: UInt64 = 0
        _ = read(descriptor.number, &count, 8)
    }
}
