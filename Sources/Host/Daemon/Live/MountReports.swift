import Fanotify
import Glibc
import Procfs
import Synchronization
import SystemCalls

/// What the kernel reports of new mounts (`MountChanges`), and the thread that acts on it at once: what a program opens
/// between a mount and its mark is not reported, so the thread does not wait for a batch.
///
/// It also looks again where a look came too early: what moves a root (pivot_root(2)) or a whole tree is reported nowhere,
/// and before Linux 6.15 no mount is.
final class MountReports: Sendable {
    private let changes: MountChanges?
    private let wake: EventDescriptor
    /// When to act without a report, `CLOCK_MONOTONIC`, nanoseconds; `UInt64.max` for never.
    private let due = Atomic<UInt64>(.max)

    /// Opens the group, where the kernel reports mounts (since Linux 6.15); `nil` if the thread could not be woken.
    init?() {
        guard let wake = try? EventDescriptor() else { return nil }
        self.wake = wake
        changes = try? MountChanges()
    }

    /// Whether the kernel reports mounts.
    var reportsMounts: Bool { changes != nil }

    /// Has the mounts reported that are made in the namespace of a process; returns whether they were not before, `nil` if
    /// that cannot be.
    func follow(_ pid: Int32) -> Bool? {
        do throws(SystemError) {
            return try changes?.follow(Array("/proc/\(pid)/ns/mnt".utf8) + [0])
        } catch { return nil }
    }

    /// Has the thread act at a moment (`CLOCK_MONOTONIC`, nanoseconds), or before.
    func act(by moment: UInt64) {
        let (before, _) = due.min(moment, ordering: .sequentiallyConsistent)
        if moment < before { wake.raise() }
    }

    /// Starts the thread.
    ///
    /// - Parameter act: is called with the processes that mounted something, `nil` among them where some may be missing;
    ///   with none when a moment has come for which `act(by:)` asked.
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

    /// Waits for a report, or the moment that is due; returns whether that moment has come.
    private func wait() -> Bool {
        let moment = due.load(ordering: .sequentiallyConsistent)
        let now = Clock.monotonic()
        let pause = moment == .max ? -1 : Int32(clamping: (max(moment, now) - now + 999_999) / 1_000_000)
        var waiting = [
            pollfd(fd: wake.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: number, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&waiting, 2, pause)
        if waiting[0].revents != 0 { wake.acknowledge() }
        guard Clock.monotonic() >= due.load(ordering: .sequentiallyConsistent) else { return false }
        // Whoever asks from here on is heard at the next wait.
        due.store(.max, ordering: .sequentiallyConsistent)
        return true
    }

    /// The number to poll for reports; where there are none a negative one, which poll(2) passes over.
    private var number: Int32 {
        switch changes {
        case .some(let changes): changes.number
        case .none: -1
        }
    }

    private func take() -> Set<Int32?> {
        switch changes {
        case .some(let changes): (try? changes.take()) ?? [nil]
        case .none: []
        }
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
                let isDue = reports.wait()
                let pids = reports.take()
                if isDue || !pids.isEmpty { act(pids) }
                // RLIMIT_RTTIME counts the time since the last sleep: mounts without end are none.
                usleep(20)
            }
        }
    }
}
