import CLinux
import Glibc
import MovePlan
import Procfs
import SystemCalls

/// The processes of this host that run a plan's programs at this moment.
struct Members {
    /// One process, by pid and start: another one that gets its pid is none of them.
    struct Process: Equatable {
        var pid: Int32
        var parent: Int32
        /// Clock ticks since the host's start.
        var start: UInt64
        /// Which program of the plan.
        var program: Int
        /// When that starts, in the plan's order.
        var order = 1
    }

    private(set) var processes: [Process] = []

    /// Looks at all processes once.
    init(of plan: HostPlan) {
        let root = Self.root(of: getpid())
        for pid in ProcessList.pids() {
            guard pid != getpid(), let directory = ProcessDirectory(pid),
                let executable = directory.executable()
            else {
                continue
            }
            // One with another root is a container's.
            guard let status = directory.status(), Self.root(of: pid) == root else { continue }
            let workload = directory.controlGroup() ?? []
            let (arguments, folder) = (directory.arguments(), directory.workingDirectory())
            for (index, program) in plan.programs.enumerated()
            where !program.isStop
                && program.isRun(by: executable, arguments, in: workload, at: folder, among: plan.programs)
            {
                processes.append(
                    Process(
                        pid: pid, parent: status.parent, start: status.startTicks, program: index,
                        order: program.order ?? 1))
                break
            }
        }
    }

    /// One process and all that it has started; none where that one has ended.
    init(below top: ProcessIdentity) {
        let first = Process(pid: top.pid, parent: 0, start: top.start, program: 0)
        guard Self.lives(first) else { return }
        processes = ContextSubject.tree(top.pid).compactMap { pid in
            guard let status = ProcessDirectory(pid)?.status() else { return nil }
            return Process(pid: pid, parent: status.parent, start: status.startTicks, program: 0)
        }
    }

    /// Which folder a process has for its root.
    private static func root(of pid: Int32) -> [UInt64]? {
        var status = stat()
        guard stat("/proc/\(pid)/root/.", &status) == 0 else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    /// Those that no other one started: what has to be started, and asked to end; in the plan's order, else as they started.
    var leaders: [Process] {
        let pids = Set(processes.map(\.pid))
        return processes.filter { !pids.contains($0.parent) }
            .sorted { ($0.order, $0.start, $0.pid) < ($1.order, $1.start, $1.pid) }
    }

    /// Whether a process still lives.
    static func lives(_ process: Process) -> Bool {
        guard let status = ProcessDirectory(process.pid)?.status() else { return false }
        return status.startTicks == process.start && status.state != UInt8(ascii: "Z")
            && status.state != UInt8(ascii: "X")
    }

    /// Signals a process, if it is still that one (pidfd_open(2), Linux 5.3).
    static func signal(_ process: Process, _ number: Int32) {
        let file = Int32(truncatingIfNeeded: clinux_pidfd_open(process.pid))
        guard file >= 0 else { return }
        defer { close(file) }
        guard lives(process) else { return }
        _ = clinux_pidfd_send_signal(file, number)
    }
}

extension Array where Element == UInt8 {
    /// The last elements that all satisfy a condition.
    func suffix(while condition: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        self[(lastIndex { !condition($0) }.map { $0 + 1 } ?? 0)...]
    }
}
