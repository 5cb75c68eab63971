import CLinux
import Glibc
import Procfs
import SystemCalls
import Text
import Transfer

/// Saves a tree of processes as one file that goes on where it is executed (`retinue move save`).
///
/// The tree is kept stopped by criu's post-dump script until the file is whole, on the disk and in its place, and is ended by criu only
/// then. Whatever fails before, the death of this process included, has it go on, and leaves no file.
struct ContextSave {
    var pid: Int32
    var file: String
    var leavesRunning = false
    var closesConnections = false
    /// Whether what CRIU loses without a word is accepted.
    var isLossy = false

    /// Called when the file is in its place and the tree still stands. The tree goes on here then, whatever it does.
    var whenPlaced: ((ContextHeader) throws(MoveError) -> Void)?

    /// What was saved.
    struct Outcome {
        var bytes: UInt64
        /// Of those, what is not images.
        var controlBytes: Int
        /// Nanoseconds from the start of criu to when the file was in its place.
        var duration: UInt64
        /// Nanoseconds for which the tree was kept after it was written down.
        var kept: UInt64
        var processes: Int
    }

    /// Seconds that criu has to write the tree down.
    private static let patience: UInt64 = 600
    private static let said = "said"

    /// - Parameter report: called with what would be lost.
    func run(_ report: (String) -> Void) throws(MoveError) -> Outcome {
        let file = try Self.absolute(file)
        guard access(file, F_OK) != 0 else {
            throw MoveError("\(file) is there already: remove it, or name another one")
        }
        // They are asked for where the tree can still go on.
        Self.blockInterrupts()
        let criu = try Criu()
        try criu.needVersion()
        var subject = try ContextSubject(pid)
        let start = ProcessDirectory(pid)?.status()?.startTicks ?? 0
        try refuse(subject, report)
        let aside = try ContextFolder(in: Self.parent(file), ".retinue-context-")
        defer { aside.remove() }
        let folder = aside.path
        let images = folder + "/images"
        guard mkdir(images, 0o700) == 0 else { throw MoveError("\(images): \(SystemError.text(of: errno))") }
        // Before anything stops: whether there is room for the file is seen by its writing alone.
        let target: FileDescriptor
        do throws(SystemError) {
            target = try FileDescriptor.open(folder + "/context", O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        } catch { throw MoveError("\(file): \(error)") }
        let script = try ContextKeeper.layScript(in: folder)
        var link = try ContextKeeper.Link(in: images)
        let begin = Clock.monotonic()
        let child = try dump(criu, subject, images, script: script)
        let end = EndOfProcess(child)
        guard link.isReached(before: end, until: begin + Self.patience * 1_000_000_000) else {
            kill(child, SIGTERM)
            waitpid(child, nil, 0)
            try Self.refuseInterrupts()
            throw refusal(images)
        }
        let stopped = Clock.monotonic()
        var (isDecided, isOver) = (false, false)
        var status: Int32 = 0
        func finish() {
            guard !isOver else { return }
            isOver = true
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
        }
        // Whatever is thrown from here on, the tree goes on first.
        defer {
            if !isDecided { _ = link.decide(isEnd: false) }
            finish()
        }
        Fault.pass("reached")
        subject.lookAgain()
        var header = subject.header()
        header.closesConnections = closesConnections
        if leavesRunning {
            isDecided = true
            _ = link.decide(isEnd: false)
            finish()
        }
        header = try ContextImages.write(header, from: images, to: target)
        Fault.pass("written")
        try Self.refuseInterrupts()
        guard clinux_renameat2(AT_FDCWD, folder + "/context", AT_FDCWD, file, clinux_RENAME_NOREPLACE) == 0
        else {
            throw MoveError("\(file): \(SystemError.text(of: errno))")
        }
        try Self.sync(Self.parent(file))
        let placed = Clock.monotonic()
        Fault.pass("placed")
        if let whenPlaced {
            try whenPlaced(header)
            isDecided = true
            _ = link.decide(isEnd: false)
            finish()
        } else if !leavesRunning {
            isDecided = true
            let processes = Members(below: .init(pid: pid, start: start)).processes
            let isAsked = link.decide(isEnd: true)
            finish()
            // A criu that was killed has let them go on: two would run if the file were executed. That of a namespace of its own is
            // killed by the kernel with the namespace's first process, which ends with the last of them.
            guard isAsked, status == 0 || subject.isApart && Self.areGone(processes) else {
                unlink(file)
                try? Self.sync(Self.parent(file))
                throw MoveError(
                    "criu ended before it has ended process \(pid), which goes on: \(Criu.errors(images + "/dump.log"))"
                )
            }
        }
        return Outcome(
            bytes: header.images.reduce(UInt64(header.bytes().count)) { $0 + $1.bytes },
            controlBytes: header.bytes().count, duration: placed - begin, kept: placed - stopped,
            processes: header.pids.count)
    }

    /// Whether all of some processes end in a few seconds.
    private static func areGone(_ processes: [Members.Process]) -> Bool {
        let limit = Clock.monotonic() + 5_000_000_000
        while processes.contains(where: Members.lives) {
            guard Clock.monotonic() < limit else { return false }
            usleep(2_000)
        }
        return true
    }

    private func refuse(_ subject: ContextSubject, _ report: (String) -> Void) throws(MoveError) {
        let (refused, lost) = subject.obstacles(closesConnections: closesConnections)
        guard refused.isEmpty else {
            throw MoveError("CRIU refuses process \(pid): " + refused.joined(separator: "; "))
        }
        if lost.isEmpty { return }
        guard isLossy else {
            throw MoveError(
                "of process \(pid) would be lost, unless --lossy accepts it: " + lost.joined(separator: "; "))
        }
        for line in lost { report("lost: \(line)") }
    }

    /// Why criu has not written the tree down, which goes on.
    private func refusal(_ images: String) -> MoveError {
        var said = Criu.errors(images + "/dump.log")
        if said.isEmpty {
            let bytes = (try? FileDescriptor.open(images + "/" + Self.said, O_RDONLY))?.bytes ?? []
            said = Printable.text(Array(bytes.suffix(300)))
        }
        return MoveError(
            "criu cannot save process \(pid), which goes on: \(said.isEmpty ? "it has ended without a word" : said)"
                + ContextCure.text(for: said))
    }

    // MARK: criu

    private func dump(
        _ criu: Criu, _ subject: ContextSubject, _ images: String, script: String
    ) throws(MoveError) -> pid_t {
        var words = criu.words(
            below: criu.tree,
            [
                "dump", "-t", "\(subject.ownPid)", "-D", images, "-o", images + "/dump.log", "-v2",
                "--file-locks",
                "--network-lock", "skip", "--action-script", script,
            ])
        if subject.isOfForeignSession { words.append("--shell-job") }
        if closesConnections { words.append("--tcp-close") }
        var launch = Launch(words)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        // What it says before it has its log, and what cannot be started.
        let said = open(images + "/" + Self.said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { if said >= 0 { close(said) } }
        (launch.input, launch.output) = (null, said >= 0 ? said : null)
        let directory = ProcessDirectory(pid)
        // As criu sees it, none of them is a namespace of the process's own.
        let spaces = (["net"] + (subject.isApart ? ["pid", "mnt"] : [])).map { name in
            directory?.openNamespace(name)?.release() ?? -1
        }
        defer { for space in spaces where space >= 0 { close(space) } }
        if subject.isApart {
            // Who joins a pid namespace is not in it, but what it starts is. That one joins the mounts as well: in this one's, /proc
            // does not know it.
            _ = fcntl(spaces[2], F_SETFD, 0)
            launch.arguments =
                ["/proc/self/exe", "context-inside", "\(spaces[2])"].map { Array($0.utf8) } + launch.arguments
            launch.file = launch.arguments[0]
            launch.processes = spaces[1]
        }
        launch.network = spaces[0]
        return try launch.start()
    }

    /// Runs a program as a child, which is in the pid namespace that this process has joined (setns(2)), and ends as that does.
    ///
    /// - Parameter mounts: a descriptor of its mount namespace.
    static func runInside(_ words: [String], mounts: Int32) throws(MoveError) -> Int32 {
        var launch = Launch(words)
        launch.diesWithParent = true
        launch.mounts = mounts
        _ = fcntl(mounts, F_SETFD, FD_CLOEXEC)
        let child = try launch.start()
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    // MARK: Interrupts

    private static let interrupts = [SIGINT, SIGTERM, SIGHUP]

    private static func blockInterrupts() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in interrupts { sigaddset(&set, signal) }
        sigprocmask(SIG_BLOCK, &set, nil)
    }

    static var isInterrupted: Bool {
        var set = sigset_t()
        sigpending(&set)
        return interrupts.contains { sigismember(&set, $0) == 1 }
    }

    private static func refuseInterrupts() throws(MoveError) {
        guard !isInterrupted else { throw MoveError("it was interrupted, and the process goes on") }
    }

    // MARK: Files

    /// A path that stays what it is in another folder.
    static func absolute(_ file: String) throws(MoveError) -> String {
        guard !file.isEmpty, !file.hasSuffix("/") else { throw MoveError("`\(file)` is no file's name") }
        if file.hasPrefix("/") { return file }
        guard let folder = getcwd(nil, 0) else { throw MoveError("getcwd: \(SystemError.text(of: errno))") }
        defer { free(folder) }
        return String(cString: folder) + "/" + file
    }

    private static func parent(_ file: String) -> String {
        let slash = file.lastIndex(of: "/")!
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    private static func sync(_ folder: String) throws(MoveError) {
        do throws(SystemError) {
            let opened = try FileDescriptor.open(folder, O_RDONLY | O_DIRECTORY)
            let number = opened.number
            _ = try systemCall("fsync") { fsync(number) }
        } catch { throw MoveError("\(folder): \(error)") }
    }
}

/// What can be done about something that criu(8) says.
enum ContextCure {
    private static let cures = [
        ("Connected TCP socket", "end its TCP connections, or say --close-connections"),
        ("bad size", "bring the file as it was when the process was saved"),
        ("bad build-id", "install the version of the program or library that was saved"),
        ("Can't open file", "bring the files that the process has open"),
        ("ptmx", "start the program without a terminal"),
        ("tty", "start the program without a terminal (setsid(1))"),
        ("Can't bind", "something here has its address or port: end that first"),
        ("cpu", "restore it on a host whose processor has all features of the one where it was saved"),
        ("external socket", "end its connections to other programs by Unix sockets"),
        ("ghost", "have the program close files that were deleted"),
    ]

    /// For the first that fits; empty for none.
    static func text(for said: String) -> String {
        cures.first { said.contains($0.0) }.map { ". What can be done: \($0.1)" } ?? ""
    }
}
