import Fanotify
import Glibc
import Procfs
import SystemCalls

/// What the kernel reports of new mounts (`MountChanges`), and the thread that acts on it at once: what a program opens
/// between a mount and its mark is not reported, so the thread does not wait for a batch.
final class MountReports: Sendable {
    private let changes: MountChanges

    /// Opens the group; `nil` where the kernel does not report mounts (before Linux 6.15).
    init?() {
        guard let changes = try? MountChanges() else { return nil }
        self.changes = changes
    }

    /// Has the mounts reported that are made in the namespace of a process; returns whether they were not before, `nil` if
    /// that cannot be.
    func follow(_ pid: Int32) -> Bool? {
        do throws(SystemError) {
            return try changes.follow(Array("/proc/\(pid)/ns/mnt".utf8) + [0])
        } catch { return nil }
    }

    /// Starts the thread.
    ///
    /// - Parameter act: is called with the processes that mounted something, `nil` among them where some may be missing.
    func start(_ act: @escaping @Sendable (Set<Int32?>) -> Void) throws(SystemError) {
        let context = Unmanaged.passRetained(Work(self, act))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run() },
            context.toOpaque())
        if failure != 0 {
            context.release()
            throw SystemError("pthread_create", code: failure)
        }
        pthread_detach(thread)
    }

    private final class Work: Sendable {
        let reports: MountReports
        let act: @Sendable (Set<Int32?>) -> Void

        init(_ reports: MountReports, _ act: @escaping @Sendable (Set<Int32?>) -> Void) {
            self.reports = reports
            self.act = act
        }

        func run() -> Never {
            if RealTimePriority.isAllowed() { RealTimePriority.take() }
            while true {
                var waiting = pollfd(fd: reports.changes.number, events: Int16(POLLIN), revents: 0)
                _ = poll(&waiting, 1, -1)
                let pids = (try? reports.changes.take()) ?? [nil]
                if !pids.isEmpty { act(pids) }
                // RLIMIT_RTTIME counts the time since the last sleep: mounts without end are none.
                usleep(20)
            }
        }
    }
}
