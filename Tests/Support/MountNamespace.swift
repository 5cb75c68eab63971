import Foundation

/// A mount namespace of a test's own: what is mounted in it, nobody else sees, and it goes with its value.
package final class MountNamespace {
    private let keeper: Child
    /// A folder for mount points and images, removed with the value.
    package let folder: String

    /// Makes it.
    package init() throws {
        folder = try makeTemporaryFolder()
        let keeper = try Child(["unshare", "--mount", "--propagation", "private", "sleep", "3600"])
        self.keeper = keeper
        let isReady: Bool? = eventually {
            let name = try? String(contentsOfFile: "/proc/\(keeper.pid)/comm", encoding: .utf8)
            return name == "sleep\n" ? true : nil
        }
        guard isReady == true else { throw Failure("unshare: \(keeper.errorText)") }
    }

    deinit {
        keeper.kill()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// What stands before a command that is to run in it; the command then has the pid of the child itself.
    package var prefix: [String] { ["nsenter", "--mount=/proc/\(keeper.pid)/ns/mnt", "--"] }

    /// Runs a command in it to its end.
    @discardableResult
    package func run(_ command: [String], within seconds: Double = 120) throws -> String {
        try TestSupport.run(prefix + command, within: seconds)
    }

    /// Starts a command in it.
    package func start(_ command: [String]) throws -> Child { try Child(prefix + command) }

    /// Makes a folder in the folder.
    package func makeFolder(_ name: String) throws -> String {
        let path = folder + "/" + name
        try TestSupport.makeFolder(path)
        return path
    }
}
