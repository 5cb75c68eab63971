import CLinux
import Glibc

/// A descriptor by which one thread tells another's poller that there is something to do.
/// The corresponding C function is `eventfd`.
public struct EventDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Creates it, not readable.
    public init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try systemCall("eventfd") { clinux_eventfd() })
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Makes it readable.
    public borrowing func raise() {
        var one: UInt64 = 1
        // Full can only be what is readable anyway.
        _ = write(descriptor.number, &one, 8)
    }

    /// Takes note of it, so that it is no longer readable.
    public borrowing func acknowledge() {
        var count: UInt64 = 0
        _ = read(descriptor.number, &count, 8)
    }
}
