import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Transfer

/// Where programs run before a move: on the host itself, or in a cell that an earlier move has made.
struct Origin {
    let order: MoveOrder
    /// The cell; `nil` for the host itself.
    let cell: Cell?

    /// Whether the programs' root is the host's own: no move has brought them here, or one that put them there.
    let isAtHost: Bool
    /// What both hosts have mounted.
    var shared: [SharedStorage] = []
    /// What is brought of the host's own root, by the plan.
    var plan: HostPlan { order.plan.leaving(shared.map(\.point)) }

    init(order: MoveOrder, cell: Cell?) {
        (self.order, self.cell) = (order, cell)
        isAtHost = cell.map { $0.state.isolation == .host } ?? true
    }

    var root: String { isAtHost ? "/" : cell?.root ?? "/" }
    /// What paths of the programs' root begin with as seen from the host; empty for the host's own.
    var prefix: [UInt8] { isAtHost ? [] : Array(root.utf8) }

    // MARK: What is brought

    /// By the plan; `nil` for a cell's root, of which everything is brought.
    func contents() -> MoveContents? {
        if order.isolation == .host { return MoveContents(ofFilesFor: plan, root: root) }
        return isAtHost ? MoveContents(ofRootFor: plan, root: "/", isLive: order.isLive) : nil
    }

    /// Everything in a cell's root, sorted.
    func paths() -> [[UInt8]] {
        guard !isAtHost, let inside = try? RootFolder(root) else { return [] }
        return inside.paths().sorted(by: PathOrder.precedes)
    }

    // MARK: The programs

    /// Units of systemd that start members, where that runs here.
    var units: [String] {
        cell == nil && SystemdUnits.isBooted ? plannedUnits : []
    }

    /// Units of the plan, whether systemd runs here or not.
    var plannedUnits: [String] { order.plan.services.filter { $0.kind == "unit" }.map(\.name) }

    /// All processes, to be waited for and looked at.
    func processes() -> [Members.Process] {
        guard let cell else { return order.members.processes }
        let units = cell.state.units
        if !units.isEmpty { return processes(of: units) }
        guard cell.isRunning, let space = ProcessDirectory(cell.state.pid)?.namespace("pid") else {
            return []
        }
        return ProcessList.pids().compactMap { pid in
            guard let directory = ProcessDirectory(pid), directory.namespace("pid") == space,
                let status = directory.status()
            else { return nil }
            return Members.Process(pid: pid, parent: status.parent, start: status.startTicks, program: 0)
        }
    }

    private func processes(of units: [String]) -> [Members.Process] {
        let names = Set(units.map { Array($0.utf8) })
        return ProcessList.pids().compactMap { pid in
            guard let directory = ProcessDirectory(pid), let status = directory.status(),
                let group = directory.controlGroup(),
                group.split(separator: UInt8(ascii: "/")).contains(where: { names.contains(Array($0)) })
            else { return nil }
            return Members.Process(pid: pid, parent: status.parent, start: status.startTicks, program: 0)
        }
    }

    /// Of each program the process that no other one of it has started, and what that executes, by its path inside of the root.
    func leaders() -> [(executable: [UInt8], pid: Int32)] {
        var found: [Int32: (executable: [UInt8], parent: Int32)] = [:]
        for process in processes() {
            guard let path = ProcessDirectory(process.pid)?.executable() else { continue }
            // Those of a cell are named from outside of its root.
            found[process.pid] = (
                path.starts(with: prefix) ? Array(path.dropFirst(prefix.count)) : path, process.parent
            )
        }
        return found.filter { found[$0.value.parent]?.executable != $0.value.executable }
            .map { ($0.value.executable, $0.key) }.sorted { $0.pid < $1.pid }
    }

    /// What the programs that were started by none of them run with.
    func runs(_ recipes: [Recipe]) throws(MoveError) -> [ProgramRun] {
        if let cell { return cell.state.runs }
        var found: [ProgramRun] = []
        for process in order.members.leaders {
            guard var run = ProgramRun(of: process.pid) else { continue }
            let name = String(
                decoding: run.executable.suffix(while: { $0 != UInt8(ascii: "/") }), as: UTF8.self)
            if let recipe = recipes.first(where: { $0.executable == name }) {
                run.stopSignal = recipe.stopSignal
            }
            if let start = order.start, found.isEmpty {
                run.executable = Array("/bin/sh".utf8)
                run.arguments = ["sh", "-c", start].map { Array($0.utf8) }
            } else if run.showsTitle {
                throw MoveError(
                    "\(Printable.text(run.executable)) shows a title in place of its arguments: say by --start what starts it"
                )
            }
            found.append(run)
        }
        guard !found.isEmpty else {
            throw MoveError("no program of the plan runs here: start it, or make the plan anew")
        }
        return found
    }

