import CLinux
import Glibc
import SystemCalls
import Text

/// A program that is started with its input empty, or in a file, and its output in a file, in a process group of its own.
///
/// It has no signal blocked or ignored, and goes with its value: what it has started in its group as well.
final class ChildProcess {
    let pid: pid_t
    private var status: Int32?
    private let signals: HeldSignals

    /// Starts a program, found by `PATH`; posix_spawn(3).
    ///
    /// - Parameters:
    ///   - output: a file that both of its outputs are appended to.
    ///   - data: where its standard output goes instead.
    ///   - input: what it reads; nothing unless it is named.
    ///   - signals: what ends waiting for it.
    init(
        _ command: [[UInt8]], output: String, data: Int32? = nil, input: Int32? = nil, signals: HeldSignals
    ) throws(Failure) {
        self.signals = signals
        _ = Self.adoptsOrphans
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 2, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // A descriptor onto itself loses its flag to be closed (posix_spawn_file_actions_adddup2(3)).
        posix_spawn_file_actions_adddup2(&actions, data ?? 2, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // Ctrl-C is for this program, which has to take back what the child has done.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { word in
            (word + [0]).withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { strdup($0.baseAddress!) }
            }
        }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var started: pid_t = 0
        let code = posix_spawnp(&started, arguments[0]!, &actions, &attributes, arguments, Glibc.environ)
        guard code == 0 else {
            throw Failure("cannot start \(Printable.text(command[0])): \(SystemError.text(of: code))")
        }
        pid = started
    }

    deinit { end() }

    /// Whether it has ended.
    var isOver: Bool {
        if status != nil { return true }
        var found: Int32 = 0
        guard waitpid(pid, &found, WNOHANG) == pid else { return false }
        status = found
        return true
    }

    /// What a child leaves in its group becomes this program's, which can wait for it: the first process of a namespace has
    /// ended when all others in it have.
    private static let adoptsOrphans = clinux_adopt_orphans() == 0

    /// Kills it, and what it has started in its process group; waits until all of that has ended.
    func end() {
        guard status == nil else { return }
        kill(-pid, SIGKILL)
        finish()
        while waitpid(-pid, nil, 0) > 0 || errno == EINTR {}
    }

    /// Waits for its end, whatever signal comes.
    func finish() {
        guard status == nil else { return }
        var found: Int32 = 0
        while waitpid(pid, &found, 0) < 0, errno == EINTR {}
        status = found
    }

    /// Waits for its end; its exit status, or 128 and the number of the signal that ended it.
    func wait() throws(HeldSignals.Interrupted) -> Int32 {
        // The end of a child is a signal: this is the longest that one that was missed is waited for.
        while !isOver { try signals.wait(200_000_000) }
        let found = status ?? 0
        return found & 0x7f == 0 ? found >> 8 & 0xff : 128 + found & 0x7f
    }

    /// Runs a program to its end; its exit status.
    ///
    /// - Throws: `Failure` or `HeldSignals.Interrupted`.
    static func run(_ command: [String], output: String, signals: HeldSignals) throws -> Int32 {
        try ChildProcess(command.map { Array($0.utf8) }, output: output, signals: signals).wait()
    }

    /// The folder of `PATH` in which a program lies; `nil` where there is none.
    static func folder(of program: String) -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        return path.split(separator: ":").map(String.init).first { access("\($0)/\(program)", X_OK) == 0 }
    }
}
