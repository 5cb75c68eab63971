import CLinux
import Glibc
import SystemCalls

/// A program of this host that does something for a move, such as nft(8) or ip(8).
enum Tool {
    /// What it came to.
    struct Outcome: Equatable {
        /// The exit status; 128 and the signal for one that was killed.
        var status: Int32
        /// What it wrote, both outputs together.
        var output: String
        /// Whether it ran longer than it may, and was killed.
        var isLate = false
        /// Whether it wrote more than is kept of it.
        var isCut = false
    }

    /// Bytes that are kept of what a program writes: names of some thousand files.
    private static let mostOutput = 256 << 10

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - input: its standard input.
    ///   - seconds: after which it is killed, with all that it started in its process group.
    ///   - change: says more of how it is started.
    static func run(
        _ words: [String], input: String = "", seconds: Double = 60, change: (inout Launch) -> Void = { _ in }
    ) throws(MoveError) -> Outcome {
        let began = Timeline.begin()
        defer { Timeline.end(began, "tool \(words.joined(separator: " ").prefix(60))") }
        let output = try file("output")
        let text = try file("input")
        let bytes = Array(input.utf8)
        bytes.withUnsafeBytes { _ = pwrite(text.number, $0.baseAddress, $0.count, 0) }
        var launch = Launch(words)
        launch.input = text.number
        launch.output = output.number
        change(&launch)
        let child = try launch.start()
        let end = Clock.monotonic() + UInt64(seconds * 1e9)
        let ended = EndOfProcess(child)
        var status: Int32 = 0
        var isLate = false
        while true {
            let done = waitpid(child, &status, WNOHANG)
            if done == child || (done < 0 && errno != EINTR) { break }
            if Clock.monotonic() > end {
                kill(-child, SIGKILL)
                kill(child, SIGKILL)
                waitpid(child, &status, 0)
                isLate = true
                break
            }
            ended.wait(until: end)
        }
        var said = [UInt8](repeating: 0, count: mostOutput)
        let count = pread(output.number, &said, said.count, 0)
        return Outcome(
            status: status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f,
            output: String(decoding: said[..<max(count, 0)], as: UTF8.self), isLate: isLate,
            isCut: count == said.count)
    }

    /// The same, for a program that has to end with 0.
    static func need(
        _ words: [String], input: String = "", seconds: Double = 60
    ) throws(MoveError) {
        let outcome = try run(words, input: input, seconds: seconds)
        guard outcome.status == 0 else {
            throw MoveError(
                "\(words.joined(separator: " ")): "
                    + (outcome.output.isEmpty
                        ? "exit status \(outcome.status)"
                        : outcome.output.split(separator: "\n").prefix(3).joined(separator: "; ")))
        }
    }

    /// A file without a name.
    private static func file(_ name: String) throws(MoveError) -> FileDescriptor {
        let number = memfd_create(name, UInt32(MFD_CLOEXEC))
        guard number >= 0 else { throw MoveError("memfd_create: \(SystemError.text(of: errno))") }
        return FileDescriptor(owning: number)
    }

    /// Whether a program is in PATH.
    static func exists(_ name: String) -> Bool { path(name) != nil }

    /// Where a program is in PATH; `nil` where it is not.
    static func path(_ name: String) -> String? {
        Launch.path.dropFirst(5).split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
