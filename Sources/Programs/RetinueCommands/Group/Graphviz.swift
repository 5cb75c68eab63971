import Glibc
import MoveGroup
import SystemCalls

/// Drawing by dot(1) of Graphviz, where it is installed.
enum Graphviz {
    /// Draws a group as SVG.
    static func draw(_ report: GroupReport, _ options: PictureOptions, to output: Output) throws {
        let source = try namelessFile()
        try report.writeDot(options) { try Output(number: source.number, name: "a temporary file").write($0) }
        guard lseek(source.number, 0, SEEK_SET) == 0 else {
            throw Failure("lseek: \(SystemError.text(of: errno))")
        }
        let status = try run(["dot", "-Tsvg"], input: source.number, output: output.number)
        guard status == 0 else {
            throw Failure("dot (Graphviz) failed; --format dot prints what it was given")
        }
    }

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

    private static func run(_ words: [String], input: Int32, output: Int32) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        // What this program ignores, its child would ignore too.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
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
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
