import Foundation
import SystemCalls

/// A child process of a test: what it says is kept, and it does not outlive its value.
package final class Child: @unchecked Sendable {
    /// How a process ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// What every child finds, unless told otherwise: the system's own programs and no language.
    package static let environment = [
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "HOME": "/nonexistent",
    ]

    package let pid: pid_t
    private let command: [String]
    private let output: FileDescriptor
    private let errors: FileDescriptor
    private var ending: Ending?

    /// Starts a program, found by `PATH` if its name has no slash.
    package init(
        _ command: [String], environment: [String: String] = Child.environment, folder: String? = nil
    ) throws {
        // posix_spawn cannot change the folder by a call that Swift would import.
        let command = (folder.map { ["env", "--chdir=\($0)"] } ?? []) + command
        self.command = command
        output = try Child.namelessFile()
        errors = try Child.namelessFile()

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.number, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.number, 2)

        // The test runner may have blocked or ignored signals, which children would inherit.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let arguments = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let failure = posix_spawnp(&pid, command[0], &actions, &attributes, arguments, variables)
        guard failure == 0 else { throw Failure("\(command[0]): \(String(cString: strerror(failure)))") }
        self.pid = pid
    }

    deinit {
        if ending == nil { kill() }
    }

    /// A file and not a pipe: nobody has to read it while the child runs.
    private static func namelessFile() throws -> FileDescriptor {
        var template = Array((NSTemporaryDirectory() + "/retinue-test-XXXXXX").utf8CString)
        let number = mkstemp(&template)
        guard number >= 0 else { throw Failure("mkstemp: \(String(cString: strerror(errno)))") }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        unlink(template)
        return FileDescriptor(owning: number)
    }

    /// What it has written on its standard output so far.
    package var outputText: String { Child.text(of: output) }
    /// What it has written on its standard error so far.
    package var errorText: String { Child.text(of: errors) }

    private static func text(of descriptor: borrowing FileDescriptor) -> String {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        // Not `read`: the position is shared with the child that writes.
        let count = pread(descriptor.number, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }

    /// How it ended; `nil` while it runs.
    package func endingIfOver() -> Ending? {
        if let ending { return ending }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        ending = status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: status & 0x7f)
        return ending
    }

    /// Waits for its end; when it takes too long, kills it and throws.
    @discardableResult
    package func wait(within seconds: Double = 120) throws -> Ending {
        if let ending = eventually(within: seconds, { endingIfOver() }) { return ending }
        kill()
        throw Failure("\(command) did not end within \(seconds) s\n\(outputText)\(errorText)")
    }

    /// Waits for it and throws unless it exits with 0.
    package func succeed(within seconds: Double = 120) throws {
        let ending = try wait(within: seconds)
        guard ending == .exited(0) else {
            throw Failure("\(command): \(ending)\n\(outputText)\(errorText)")
        }
    }

    /// Waits for the first line of its output.
    package func firstLine(within seconds: Double = 30) throws -> String {
        let line: String? = eventually(within: seconds) {
            let text = outputText
            return text.contains("\n") ? text.split(separator: "\n").first.map(String.init) : nil
        }
        guard let line else { throw Failure("\(command) said nothing\n\(errorText)") }
        return line
    }

    /// Sends a signal.
    package func signal(_ signal: Int32) {
        // A process that was waited for is no longer ours: its number may be another's.
        if endingIfOver() == nil { _ = Glibc.kill(pid, signal) }
    }

    /// Kills it and waits until it is gone.
    package func kill() {
        signal(SIGKILL)
        _ = eventually { endingIfOver() }
    }
}

/// Runs a program to its end and throws unless it exits with 0.
@discardableResult
package func run(
    _ command: [String], environment: [String: String] = Child.environment, folder: String? = nil,
    within seconds: Double = 120
) throws -> String {
    let child = try Child(command, environment: environment, folder: folder)
    try child.succeed(within: seconds)
    return child.outputText
}
