import Control
import Glibc
import Records
import Synchronization
import TestSupport
import Testing

@testable import RetinueCommands

/// The built program, run as a user runs it.
@Suite("retinue")
struct ProgramTests {
    struct Outcome: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    @Test func versionAndHelp() throws {
        #expect(try retinue("--version") == Outcome(status: 0, output: "retinue 0.1.0\n", errors: ""))
        let names = ["probe", "status", "dump", "records", "watch", "top", "list", "advise", "forget"]
        let commands = names.map { [$0, "--help"] }
        for command in [[], ["--help"]] + commands {
            let outcome = try retinue(command)
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("Examples:"))
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test(
        arguments: [
            ["bogus"], ["--bogus"], ["status", "--bogus"], ["status", "--timeout", "0"],
            ["status", "--interval", "-1"], ["status", "--interval", "1", "--format", "json"],
            ["status", "--socket", "/a", "--state-dir", "/b"], ["records", "--relation", "friend"],
            ["records", "--limit", "0"], ["records", "--from", "/nonexistent"], ["dump", "--format", "xml"],
            ["records", "--from", "/dev/null", "--socket", "/a"], ["status", "--socket", ""],
            ["forget"], ["forget", "--older-than", "90"], ["watch", "--interval", "0"],
            ["top", "--sort", "size"],
            ["watch", "--after", "-1"], ["watch", "--scan-interval", "0.5"], ["top", "--window", "0"],
        ])
    func badInputIsASentenceAndStatusOne(arguments: [String]) throws {
        let outcome = try retinue(arguments)
        #expect(outcome.status == 1)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("Error: ") || outcome.errors.hasPrefix("retinue: "))
    }

    /// Before the plan is read, or an agent is asked: a move that is not live has nothing to go on without.
    @Test(arguments: ["check", "precopy", "cutover", "verify", "commit", "rollback", "run"])
    func whatMayBeLostIsForLiveMoves(verb: String) throws {
        try withTemporaryFolder { folder in
            func errors(_ words: [String]) throws -> String {
                let outcome = try retinue(
                    ["move", verb, "\(folder)/none.yaml", "--to", "b", "--agent", "\(folder)/none"] + words)
                #expect(outcome.status == 1 && outcome.output.isEmpty)
                return outcome.errors
            }
            let refused = try errors(["--lose", "pipe"])
            #expect(
                refused.hasPrefix(
                    "Error: --lose KIND is for a move with --live: add --live, or leave it out\n"),
                "\(refused)")
            #expect(refused.contains("Usage: retinue move \(verb)"), "\(refused)")
            let taken = try errors(["--lose", "pipe", "--live"])
            #expect(taken.contains("none.yaml") && !taken.contains("Usage"), "\(taken)")
        }
    }

    @Test(arguments: ["status", "dump", "records", "forget x", "watch", "watch --once", "top --once"])
    func noDaemonIsStatusThree(command: String) throws {
        try withTemporaryFolder { folder in
            let words = command.split(separator: " ").map(String.init)
            let outcome = try retinue(words + ["--state-dir", folder])
            #expect(outcome.status == 3)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.errors.hasPrefix("retinue: no retinued answers on \(folder)/retinued.sock; start it"))
        }
    }