    /// Files that the programs may change by memory that they share with them.
    func mappedFiles() -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        for process in processes() {
            for file in ProcessDirectory(process.pid)?.mappedFiles(sharedWritable: true) ?? []
            where file.isSharedWritable {
                // Those of a cell are named from outside of its root.
                found.insert(
                    file.path.starts(with: prefix) ? Array(file.path.dropFirst(prefix.count)) : file.path)
            }
        }
        return found
    }

    /// Files that the programs have open, each once, in the order in which they have come to them.
    func openFiles() -> [[UInt8]] {
        var found: [[UInt8]] = []
        var seen: Set<[UInt8]> = []
        for process in processes() {
            ProcessDirectory(process.pid)?.descriptors { _, target in
                let path = target.starts(with: prefix) ? Array(target.dropFirst(prefix.count)) : target
                if path.first == UInt8(ascii: "/"), seen.insert(path).inserted { found.append(path) }
            }
        }
        return found
    }

    /// Bytes that the programs have had written so far (`write_bytes` of /proc/PID/io).
    func bytesWritten() -> UInt64 {
        processes().reduce(0) { $0 &+ (ProcessDirectory($1.pid)?.bytesWritten() ?? 0) }
    }

    // MARK: Ending and starting

    /// Asks the programs to end, and waits until they have.
    ///
    /// - Throws: which has not, within some seconds.
    func end(_ runs: [ProgramRun], within seconds: Double) throws(MoveError) {
        if let cell {
            cell.end(within: seconds)
            return
        }
        let members = order.members
        let ends = members.processes.map { EndOfProcess($0.pid) }
        if !units.isEmpty {
            try SystemdUnits.stop(units, within: seconds)
        } else {
            for leader in members.leaders.reversed() {
                let executable = ProcessDirectory(leader.pid)?.executable() ?? []
                let signal =
                    runs.first { $0.executable == executable }?.stopSignal ?? runs.first?.stopSignal
                    ?? SIGTERM
                Members.signal(leader, signal)
            }
        }
        let limit = Clock.monotonic() + UInt64(seconds * 1e9)
        // Each look at what is left goes through all processes of the host: it is not made before those that were known have ended.
        for end in ends { end.wait(until: limit) }
        while true {
            // Children of the agent, from an earlier way back.
            while waitpid(-1, nil, WNOHANG) > 0 {}
            let left = processes().filter { Members.lives($0) }
            guard let first = left.first else { return }
            guard Clock.monotonic() < limit else {
                throw MoveError(
                    "\(left.count) processes did not end within \(Int(seconds)) s, the first is \(first.pid)")
            }
            usleep(2_000)
        }
    }

    /// Starts the programs as they ran.
    func begin(_ runs: [ProgramRun]) throws(MoveError) {
        if let cell {
            try cell.begin()
            return
        }
        if !units.isEmpty {
            try SystemdUnits.start(units)
            return
        }
        // Those that still run, or run again, are not started twice.
        let running = Set(
            order.members.leaders.compactMap { ProcessDirectory($0.pid)?.executable() })
        for run in runs where !running.contains(run.executable) {
            // What a shell starts is another executable's process by now.
            if order.start != nil, !running.isEmpty { continue }
            var launch = Launch(file: run.executable, arguments: run.arguments, environment: run.environment)
            launch.folder = run.folder
            launch.owner = (run.user, run.group, run.groups)
            launch.limits = run.limits
            launch.mask = run.mask
            let null = open("/dev/null", O_RDWR | O_CLOEXEC)
            defer { close(null) }
            (launch.input, launch.output) = (null, null)
            if let workload = order.plan.programs.first(where: { !$0.workload.isEmpty && !$0.isStop })?
                .workload
            {
                for top in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
                    let place = top + "/" + String(decoding: workload, as: UTF8.self) + "/cgroup.procs"
                    if access(place, W_OK) == 0 { launch.controlGroup = place }
                }
            }
            _ = try launch.start()
        }
    }
}
