import Glibc
import MoveGroup
import Records
import SystemCalls

/// Drawing by dot(1) of Graphviz, where it is installed.
enum Graphviz {
    /// Draws a group as SVG.
    ///
    /// How long dot takes grows with the square of what it draws and more: beyond what it draws in a minute or so it is
    /// not started.
    static func draw(_ report: GroupReport, _ options: PictureOptions, to output: Output) throws {
        let size = report.pictureSize(options)
        guard size.boxes <= mostBoxes, size.arrows <= mostArrows else {
            throw Failure(
                "too large to be drawn: \(Quantity.counted(size.boxes, "box", "boxes")) and "
                    + "\(Quantity.counted(size.arrows, "arrow")), and dot takes at most "
                    + "\(Quantity.grouped(mostBoxes)) and \(Quantity.grouped(mostArrows)) here; make the group "
                    + "smaller (--stop-at, --exclude), or give --format dot to a layout engine for large graphs"
            )
        }
        let source = try namelessFile()
        try report.writeDot(options) { try Output(number: source.number, name: "a temporary file").write($0) }
        guard lseek(source.number, 0, SEEK_SET) == 0 else {
            throw Failure("lseek: \(SystemError.text(of: errno))")
        }
        let status = try Child.run(["dot", "-Tsvg"], input: source.number, output: output.number)
        guard status == 0 else {
            throw Failure("dot (Graphviz) failed; --format dot prints what it was given")
        }
    }

    static let mostBoxes = 1500
    static let mostArrows = 6000

    /// A file that goes with its descriptor, whatever happens.
    private static func namelessFile() throws -> FileDescriptor {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array((folder + "/retinue-XXXXXX").utf8CString)
        let number = mkstemp(&name)
        guard number >= 0 else { throw Failure("cannot write in \(folder): \(SystemError.text(of: errno))") }
        unlink(name)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        return FileDescriptor(owning: number)
    }
}

/// A program that works for this one and ends with it.
enum Child {
    /// Runs a program and waits for it; its status as of wait(2).
    ///
    /// It is terminated when this program is (SIGINT, SIGTERM, SIGHUP), and when nobody reads the output any more.
    ///
    /// - Throws: `ReaderGone` or `Failure`.
    static func run(_ words: [String], input: Int32, output: Int32) throws -> Int32 {
        // Both ends close when the child ends; only the child keeps the one that is written to.
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            pipe($0.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        guard made == 0 else { throw Failure("pipe: \(SystemError.text(of: errno))") }
        for end in [ends.0, ends.1] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let life = FileDescriptor(owning: ends.0)
        var pid: pid_t = 0
        do {
            let kept = FileDescriptor(owning: ends.1)
            pid = try Interruption.terminating { mask throws(Failure) in
                try start(words, input: input, output: output, life: kept.number, mask)
            }
        }
        defer { Interruption.forgetChild() }
        var isReaderGone = false
        var watched = [
            pollfd(fd: life.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: output, events: 0, revents: 0),
        ]
        while true {
            let count = poll(&watched, nfds_t(watched.count), -1)
            if count < 0, errno == EINTR { continue }
            if count < 0 || watched[0].revents != 0 { break }
            if watched.count > 1, watched[1].revents & Int16(POLLERR | POLLNVAL) != 0 {
                isReaderGone = true
                kill(pid, SIGTERM)
                watched.removeLast()
            }
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        if isReaderGone { throw ReaderGone() }
        return status
    }

    private static func start(
        _ words: [String], input: Int32, output: Int32, life: Int32, _ mask: sigset_t
    ) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, life, 3)
        // What this program ignores or blocks, its child would too.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        var mask = mask
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else {
            throw Failure(
                code == ENOENT
                    ? "\(words[0]) is not there: install Graphviz (apt install graphviz), or use --format dot"
                    : "cannot start \(words[0]): \(SystemError.text(of: code))")
        }
        return pid
    }
}
