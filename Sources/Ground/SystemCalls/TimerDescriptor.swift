import CLinux
import Glibc

/// A one-shot timer on `CLOCK_MONOTONIC` that becomes readable when it expires.
/// The corresponding C functions are `timerfd_create` and `timerfd_settime`.
public struct TimerDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    /// Creates a disarmed timer.
    public init() throws(SystemError) {
        let number = try systemCall("timerfd_create") {
            timerfd_create(CLOCK_MONOTONIC, clinux_TFD_CLOEXEC | clinux_TFD_NONBLOCK)
        }
        descriptor = FileDescriptor(owning: number)
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Lets the timer expire once, so many nanoseconds from now; 0 disarms it.
    public borrowing func arm(nanoseconds: UInt64) throws(SystemError) {
        var value = itimerspec()
        value.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        value.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        let number = number
        _ = try systemCall("timerfd_settime") { timerfd_settime(number, 0, &value, nil) }
    }

    /// Takes note of an expiry, so that the descriptor is no longer readable.
    public borrowing func acknowledge() throws(SystemError) {
        var expirations: UInt64 = 0
        _ = try withUnsafeMutableBytes(of: &expirations) { bytes throws(SystemError) in
            try descriptor.read(into: bytes)
        }
    }
}
