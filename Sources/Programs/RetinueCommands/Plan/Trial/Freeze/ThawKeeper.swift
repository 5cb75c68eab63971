import ArgumentParser
import Glibc
import MovePlan
import SystemCalls

/// A process that undoes what is written to its standard input when that ends: when the writer closes it, or has ended
/// however, by SIGKILL too; or when its time is over.
///
/// It is this program again (`retinue plan undo`), in a session of its own. What it takes is written before it is done: a
/// thaw of what was not frozen changes nothing.
final class ThawKeeper {
    /// Something to be undone.
    enum Task {
        /// A control group that was frozen, by its folder.
        case group([UInt8])
        /// A process that was stopped.
        case process(MemberProcess)
        /// A command for a shell.
        case command(String)

        fileprivate var record: [UInt8] {
            switch self {
            case .group(let folder): Array("g".utf8) + folder + [0]
            case .process(let process): Array("p\(process.pid) \(process.start)".utf8) + [0]
            case .command(let text): Array("c\(text)".utf8) + [0]
            }
        }

        fileprivate init?(_ record: ArraySlice<UInt8>) {
            let rest = record.dropFirst()
            switch record.first {
            case UInt8(ascii: "g"): self = .group(Array(rest))
            case UInt8(ascii: "c"): self = .command(String(decoding: rest, as: UTF8.self))
            case UInt8(ascii: "p"):
                let numbers = String(decoding: rest, as: UTF8.self).split(separator: " ")
                guard numbers.count == 2, let pid = Int32(numbers[0]), let start = UInt64(numbers[1]) else {
                    return nil
                }
                self = .process(MemberProcess(pid: pid, start: start))
            default: return nil
            }
        }

        fileprivate func undo() {
            switch self {
            case .group(let folder): _ = ControlGroupFreezer(folder: folder).set(isFrozen: false)
            case .process(let process): _ = process.send(SIGCONT)
            case .command(let text):
                (try? ChildProcess(
                    ["sh", "-c", text].map { Array($0.utf8) }, output: "/dev/null", signals: HeldSignals()))?
                    .finish()
            }
        }
    }

    private let pid: pid_t
    private var input: Int32
    private var result: Bool?

    /// Starts it and waits until it is there.
    ///
    /// - Parameter limit: seconds after which it undoes everything by itself.
    init(limit: Int) throws(Failure) {
        var (tasks, ready): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&tasks) == 0, pipe(&ready) == 0 else {
            throw Failure("pipe: \(SystemError.text(of: errno))")
        }
        // No other program that this one starts may hold the end by which its own end shows.
        for number in tasks + ready { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, tasks[0], 0)
        posix_spawn_file_actions_adddup2(&actions, ready[1], 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Neither the terminal's signals nor those for this program's group are for it.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let texts = ["retinue", "plan", "undo", "--limit", "\(limit)"]
        var words: [UnsafeMutablePointer<CChar>?] = texts.map { (text: String) in strdup(text) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var started: pid_t = 0
        let code = posix_spawn(&started, "/proc/self/exe", &actions, &attributes, words, Glibc.environ)
        close(tasks[0])
        close(ready[1])
        input = tasks[1]
        pid = started
        var byte: UInt8 = 0
        let isThere = code == 0 && read(ready[0], &byte, 1) == 1
        close(ready[0])
        guard isThere else {
            close(input)
            if code == 0 { waitpid(pid, nil, 0) }
            result = false
            throw Failure(
                "cannot start what thaws the programs again: \(SystemError.text(of: code == 0 ? EIO : code))")
        }
    }

    deinit { _ = letGo() }

    /// Hands something over that is done right after.
    func take(_ task: Task) throws(Failure) {
        let bytes = task.record
        // Less than a pipe holds: a short write is one whose reader has ended.
        guard write(input, bytes, bytes.count) == bytes.count else {
            throw Failure("what thaws the programs again has ended: \(SystemError.text(of: errno))")
        }
    }

    /// Has everything undone and waits for that; whether nothing was undone before.
    func letGo() -> Bool {
        if let result { return result }
        close(input)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        result = status == 0
        return status == 0
    }

    /// The keeper itself: reads what it has to undo, and undoes it; whether its time was not over before.
    static func keep(limit: Int) -> Bool {
        _ = setsid()
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        let end = Clock.monotonic() + UInt64(limit) * 1_000_000_000
        var byte: UInt8 = 1
        _ = write(STDOUT_FILENO, &byte, 1)
        var bytes: [UInt8] = []
        var isInTime = true
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            let now = Clock.monotonic()
            guard now < end else {
                isInTime = false
                break
            }
            var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(clamping: (end - now) / 1_000_000 + 1)) > 0 else { continue }
            let count = read(STDIN_FILENO, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        for record in bytes.split(separator: 0).reversed() { Task(record)?.undo() }
        return isInTime
    }
}

/// What `ThawKeeper` starts.
struct UndoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Thaw what a trial has frozen, when that has ended.",
        shouldDisplay: false)

    @Option var limit: Int

    func run() throws {
        guard ThawKeeper.keep(limit: limit) else { throw ExitCode(3) }
    }
}
