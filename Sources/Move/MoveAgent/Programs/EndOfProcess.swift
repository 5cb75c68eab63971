import CLinux
import Glibc
import SystemCalls

/// Waits for the end of a process, whosever child it is: it is woken by the kernel (a pidfd that becomes readable,
/// pidfd_open(2), Linux 5.3), not by looking again and again. Clients are held meanwhile.
final class EndOfProcess {
    /// -1 where there is none, such as for a process that is gone.
    let descriptor: Int32

    /// Of a process that is known to be the one that is meant: its start is compared after this was made.
    init(_ pid: Int32) { descriptor = clinux_pidfd_open(pid) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Returns when it has ended, and after some milliseconds or at a time of the monotonic clock if it has not: whoever calls looks.
    func wait(until limit: UInt64) {
        let now = Clock.monotonic()
        let left = limit > now ? min((limit - now) / 1_000_000 + 1, 1_000) : 0
        guard descriptor >= 0 else {
            usleep(2_000)
            return
        }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, Int32(left))
    }
}
