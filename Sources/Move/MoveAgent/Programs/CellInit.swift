import CLinux
import Glibc
import Placeholders
import Procfs
import Records
import SystemCalls
import Text
import Transfer

/// The first process of a cell: lays the mounts, starts the programs, reaps what ends, and ends with the last.
public enum CellInit {
    /// Seconds that programs have to end.
    private static let patience = 10

    /// Runs in the namespaces that `Cell.begin` has made, or `Cell.prepare`.
    ///
    /// - Parameter waiting: where it lays its mounts before it is known what is started: which isolation that will have. It waits
    ///   for a byte on its standard input; the agent's death ends it.
    /// - Returns: the exit status.
    public static func run(_ folder: String, waiting: Isolation? = nil) -> Int32 {
        let cell = Cell(at: folder)
        var state = cell.state
        if let waiting { (state.isolation, state.isCutOff, state.shared) = (waiting, false, []) }
        guard getpid() == 1 else {
            say("a cell's first process is started by the agent")
            return 2
        }
        if state.isolation == .machine { return runMachine(cell, state) }
        // Before anything is started that may end.
        guard let signals = try? SignalDescriptor([SIGTERM, SIGCHLD, SIGINT]) else {
            say("signalfd: \(SystemError.text(of: errno))")
            return 1
        }
        do throws(MoveError) {
            if state.isCutOff { try Tool.need(["ip", "link", "set", "lo", "up"], seconds: 10) }
            if state.isCutOff, state.isLive { try layNetwork(for: state.liveAddress) }
            switch state.isolation {
            case .host: try layOwn()
            case .runc, .nspawn: try layProcesses(cell)
            case .chroot, .container, .machine: try lay(cell.root, state.shared)
            }
        } catch {
            say("\(error)")
            return 1
        }
        if state.isolation.isContainer {
            let name = folder.split(separator: "/").last.map(String.init) ?? "cell"
            sethostname(name, name.utf8.count)
        }
        if let waiting {
            guard isAsked() else { return 0 }
            state = cell.state
            guard state.isolation == waiting, !state.isCutOff, state.network == nil else {
                say("it is asked for another isolation than it was made for")
                return 1
            }
        }
        // It has the group of files that are not complete as long as any of its programs may read them.
        if Fetching.isPending(cell) {
            do throws(SystemError) { _ = try KeeperLink.hold(folder + "/fetch").release() } catch {
                say("files are missing, and nobody fetches them: \(error)")
                return 1
            }
        }
        var children: [Child] = []
        var relay: PageRelay?
        if state.isolation.isBundled { ContainerBundle.forget(cell) }
        if state.isLive {
            do throws(MoveError) {
                let (pids, made) = try restore(
                    cell, fetchesMemory: state.fetchesMemory, patience: state.patience)
                for (index, pid) in pids.enumerated() {
                    children.append((pid, run(of: pid, index, cell, state)))
                }
                relay = made
            } catch {
                say("\(error)")
                silence(cell)
                return 1
            }
        }
        for (index, run) in state.runs.enumerated() where !state.isLive {
            do throws(MoveError) {
                let pid =
                    state.isolation.isBundled
                    ? try ContainerBundle.start(run, index, cell, state.isolation)
                    : try start(run, state.isolation == .host ? nil : cell.root)
                children.append((pid, run))
            } catch {
                say("\(error)")
                end(children, cell, state, signals)
                return 1
            }
        }
        while true {
            var waiting = pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 1000)
            var isAsked = false
            while let signal = try? signals.next() { isAsked = isAsked || signal != SIGCHLD }
            if isAsked {
                end(children, cell, state, signals)
                return 0
            }
            // Programs that made themselves daemons have come to this process by now.
            relay?.hold()
            var fetched: Int32?
            let areThere = reap(children) { pid, status in if pid == relay?.daemon { fetched = status } }
            if let status = fetched, let ended = relay {
                relay = nil
                guard ended.end(status) else {
                    say("what fetches the programs' memory has ended too early: they end")
                    silence(cell)
                    return 1
                }
            }
            if !areThere {
                if state.isolation.isBundled { ContainerBundle.forget(cell) }
                return 0
            }
        }
    }

    /// Waits until it is asked to start programs, which have no input; false where that will not be.
    private static func isAsked() -> Bool {
        var byte: UInt8 = 0
        var count = read(0, &byte, 1)
        while count < 0 && errno == EINTR { count = read(0, &byte, 1) }
        guard count == 1 else { return false }
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard null >= 0, dup2(null, 0) == 0 else { return false }
        close(null)
        return true
    }

    private typealias Child = (pid: pid_t, run: ProgramRun)

    /// What a tree that was restored would be started by: what its first process executes, else what has its place.
    private static func run(of pid: pid_t, _ index: Int, _ cell: Cell, _ state: Cell.State) -> ProgramRun {
        // /proc of this process is the host's still.
        let path = ProcessDirectory(pid, in: cell.root + "/proc")?.executable() ?? []
        let inside = path.starts(with: cell.root.utf8) ? Array(path.dropFirst(cell.root.utf8.count)) : path
        return state.runs.first { $0.executable == inside } ?? state.runs[min(index, state.runs.count - 1)]
    }

    private static func start(_ run: ProgramRun, _ root: String?) throws(MoveError) -> pid_t {
        var launch = Launch(file: run.executable, arguments: run.arguments, environment: run.environment)
        launch.root = root
        launch.folder = run.folder
        launch.owner = (run.user, run.group, run.groups)
        launch.limits = run.limits
        launch.mask = run.mask
        return try launch.start()
    }

    /// Takes in what has ended, and says of the cell's programs why; false where there are no children any more.
    ///
    /// - Parameter body: called with each that has ended, and its status.
    private static func reap(
        _ children: [Child], _ body: (_ pid: pid_t, _ status: Int32) -> Void = { _, _ in }
    ) -> Bool {
        while true {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, WNOHANG)
            if pid == 0 { return true }
            if pid < 0 && errno != EINTR { return errno != ECHILD }
            if pid > 0 { body(pid, status) }
            guard let child = children.first(where: { $0.pid == pid }), status != 0 else { continue }
            let reason = status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
            say("\(Printable.text(child.run.executable)) has ended: \(reason)")
        }
    }

    /// Asks the programs to end, in the other order; whatever is left after some seconds ends with this process.
    private static func end(
        _ children: [Child], _ cell: Cell, _ state: Cell.State, _ signals: borrowing SignalDescriptor
    ) {
        for child in children.reversed() {
            let pid = state.isolation == .nspawn ? programBelow(child.pid) ?? child.pid : child.pid
            // One that made itself a daemon is not its starter any more: everything here is asked.
            if kill(pid, child.run.stopSignal) != 0 { kill(-1, child.run.stopSignal) }
        }
        let limit = Clock.monotonic() + UInt64(patience) * 1_000_000_000
        // SIGCHLD wakes it; the limit of the wait is for one that came before.
        while reap([]), Clock.monotonic() < limit {
            var waiting = pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 50)
            while (try? signals.next()) != nil {}
        }
        if state.isolation.isBundled { ContainerBundle.forget(cell) }
    }

    /// The program that systemd-nspawn has started: it stays its parent, and would end it by SIGKILL if it were asked itself.
    private static func programBelow(_ pid: pid_t) -> pid_t? {
        ProcessList.pids().first { ProcessDirectory($0)?.status()?.parent == pid }
    }

    /// For a runtime that lays the mounts itself: processes by the numbers that they have here.
    private static func layProcesses(_ cell: Cell) throws(MoveError) {
        guard mount("none", "/", nil, clinux_MS_REC | clinux_MS_PRIVATE, nil) == 0,
            mount("proc", "/proc", "proc", clinux_MS_NOSUID | clinux_MS_NOEXEC | clinux_MS_NODEV, nil) == 0
        else { throw MoveError("mount /proc: \(SystemError.text(of: errno))") }
        for name in ["proc", "sys", "dev", "run"] { mkdir("\(cell.root)/\(name)", 0o755) }
        bringResolver(cell.root)
        // Where it can still be reached when systemd-nspawn has laid another filesystem over it.
        let run = ContainerBundle.runFolder(cell.root)
        mkdir(run, 0o755)
        guard mount(cell.root + "/run", run, nil, clinux_MS_BIND, nil) == 0 else {
            throw MoveError("mount \(run): \(SystemError.text(of: errno))")
        }
    }

    /// For the host's own root: its mounts, those to come as well, and processes by the numbers that they have here.
    static func layOwn() throws(MoveError) {
        guard mount("none", "/", nil, clinux_MS_REC | clinux_MS_SLAVE, nil) == 0,
            mount("proc", "/proc", "proc", clinux_MS_NOSUID | clinux_MS_NOEXEC | clinux_MS_NODEV, nil) == 0
        else { throw MoveError("mount /proc: \(SystemError.text(of: errno))") }
    }

    private static func lay(_ root: String, _ shared: [SharedStorage]) throws(MoveError) {
        func attach(_ source: String, _ target: String, _ type: String?, _ flags: UInt, _ data: String? = nil)
            throws(MoveError)
        {
            guard mount(source, target, type, flags, data) == 0 else {
                throw MoveError("mount \(target): \(SystemError.text(of: errno))")
            }
        }
        let plain = clinux_MS_NOSUID | clinux_MS_NOEXEC | clinux_MS_NODEV
        try attach("none", "/", nil, clinux_MS_REC | clinux_MS_PRIVATE)
        try attach(root, root, nil, clinux_MS_BIND)
        for name in ["proc", "sys", "dev"] { mkdir("\(root)/\(name)", 0o755) }
        try attach("proc", root + "/proc", "proc", plain)
        // In a network namespace that is not the one of its user's it may be refused; programs seldom need it.
        _ = mount("sysfs", root + "/sys", "sysfs", plain | UInt(1), nil)
        try attach("tmpfs", root + "/dev", "tmpfs", clinux_MS_NOSUID, "mode=755")
        for (name, major, minor) in [
            ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
            ("tty", 5, 0),
        ] {
            let path = "\(root)/dev/\(name)"
            umask(0)
            if mknod(path, S_IFCHR | 0o666, dev_t(major << 8 | minor)) != 0 || access(path, R_OK) != 0 {
                close(open(path, O_CREAT | O_WRONLY, 0o666))
                try attach("/dev/\(name)", path, nil, clinux_MS_BIND)
            }
        }
        umask(0o022)
        for name in ["shm", "pts"] { mkdir("\(root)/dev/\(name)", 0o755) }
        try attach("tmpfs", root + "/dev/shm", "tmpfs", clinux_MS_NOSUID | clinux_MS_NODEV, "mode=1777")
        _ = mount(
            "devpts", root + "/dev/pts", "devpts", clinux_MS_NOSUID | clinux_MS_NOEXEC,
            "newinstance,ptmxmode=0666")
        for (target, name) in [
            ("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr"),
            ("pts/ptmx", "ptmx"),
        ] {
            symlink(target, "\(root)/dev/\(name)")
        }
        try lay(shared, below: root)
        bringResolver(root)
    }

    /// Filesystems of other machines, as the host has them. Whatever links the root has, none of them is followed.
    private static func lay(_ shared: [SharedStorage], below root: String) throws(MoveError) {
        for storage in shared {
            do throws(TransferError) {
                var inside: RootFolder
                do throws(SystemError) { inside = try RootFolder(root) } catch {
                    throw .file(Array(root.utf8), error)
                }
                try inside.makeFolder(storage.point, user: 0, group: 0, mode: 0o755)
                let place = try inside.place(storage.point)
                let target = "/proc/self/fd/\(place.number)"
                let source = storage.point.map { CChar(bitPattern: $0) } + [0]
                guard mount(source, target, nil, clinux_MS_BIND | clinux_MS_REC, nil) == 0 else {
                    throw .file(storage.point, SystemError("mount"))
                }
            } catch { throw MoveError(error) }
        }
    }

    /// As resolv.conf(5) is the network's, which is another one here.
    static func bringResolver(_ root: String) {
        if access(root + "/etc/resolv.conf", F_OK) != 0,
            let text = (try? FileDescriptor.open("/etc/resolv.conf", O_RDONLY))?.bytes
        {
            try? Cell(at: String(root.dropLast("/root".count))).furnish(
                [], [(Array("/etc/resolv.conf".utf8), text)])
        }
    }

    static func say(_ sentence: String) { Diagnostics.say("cell: \(sentence)") }
}
