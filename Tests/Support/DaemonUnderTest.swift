import Foundation
import SystemCalls

/// The real `retinued`, with a state folder of its own; killed at the latest when its value goes.
package final class DaemonUnderTest {
    /// The state folder.
    package let stateFolder: String
    /// Nanoseconds from its start to its ready line.
    package private(set) var readyAfter: UInt64 = 0
    /// The running process.
    package let process: Child
    private let dumpPatience: Double = 60

    /// Starts the daemon and waits until it says that it is ready.
    ///
    /// - Parameters:
    ///   - configuration: text of a configuration file.
    ///   - arguments: further options.
    ///   - prefix: what stands before the command and executes it, such as `setpriv`; without one the daemon runs as by its
    ///     unit, where the tests are to run so (`ShippedUnit`).
    package init(
        stateFolder: String, configuration: String? = nil, arguments: [String] = [], prefix: [String] = []
    ) throws {
        self.stateFolder = stateFolder
        let asUnit = prefix.isEmpty && ShippedUnit.isAsked ? try ShippedUnit.prefix() : prefix
        if asUnit.contains("--reuid=\(ShippedUnit.user)") { try ShippedUnit.give(stateFolder: stateFolder) }
        let start = Clock.monotonic()
        process = try Child(
            asUnit
                + DaemonUnderTest.command(
                    stateFolder: stateFolder, configuration: configuration, arguments: arguments))
        let ready: Bool? = eventually(within: 60, every: 0.001) {
            if process.errorText.contains("retinued: ready\n") { return true }
            return process.endingIfOver() == nil ? nil : false
        }
        readyAfter = Clock.monotonic() - start
        guard ready == true else {
            process.kill()
            throw Failure("retinued did not become ready: \(process.errorText)")
        }
    }

    /// The command that starts a daemon.
    package static func command(
        stateFolder: String, configuration: String? = nil, arguments: [String] = []
    ) throws -> [String] {
        var command = [try Products.path("retinued"), "--state-dir", stateFolder]
        if let configuration {
            let file = stateFolder + ".conf"
            try write(configuration, to: file)
            command += ["--config", file]
        }
        return command + ["--socket", stateFolder + ".sock"] + arguments
    }

    deinit { process.kill() }

    /// The path of latest.ndjson.
    package var latest: String { stateFolder + "/dumps/latest.ndjson" }

    /// Paths of all dumps but latest.ndjson.
    package func dumps() throws -> [String] {
        let folder = stateFolder + "/dumps"
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            .filter { $0.hasSuffix(".ndjson") && $0 != "latest.ndjson" }.map { folder + "/" + $0 }
    }

    /// Signals the daemon, waits for the new dump, holds it against the schema and reads it.
    package func dump() throws -> Dump {
        let before = DumpIdentity(latest)
        process.signal(SIGUSR1)
        try waitForDump(after: before)
        let text = try bytes(ofFile: latest)
        let problems = try JSONSchema.recordFormat().problems(inDump: Self.sample(text))
        guard problems.isEmpty else {
            throw Failure("a dump breaks its schema: \(problems.prefix(5).joined(separator: "; "))")
        }
        return try Dump(text: String(decoding: text, as: UTF8.self))
    }

    /// A dump of usual size as it is; of a very large one its head and its tail, since the validator of a
    /// debug build takes its time.
    private static func sample(_ dump: [UInt8]) -> [UInt8] {
        let lineFeed = UInt8(ascii: "\n")
        let limit = 1 << 20
        guard dump.count > 2 * limit else { return dump }
        let head = dump.prefix(limit).reversed().drop { $0 != lineFeed }.reversed()
        return Array(head) + dump.suffix(limit).drop { $0 != lineFeed }
    }

    /// Waits until latest.ndjson names another dump than before.
    package func waitForDump(after before: DumpIdentity?) throws {
        let done: Bool? = eventually(within: dumpPatience) {
            if process.endingIfOver() != nil { return false }
            let now = DumpIdentity(latest)
            return now != nil && now != before ? true : nil
        }
        guard done == true else {
            throw Failure(
                "no dump after SIGUSR1 (\(String(describing: process.endingIfOver())))"
                    + ": \(process.errorText)")
        }
    }

    /// Asks it to end and throws unless it does so in good order.
    package func stop() throws {
        process.signal(SIGTERM)
        try process.succeed(within: 60)
    }
}

/// Which dump latest.ndjson names, whether it is a symbolic or a hard link.
package struct DumpIdentity: Equatable {
    private let target: String?
    private let inode: UInt
    private let changed: Int

    /// Looks at a path; `nil` if there is nothing.
    package init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
        inode = UInt(status.st_ino)
        changed = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
    }
}
