import CLinux
import Glibc
import Procfs

/// TCP connections of other processes in repair mode (`TCP_REPAIR`, Linux 3.5), in which nothing is sent and which close without a packet.
enum TCPRepair {
    /// Calls with a duplicate of each TCP socket of a process that is in repair mode, or is not (pidfd_getfd(2), Linux 5.6).
    ///
    /// - Parameter procfs: where that of the caller's pid namespace is mounted.
    static func each(of pid: Int32, in procfs: String = "/proc", isIn: Bool, _ body: (Int32) -> Void) {
        let handle = Int32(truncatingIfNeeded: clinux_pidfd_open(pid))
        guard handle >= 0 else { return }
        defer { close(handle) }
        ProcessDirectory(pid, in: procfs)?.descriptors { number, target in
            guard target.starts(with: "socket:".utf8) else { return }
            let copy = Int32(truncatingIfNeeded: clinux_pidfd_getfd(handle, number))
            guard copy >= 0 else { return }
            defer { close(copy) }
            var state: Int32 = 0
            var size = socklen_t(4)
            guard getsockopt(copy, Int32(IPPROTO_TCP), TCP_REPAIR, &state, &size) == 0, (state == 1) == isIn
            else { return }
            body(copy)
        }
    }

    /// Has nothing more sent over a connection. A socket that listens has no such mode.
    static func begin(_ socket: Int32) {
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_REPAIR, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}
