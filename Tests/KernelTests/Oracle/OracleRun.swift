import Foundation
import TestSupport
import Testing

/// One run of a workload under strace while the daemon watches, and what came of it.
struct OracleRun {
    /// The calls that are traced: whatever opens a file, makes a process or a program, moves in the tree,
    /// or makes a connection.
    private static let calls = [
        "open", "openat", "openat2", "creat", "execve", "execveat", "clone", "clone3", "fork", "vfork",
        "chdir", "fchdir", "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "connect",
        "accept",
        "accept4",
    ]

    let comparison: Comparison
    let expected: Expectation
    let dump: Dump

    /// Runs `command` in `folder`, dumps and compares.
    init(
        _ name: String, _ command: [String], in folder: String, daemon: DaemonUnderTest,
        environment: [String: String] = [:]
    ) throws {
        let group = try ControlGroup()
        let trace = daemon.stateFolder + ".trace"
        try Self.trace(group.command(command), in: folder, environment, to: trace)
        dump = try daemon.dump()
        let helper: Set = [try Products.path("enter")]
        expected = try Self.expectation(of: trace, folder: folder, ignoring: helper)
        comparison = Comparison(
            workload: name, expected: expected,
            actual: Facts(
                dump.records(of: group.workload), world: try FileWorld.host(), ignoring: helper))
        // Kept on a failure only: what the oracle saw is half of the report.
        if !comparison.missing.isEmpty, let keep = ProcessInfo.processInfo.environment["RETINUE_KEEP"] {
            try? FileManager.default.copyItem(atPath: trace, toPath: "\(keep)/\(name).trace")
            try? FileManager.default.copyItem(
                atPath: realPath(daemon.latest), toPath: "\(keep)/\(name).ndjson")
        }
    }

    /// Runs a command under strace.
    static func trace(
        _ command: [String], in folder: String, _ environment: [String: String] = [:], to file: String
    ) throws {
        let strace = [
            "strace", "-f", "-q", "-s", "4096", "-xx", "-yy", "--seccomp-bpf",
            "-e", "trace=\(calls.joined(separator: ","))", "-o", file,
        ]
        try run(
            strace + command, environment: Child.environment.merging(environment) { $1 }, folder: folder,
            within: 300)
    }

    /// What a trace lets one expect; to be asked while the workload's files are still there.
    static func expectation(of file: String, folder: String, ignoring: Set<String>) throws -> Expectation {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        return Expectation(
            trace: StraceParser([UInt8](bytes)), world: try FileWorld.host(), folder: folder,
            ignoring: ignoring)
    }

    /// Prints the figures and holds them against what was promised.
    func judge() {
        print(comparison.summary)
        for extra in comparison.explained { print("  explained extra: \(extra)") }
        #expect(expected.complaints.isEmpty, "the oracle does not understand its own trace")
        #expect(comparison.missing.isEmpty, "recall is not 100 %")
        #expect(comparison.unexplained.isEmpty, "an extra that nothing explains")
        #expect(comparison.precision >= 0.99, "precision \(comparison.precision)")
    }
}
