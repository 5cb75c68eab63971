import CLinux
import Glibc
import SystemCalls
import Text
import Transfer

/// Has a process go on that was saved as a file: what the kernel starts when that file is executed.
///
/// The process gets a pid namespace of its own, in which the numbers that it had are free, and the host's files, network and names. This
/// process stands for it: it passes signals on to it, and ends as it ends.
struct ContextRestore: ~Copyable {
    /// Where the restored processes are to stand until somebody lets them run; `nil` where they run at once.
    var standing: AcrossGroup?
    /// Called once they are there.
    var whenRestored: () -> Void = {}
    private let header: ContextHeader
    private let places: [ContextHeader.Place]
    private let file: FileDescriptor
    private let name: String

    /// Looks whether a file is whole, and for this host.
    init(_ path: String) throws(MoveError) {
        let name = Printable.text(Array(path.utf8))
        let file = try Self.open(path, name)
        let number = file.number
        do throws(MoveError) {
            var status = stat()
            guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw MoveError("it is no regular file")
            }
            (header, places) = try ContextHeader.read(size: UInt64(status.st_size)) {
                offset, count throws(MoveError) in try Self.read(number, offset, count)
            }
        } catch { throw MoveError("\(name): \(error)") }
        self.name = name
        self.file = file
    }

    private static func open(_ path: String, _ name: String) throws(MoveError) -> FileDescriptor {
        do throws(SystemError) { return try FileDescriptor.open(path, O_RDONLY) } catch {
            throw MoveError("\(name): \(error)")
        }
    }

    private static func read(_ number: Int32, _ offset: UInt64, _ count: Int) throws(MoveError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(number, $0.baseAddress! + done, count - done, off_t(offset) + off_t(done))
            }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw MoveError(SystemError.text(of: errno)) }
            if got == 0 { break }
            done += got
        }
        return Array(bytes[..<done])
    }

    // MARK: What it needs here

    /// Files that are missing here, or of another size: criu would not take them.
    static func problems(_ files: [ContextHeader.File]) -> [String] {
        files.compactMap { file in
            var status = stat()
            let path = Printable.text(file.path)
            guard stat(file.path.map { CChar(bitPattern: $0) } + [0], &status) == 0 else {
                return "\(path): \(SystemError.text(of: errno))"
            }
            guard let size = file.size else { return nil }
            guard status.st_mode & S_IFMT == S_IFREG else { return "\(path): it is no regular file here" }
            return UInt64(status.st_size) == size
                ? nil : "\(path): \(status.st_size) bytes here, \(size) when it was saved"
        }
    }

    private static let mostNamed = 10

    private func needFiles() throws(MoveError) {
        let problems = Self.problems(header.files)
        if problems.isEmpty { return }
        let more = problems.count - Self.mostNamed
        throw MoveError(
            "\(name): files that the process needs are not here as they were: "
                + problems.prefix(Self.mostNamed).joined(separator: "; ")
                + (more > 0 ? "; and \(more) more" : "")
                + ". Bring them; nothing was started")
    }

    // MARK: From outside of its namespace

    /// Nothing that is decided by the file is done before its checksum was compared.
    ///
    /// - Returns: the exit status of the process; where a signal has ended it, this one is ended by that signal.
    func run() throws(MoveError) -> Int32 {
        guard geteuid() == 0 else { throw MoveError("processes are restored as root") }
        try Criu().needVersion()
        try needFiles()
        let aside = try ContextFolder(in: "/var/tmp", "retinue-context-")
        let folder = aside.path
        var isLaid = true
        func clear() {
            if isLaid { aside.remove() }
            isLaid = false
        }
        defer { clear() }
        do throws(MoveError) { try ContextImages.extract(places, from: file, to: folder) } catch {
            throw MoveError("\(name): \(error)")
        }
        try SafeFile.write(header.value, to: folder + "/header.json")
        if let standing {
            try ContextFreezer.ask(standing, in: folder)
            _ = try InterruptedCalls.renew(in: folder)
        }
        let signals = try ContextSignals()
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw MoveError("pipe2: \(SystemError.text(of: errno))") }
        let reports = FileDescriptor(owning: ends[0])
        // The child's, which it is given by number.
        _ = fcntl(ends[1], F_SETFD, 0)
        var launch = Launch(["/proc/self/exe", "context-first", folder, "\(ends[1])"])
        launch.unshared = Int32(clinux_CLONE_NEWNS) | Int32(clinux_CLONE_NEWPID)
        launch.diesWithParent = true
        let child: pid_t
        do throws(MoveError) { child = try launch.start() } catch {
            close(ends[1])
            throw error
        }
        close(ends[1])
        var ended: Int32?
        while true {
            var waiting = [
                pollfd(fd: reports.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&waiting, 2, -1)
            while let signal = signals.next() { pass(signal, on: child) }
            guard waiting[0].revents != 0 else { continue }
            var report: Int32 = 0
            let count = Glibc.read(reports.number, &report, 4)
            if count < 0 && errno == EINTR { continue }
            guard count == 4 else { break }
            clear()
            if report == ContextFirst.isRestored {
                whenRestored()
                continue
            }
            ended = report
            break
        }
        guard let ended else {
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
            // It has said why itself.
            if status & 0x7f == 0, status != 0 { return 1 }
            throw MoveError(
                "\(name): the first process of its pid namespace was killed, and all others there with it")
        }
        return Self.end(as: ended)
    }

    private func pass(_ signal: Int32, on child: pid_t) {
        kill(child, signal)
        // A shell that stops a job waits for this one.
        if [SIGTSTP, SIGTTIN, SIGTTOU].contains(signal) { kill(getpid(), SIGSTOP) }
    }

    /// Ends as waitpid(2) reports of another one.
    private static func end(as status: Int32) -> Int32 {
        let signal = status & 0x7f
        guard signal != 0 else { return status >> 8 & 0xff }
        // Its core, if it has one, was written.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(4), &none)
        Glibc.signal(signal, SIG_DFL)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, signal)
        kill(getpid(), signal)
        sigprocmask(SIG_UNBLOCK, &set, nil)
        return 128 + signal
    }
}

/// The signals that are passed on: all that can be caught and do not say that this process itself has done something wrong.
struct ContextSignals: ~Copyable {
    private let descriptor: SignalDescriptor

    private static let own = [SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPIPE]

    init() throws(MoveError) {
        do throws(SystemError) {
            descriptor = try SignalDescriptor(
                (1...64).filter { !Self.own.contains($0) && $0 != 32 && $0 != 33 })
        } catch { throw MoveError("\(error)") }
    }

    var number: Int32 { descriptor.number }

    func next() -> Int32? { try? descriptor.next() }
}
