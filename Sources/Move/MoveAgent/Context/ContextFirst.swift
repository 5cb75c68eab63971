import CLinux
import Glibc
import Records
import SystemCalls

/// The first process of a restored one's pid namespace: has criu(8) restore it as its own child, passes signals on, reports how it ended,
/// and ends with the last process there.
enum ContextFirst {
    /// What it reports before how the process ended, which is no status of waitpid(2).
    static let isRestored: Int32 = -1

    /// - Returns: the exit status.
    static func run(_ folder: String, _ reports: Int32) throws(MoveError) -> Int32 {
        guard getpid() == 1, fcntl(reports, F_SETFD, FD_CLOEXEC) == 0 else {
            throw MoveError("it is started by a restore")
        }
        // Before anything can come: what is blocked waits, also for the first process of a namespace.
        let signals = try ContextSignals()
        var children = sigset_t()
        sigemptyset(&children)
        sigaddset(&children, SIGCHLD)
        sigprocmask(SIG_BLOCK, &children, nil)
        let ended = signalfd(-1, &children, clinux_SFD_CLOEXEC | clinux_SFD_NONBLOCK)
        guard ended >= 0 else { throw MoveError("signalfd: \(SystemError.text(of: errno))") }
        guard let value = SafeFile.read(folder + "/header.json"), let header = ContextHeader(value) else {
            throw MoveError("\(folder): no header")
        }
        try CellInit.layOwn()
        let pid = try restore(header, folder)
        // The restored process has what it needs of these.
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        for number in 0...2 as ClosedRange<Int32> { dup2(null, number) }
        close(null)
        report(isRestored, reports)
        var isOver = false
        while true {
            while let signal = signals.next() { if !isOver { kill(pid, signal) } }
            while true {
                var status: Int32 = 0
                let found = waitpid(-1, &status, WNOHANG)
                if found < 0, errno == EINTR { continue }
                if found < 0 { return 0 }
                if found == 0 { break }
                guard found == pid, !isOver else { continue }
                isOver = true
                // What it has started goes on without it, as everywhere.
                clinux_outlive_parent()
                report(status, reports)
            }
            var waiting = [
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ended, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&waiting, 2, -1)
            var information = signalfd_siginfo()
            while read(ended, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {}
        }
    }

    private static func report(_ value: Int32, _ number: Int32) {
        var value = value
        _ = write(number, &value, 4)
    }

    /// The process's number here, which is what it was.
    private static func restore(_ header: ContextHeader, _ folder: String) throws(MoveError) -> pid_t {
        let criu = try Criu()
        var words = criu.words(
            below: criu.tree,
            [
                "restore", "-D", folder, "-o", folder + "/restore.log", "-v2", "--file-locks", "--pidfile",
                folder + "/pid", "-d", "--restore-sibling",
            ])
        words += ContextFreezer.words(in: folder)
        if header.isOfForeignSession { words.append("--shell-job") }
        if header.closesConnections { words.append("--tcp-close") }
        // What was a pipe to whoever had started it is what this one's starter has in its place. Above those of criu's own start.
        var lent: [Int32] = []
        defer { for number in lent { close(number) } }
        for attachment in header.attachments {
            let copy = fcntl(attachment.descriptor, F_DUPFD, 100 + attachment.descriptor)
            guard copy >= 0 else { continue }
            lent.append(copy)
            words += ["--inherit-fd", "fd[\(copy)]:\(attachment.key)"]
        }
        setLastNumber(below: header.pids)
        let outcome = try Tool.run(words, seconds: 600)
        guard outcome.status == 0,
            let text = (try? FileDescriptor.open(folder + "/pid", O_RDONLY))?.bytes,
            let pid = pid_t(String(decoding: text, as: UTF8.self))
        else {
            let said = Criu.errors(folder + "/restore.log")
            throw MoveError(
                "criu cannot restore it: \(said) \(outcome.output.prefix(300))" + ContextCure.text(for: said))
        }
        return pid
    }

    /// criu is a process here as well: it and its helpers get numbers that none of the restored ones had
    /// (`ns_last_pid`, proc_sys_kernel(5)).
    private static func setLastNumber(below pids: [pid_t]) {
        let room: pid_t = 64
        let taken = Set(pids.map { $0 / room })
        guard let free = (1...511).first(where: { !taken.contains($0) && !taken.contains($0 + 1) }),
            let file = try? FileDescriptor.open("/proc/sys/kernel/ns_last_pid", O_WRONLY)
        else { return }
        try? file.writeAll(Array(String(free * room).utf8))
    }
}
