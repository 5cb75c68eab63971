import Glibc
import SystemCalls

/// Closes what the kernel takes its time for, such as a packet socket (a grace period, 10 ms and more), while the caller goes on.
enum DeferredClose {
    /// Takes a descriptor over; where no thread can be had it is closed at once.
    static func close(_ number: Int32) {
        do throws(SystemError) { try DetachedThread.start { _ = Glibc.close(number) } } catch {
            _ = Glibc.close(number)
        }
    }
}
