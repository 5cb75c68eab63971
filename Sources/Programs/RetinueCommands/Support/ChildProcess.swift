import Glibc
import SystemCalls
import Text

/// A program that is started with its input empty and its output in a file.
final class ChildProcess {
    let pid: pid_t
    private var status: Int32?

    /// Starts a program, found by `PATH`; posix_spawn(3).
    ///
    /// - Parameter output: a file that both of its outputs are appended to.
    init(_ command: [[UInt8]], output: String) throws(Failure) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { word in
            (word + [0]).withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { strdup($0.baseAddress!) }
            }
        }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var started: pid_t = 0
        let code = posix_spawnp(&started, arguments[0]!, &actions, nil, arguments, environ)
        guard code == 0 else {
            throw Failure("cannot start \(Printable.text(command[0])): \(SystemError.text(of: code))")
        }
        pid = started
    }

    deinit {
        guard status == nil else { return }
        kill(pid, SIGKILL)
        _ = wait()
    }

    /// Whether it has ended.
    var isOver: Bool {
        if status != nil { return true }
        var found: Int32 = 0
        guard waitpid(pid, &found, WNOHANG) == pid else { return false }
        status = found
        return true
    }

    /// Waits for its end; its exit status, or 128 and the number of the signal that ended it.
    func wait() -> Int32 {
        var found = status ?? 0
        while status == nil {
            let ended = waitpid(pid, &found, 0)
            if ended == pid || errno != EINTR { status = found }
        }
        return found & 0x7f == 0 ? found >> 8 & 0xff : 128 + found & 0x7f
    }

    /// Runs a program to its end; its exit status.
    static func run(_ command: [String], output: String) throws(Failure) -> Int32 {
        try ChildProcess(command.map { Array($0.utf8) }, output: output).wait()
    }
}
