import CLinux
import Glibc
public import SystemCalls
import Wire

/// Reports mounts of mount namespaces as they are made (`FAN_REPORT_MNT`, Linux 6.15), other namespaces' included.
///
/// It keeps no namespace: the mark goes with it. Needs `CAP_SYS_ADMIN`. Any thread may follow a namespace; one reads.
public struct MountChanges: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Opens a group that follows nothing yet. Fails with EINVAL before Linux 6.15.
    public init() throws(SystemError) {
        let flags = UInt32(FAN_CLOEXEC | FAN_NONBLOCK | FAN_CLASS_NOTIF | FAN_UNLIMITED_MARKS)
        descriptor = FileDescriptor(
            owning: try systemCall("fanotify_init") {
                clinux_fanotify_init(flags | clinux_FAN_REPORT_MNT, UInt32(O_RDONLY))
            })
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Has the mounts reported that are made in a namespace from here on, by its NUL-terminated path in /proc/PID/ns.
    ///
    /// - Returns: whether they were not reported before. A namespace's number says nothing of that: the next namespace
    ///   gets that of the one that has gone.
    public borrowing func follow(_ path: [UInt8]) throws(SystemError) -> Bool {
        guard path.last == 0 else { throw SystemError("fanotify_mark", code: EINVAL) }
        let number = number
        return try path.withUnsafeBufferPointer { path throws(SystemError) in
            try path.withMemoryRebound(to: CChar.self) { path throws(SystemError) in
                // See `FanotifyGroup.Marker`: where there is a mark this changes nothing.
                let isFollowed =
                    clinux_fanotify_mark(
                        number, UInt32(FAN_MARK_REMOVE) | clinux_FAN_MARK_MNTNS, clinux_FAN_MNT_DETACH,
                        AT_FDCWD, path.baseAddress!) == 0
                if isFollowed { return false }
                _ = try systemCall("fanotify_mark") {
                    clinux_fanotify_mark(
                        number, UInt32(FAN_MARK_ADD) | clinux_FAN_MARK_MNTNS, clinux_FAN_MNT_ATTACH,
                        AT_FDCWD, path.baseAddress!)
                }
                return true
            }
        }
    }

    /// Takes what waits: the processes that mounted something; `nil` among them where some may be missing.
    public borrowing func take() throws(SystemError) -> Set<Int32?> {
        var pids: Set<Int32?> = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 8)
        defer { room.deallocate() }
        while let count = try descriptor.read(into: room), count > 0 {
            let bytes = [UInt8](room[..<count])
            do throws(WireError) {
                try FanotifyEvent.parse(bytes.span.bytes) { event in
                    pids.insert(event.mask.contains(.overflow) || event.pid <= 0 ? nil : event.pid)
                }
            } catch { pids.insert(nil) }
        }
        return pids
    }
}
