import Glibc
public import SystemCalls

extension FanotifyGroup {
    /// Creates a group in whose queue so many events may wait; beyond that loss arrives as `FAN_Q_OVERFLOW`.
    ///
    /// The kernel takes the limit of a group from `fs.fanotify.max_queued_events` (Linux 5.13) in the moment in which
    /// the group is made. It is set for this moment and put back; other groups keep theirs. Where it cannot be set the
    /// group has the host's limit.
    ///
    /// - Parameter events: how many events shall be able to wait; set to how many are.
    public static func bounded(_ mode: Mode, events: inout Int) throws(SystemError) -> FanotifyGroup {
        let hosts = queueLimit() ?? defaultQueueLimit
        guard hosts != events, setQueueLimit(events) else {
            events = hosts
            return try FanotifyGroup(mode, unlimitedQueue: false)
        }
        defer { _ = setQueueLimit(hosts) }
        return try FanotifyGroup(mode, unlimitedQueue: false)
    }

    /// `FANOTIFY_DEFAULT_MAX_EVENTS`.
    private static var defaultQueueLimit: Int { 16_384 }

    private static func setQueueLimit(_ events: Int) -> Bool {
        guard let file = try? FileDescriptor.open("/proc/sys/fs/fanotify/max_queued_events", O_WRONLY) else {
            return false
        }
        let text = Array("\(events)".utf8)
        return write(file.number, text, text.count) == text.count
    }
}
