import Foundation
import TestSupport

/// A FUSE server of a test's own (Tests/Workloads/fileserver) that counts what it is asked.
final class FileServer {
    /// What it was asked since its start.
    struct Asked: Equatable {
        var lookups = 0
        var attributes = 0
        var opens = 0
        var statistics = 0
    }

    let point: String
    let process: Child
    private let space: MountNamespace

    /// Mounts it in a namespace.
    init(_ space: MountNamespace, _ name: String = "served") throws {
        self.space = space
        point = try space.makeFolder(name)
        process = try space.start([try Products.path("fileserver"), point])
        guard try process.firstLine() == "serving" else { throw Failure("fileserver: \(process.errorText)") }
    }

    deinit { process.kill() }

    /// Stops it: whoever asks it waits.
    func stop() { process.signal(SIGSTOP) }
    /// Lets it go on.
    func goOn() { process.signal(SIGCONT) }

    /// What it was asked so far.
    func asked() throws -> Asked {
        let before = process.outputText.split(separator: "\n").count
        process.signal(SIGUSR1)
        let line: Substring? = eventually {
            // The signal ends a wait only; the line comes before the next request.
            let lines = process.outputText.split(separator: "\n")
            return lines.count > before ? lines.last : nil
        }
        let numbers = (line ?? "").split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 4 else { throw Failure("fileserver said \(line ?? "nothing")") }
        return Asked(lookups: numbers[0], attributes: numbers[1], opens: numbers[2], statistics: numbers[3])
    }
}