    @Test func status() throws {
        try withDaemon(status: StatusTests.ready) { folder in
            let outcome = try retinue("status", "--state-dir", folder)
            #expect(outcome.status == 0)
            #expect(outcome.output.hasPrefix("state        ready\n"))
            let json = try retinue("status", "--socket", folder + "/retinued.sock", "--format", "json")
            #expect(json == Outcome(status: 0, output: StatusTests.ready + "\n", errors: ""))
            #expect(try retinue("status", "--state-dir", folder, "--interval", "0.01").status == 0)
        }
        try withDaemon(status: #"{"ready":false,"state":"starting"}"#) { folder in
            let outcome = try retinue("status", "--state-dir", folder)
            #expect(
                outcome == Outcome(status: 1, output: "state        NOT READY: starting\n", errors: ""))
            #expect(try retinue("status", "--state-dir", folder, "--format", "json").status == 1)
        }
    }

    @Test func forget() throws {
        try withTemporaryFolder { folder in
            let daemon = try FakeDaemon(path: folder + "/retinued.sock")
            defer { daemon.stop() }
            let done = try retinue("forget", "nginx", "--path", "/tmp/**", "--state-dir", folder)
            #expect(
                done == Outcome(status: 0, output: "24 records forgotten\n  file 23\n  spawn 1\n", errors: "")
            )
            let tried = try retinue(
                "forget", "--workload", "a.service", "--dry-run", "--state-dir", folder)
            #expect(tried.status == 0 && tried.output.hasPrefix("24 records would be forgotten\n"))
            let none = try retinue("forget", "--older-than", "30d", "--state-dir", folder)
            #expect(none == Outcome(status: 1, output: "0 records forgotten\n", errors: ""))
            #expect(try retinue("forget", "--state-dir", folder).status == 1)
            let asked = daemon.forgotten.withLock { $0 }
            #expect(
                asked.map(\.filter) == [
                    ForgetFilter(program: "nginx", path: "/tmp/**"), ForgetFilter(workload: "a.service"),
                    ForgetFilter(age: 30 * 86_400_000_000_000),
                ])
            #expect(asked.map(\.isDryRun) == [false, true, false])
        }
    }

    @Test func dumpIsPassedOnByteForByte() throws {
        let dump = SampleDump.ndjson
        try withDaemon(dump: dump) { folder in
            let outcome = try retinue("dump", "--state-dir", folder)
            #expect(outcome == Outcome(status: 0, output: text(dump), errors: ""))
            let csv = try retinue("dump", "--state-dir", folder, "--format", "csv")
            #expect(csv.status == 0)
            #expect(csv.output == text(SampleDump.csv))
        }
    }

    @Test func dumpIntoAFile() throws {
        let dump = SampleDump.ndjson
        try withDaemon(dump: dump) { folder in
            let file = folder + "/out.ndjson"
            try write("before", to: file)
            #expect(try retinue("dump", "--state-dir", folder, "--output", file).status == 0)
            #expect(try run(["cat", file]) == text(dump))
            #expect(try run(["stat", "-c", "%a", file]) == "600\n")
            // Nothing is left beside it.
            #expect(try run(["ls", folder]) == "out.ndjson\nretinued.sock\n")
            let nowhere = try retinue("dump", "--state-dir", folder, "-o", folder + "/no/file")
            #expect(nowhere.status == 1)
            #expect(
                nowhere.errors == "retinue: cannot write \(folder)/no/file: No such file or directory\n")
        }
    }

    @Test func aDumpThatTheDaemonRefusesChangesNothing() throws {
        try withDaemon(dump: nil) { folder in
            let file = folder + "/out.ndjson"
            try write("before", to: file)
            let outcome = try retinue("dump", "--state-dir", folder, "--output", file)
            #expect(
                outcome
                    == Outcome(
                        status: 1, output: "",
                        errors: "retinue: retinued says: the disk is full\\x1b[31m\n"))
            #expect(try run(["cat", file]) == "before")
        }
    }

    @Test func aReaderThatLeavesIsNoError() throws {
        let lines = String(repeating: "{\"type\":\"note\"}\n", count: 1 << 18)
        try withDaemon(dump: SampleDump.ndjson + Array(lines.utf8)) { folder in
            let command = "\"$0\" dump --state-dir \"$1\" | head -n 1 > /dev/null; echo ${PIPESTATUS[0]}"
            let child = try Child(["bash", "-c", command, try Products.path("retinue"), folder])
            try child.succeed()
            #expect(child.outputText == "0\n")
            #expect(child.errorText.isEmpty)
        }
    }

    @Test func aFullDiskIsSaid() throws {
        try withDaemon(dump: SampleDump.ndjson) { folder in
            let outcome = try retinue("dump", "--state-dir", folder, "--output", "/dev/full")
            #expect(outcome.status == 1)
            #expect(outcome.errors == "retinue: cannot write to /dev/full: No space left on device\n")
        }
    }

    @Test func records() throws {
        try withDaemon(dump: SampleDump.ndjson) { folder in
            let outcome = try retinue("records", "nginx", "--state-dir", folder)
            let table = SampleDump.table(RecordFilter(program: NamePattern("nginx")))
            #expect(outcome == Outcome(status: 0, output: table, errors: ""))

            let nothing = try retinue("records", "apache2", "--relation", "file", "--state-dir", folder)
            #expect(
                nothing
                    == Outcome(
                        status: 1, output: "",
                        errors: "retinue: no record matches program \"apache2\", relation file\n"))

            let limited = try retinue("records", "--limit", "3", "--state-dir", folder)
            #expect(limited.status == 0)
            #expect(limited.output.split(separator: "\n").count == 4)
            #expect(limited.errors == "retinue: 10 more rows; --all shows them\n")
            #expect(
                try retinue("records", "--limit", "3", "--all", "--state-dir", folder).output
                    .split(separator: "\n").count == 14)
        }
    }

    @Test func recordsFromAFile() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/host.ndjson"
            try write(text(SampleDump.ndjson), to: file)
            let all = try retinue("records", "--from", file, "--format", "ndjson")
            #expect(all == Outcome(status: 0, output: text(SampleDump.ndjson), errors: ""))
            let csv = try retinue("records", "--from", file, "--format", "csv", "--relation", "listen")
            #expect(csv.output.split(separator: "\n").count == 2)
            let wide = try retinue("records", "--from", file, "--wide", "--path", "/run/**")
            #expect(wide.output.contains("inferred"))
            #expect(wide.output.contains("/opt/app/report.py"))

            try write("{\"type\":\"dependency\"}\n", to: file)
            let broken = try retinue("records", "--from", file)
            #expect(broken.status == 1)
            #expect(broken.output.isEmpty)
            #expect(broken.errors.hasPrefix("retinue: \(file) is not a dump that can be read: line 1: "))
        }
    }

    @Test func completions() throws {
        for shell in ["bash", "zsh", "fish"] {
            let outcome = try retinue("--generate-completion-script", shell)
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("records"))
        }
    }

    private func withDaemon(
        status: String = "{\"ready\":true}", dump: [UInt8]? = nil, _ body: (_ folder: String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let daemon = try FakeDaemon(path: folder + "/retinued.sock", status: status, dump: dump)
            defer { daemon.stop() }
            try body(folder)
        }
    }

    private func retinue(_ arguments: String...) throws -> Outcome { try retinue(arguments) }

    private func retinue(_ arguments: [String]) throws -> Outcome {
        let child = try Child([try Products.path("retinue")] + arguments)
        guard case .exited(let status) = try child.wait(within: 30) else {
            throw TestSupport.Failure("retinue was killed")
        }
        return Outcome(status: status, output: child.outputText, errors: child.errorText)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
