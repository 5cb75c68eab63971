import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Trials of a service that goes on writing: what is copied is of one moment, and the service runs on.
    @Suite("frozen trials", .enabled(if: !ShippedUnit.isAsked, "no daemon has a part in it"))
    struct FreezeSuite {
        /// Two files that are never more than a step apart; copied while they are written, they would be.
        @Test(.timeLimit(.minutes(4)), arguments: [true, false])
        func copiesAreOfOneMoment(inAGroupOfItsOwn isAlone: Bool) throws {
            let writer = try WritingService(isAlone: isAlone)
            let done = try writer.tryPlan(["--freeze", "--format", "json"])
            #expect(done.ending == .exited(0), "\(done)")
            let (first, second) = try writer.counters(in: writer.folder + "/trial/root")
            #expect(first > 0 && (first == second || first == second + 1), "\(first) \(second)")
            let way = isAlone ? "1 process by 1 control group" : "1 process by signals"
            #expect(done.errors.contains("copied while its programs were frozen: \(way), for "), "\(done)")
            #expect(
                done.output.contains(#""consistency":"freeze""#)
                    || done.output.contains(#""consistency": "freeze""#))
            #expect(try writer.runsOn())
            #expect(try writer.longestPause() > 0.4, "it has stood while it was copied")
            // No longer than the copy: whose tar takes half a second here.
            #expect(try writer.longestPause() < 20)
            #expect(writer.keepers() == [])
        }

        /// The plan can ask for it, and for commands before and after.
        @Test(.timeLimit(.minutes(4)))
        func thePlanSaysHow() throws {
            let writer = try WritingService(isAlone: true)
            let hook =
                "{way: hook, before: 'cp -a \(writer.data) \(writer.folder)/saved', after: 'touch \(writer.folder)/after'}"
            let done = try writer.tryPlan([], consistency: hook)
            #expect(done.ending == .exited(0), "\(done)")
            #expect(done.errors.contains("copied between the plan's commands before and after it"), "\(done)")
            #expect(
                access(writer.folder + "/saved", F_OK) == 0 && access(writer.folder + "/after", F_OK) == 0)
            // One that fails: nothing is copied, and what comes after is done all the same.
            unlink(writer.folder + "/after")
            let failing =
                "{way: freeze, before: 'echo no >&2; exit 3', after: 'touch \(writer.folder)/after'}"
            let failed = try writer.tryPlan([], consistency: failing)
            #expect(failed.ending == .exited(1))
            #expect(
                failed.errors.hasPrefix("retinue: the plan's command before the copy ended with 3\n")
                    && failed.errors.contains("no\n"),
                "\(failed)")
            #expect(access(writer.folder + "/after", F_OK) == 0)
            #expect(try writer.runsOn())
            // Without anything it is said that it is copied as it lies there.
            let plain = try writer.tryPlan([])
            #expect(plain.errors.contains("copied as it lies there, while its programs run"), "\(plain)")
        }

        /// A service that wrote nothing while it was observed has no entry for the last copy: what the plan's command writes, in
        /// a new file and in one that was copied before it, comes along all the same.
        @Test(.timeLimit(.minutes(4)))
        func whatTheCommandWritesComesAlong() throws {
            let writer = try WritingService(isAlone: true)
            let hook =
                "{way: hook, before: 'echo saved > \(writer.data)/saved; echo later > \(writer.data)/middle/0'}"
            let done = try writer.tryPlan([], consistency: hook, treatment: "pre-copy")
            #expect(done.ending == .exited(0), "\(done)")
            for (name, text) in [("saved", "saved\n"), ("middle/0", "later\n"), ("middle/1", "x")] {
                let path = writer.folder + "/trial/root" + writer.data + "/" + name
                #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
            }
        }

        enum End: CaseIterable { case killed, interrupted, tooLate }

        /// In the middle of the copy, with everything frozen: it runs on whatever becomes of the trial.
        @Test(.timeLimit(.minutes(4)), arguments: End.allCases, [true, false])
        func itRunsOn(_ end: End, inAGroupOfItsOwn isAlone: Bool) throws {
            let writer = try WritingService(isAlone: isAlone)
            let limit = end == .tooLate ? "2" : "3600"
            let child = try writer.startTrial(
                ["--freeze", "--freeze-limit", limit], copying: end == .tooLate ? 6 : 3600)
            let isFrozen: Bool? = eventually(within: 60) { writer.isFrozen ? true : nil }
            #expect(isFrozen == true)
            let copying: Bool? = eventually(within: 60) {
                access(writer.folder + "/copying", F_OK) == 0 ? true : nil
            }
            #expect(copying == true)
            switch end {
            case .killed:
                child.signal(SIGKILL)
                #expect(try child.wait(within: 20) == .killed(signal: SIGKILL))
            case .interrupted:
                child.signal(SIGTERM)
                #expect(try child.wait(within: 20) == .killed(signal: SIGTERM))
            case .tooLate:
                #expect(try child.wait(within: 60) == .exited(1))
                #expect(
                    child.errorText.contains("the copy took longer than the programs may be held"),
                    "\(child.errorText)")
            }
            #expect(try writer.runsOn())
            let gone: Bool? = eventually(within: 20) { writer.keepers().isEmpty ? true : nil }
            #expect(gone == true)
        }

        @Test(.timeLimit(.minutes(2)))
        func badInput() throws {
            let writer = try WritingService(isAlone: true)
            for (words, consistency, sentence) in [
                (["--freeze-limit", "0"], nil, "--freeze-limit is from 1"),
                (["--freeze", "--root", writer.folder], nil, "what runs on this machine is frozen"),
                ([], "{way: melt}", "hosts[0].consistency.way"),
                ([], "{way: hook}", "without a command `before`"),
                ([], "{way: stop, before: x}", "`stop` takes no command"),
            ] as [([String], String?, String)] {
                let done = try writer.tryPlan(words, consistency: consistency)
                #expect(done.ending != .exited(0) && done.output.isEmpty, "\(done)")
                #expect(done.errors.contains(sentence), "\(done)")
            }
            writer.stop()
            let done = try writer.tryPlan(["--freeze"])
            #expect(done.ending == .exited(2))
            #expect(done.errors.contains("none of the plan's programs runs on this machine"), "\(done)")
        }
    }
}

/// A service that counts in two files in turn, and writes down when it did; and a plan of it.
private final class WritingService {
    let folder: String
    var data: String { folder + "/data" }
    private let group: ControlGroup
    private let writer: Child
    private var other: Child?

    private static let script = """
        import os, sys, time
        last, longest, n = time.monotonic(), 0, 0
        os.chdir(sys.argv[1])
        def put(name, text):
            file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
            os.pwrite(file, text.encode(), 0)
            os.close(file)
        while True:
            n += 1
            put('first', '%020d' % n)
            put('second', '%020d' % n)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            put('../pause', '%020.6f' % longest)
        """

    /// - Parameter isAlone: whether nobody else is in its control group.
    init(isAlone: Bool) throws {
        // Not in /tmp, of which no plan copies anything.
        folder = "/var/lib/retinue-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try makeFolder(folder)
        try run(["chmod", "755", folder])
        try makeFolder(folder + "/data")
        try write(Self.script, to: folder + "/writer.py")
        group = try ControlGroup()
        // Files that come before the second one in the copy: without freezing, the two would be far apart.
        try makeFolder(folder + "/data/middle")
        for number in 0..<700 { try write("x", to: folder + "/data/middle/\(number)") }
        writer = try Child(try group.command(["/usr/bin/python3", folder + "/writer.py", folder + "/data"]))
        if !isAlone { other = try Child(try group.command(["sleep", "1000"])) }
        guard try runsOn() else { throw Failure("it does not write: \(writer.errorText)") }
    }

    deinit {
        stop()
        other?.kill()
        group.remove()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func stop() { writer.kill() }

    func counters(in root: String = "") throws -> (Int, Int) {
        func read(_ name: String) throws -> Int {
            Int(try String(contentsOfFile: root + data + "/" + name, encoding: .utf8)) ?? 0
        }
        return (try read("first"), try read("second"))
    }

    /// Whether it goes on counting.
    func runsOn() throws -> Bool {
        let before = (try? counters().0) ?? 0
        let more: Bool? = eventually(within: 20) { ((try? counters().0) ?? 0) > before + 10 ? true : nil }
        return more == true
    }

    func longestPause() throws -> Double {
        Double(try String(contentsOfFile: folder + "/pause", encoding: .utf8)) ?? 0
    }

    /// Whether it stands.
    var isFrozen: Bool {
        let line = (try? String(contentsOfFile: "/proc/\(writer.pid)/stat", encoding: .utf8)) ?? ""
        let state = line.split(separator: ")").last?.split(separator: " ").first
        let events = (try? String(contentsOfFile: group.folder + "/cgroup.events", encoding: .utf8)) ?? ""
        return state == "T" || events.contains("frozen 1")
    }

    /// Processes that wait to thaw something.
    func keepers() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { name in
            guard Int32(name) != nil else { return false }
            let command = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data()
            return command.starts(with: Data("retinue\0plan\0undo".utf8))
        }
    }

    struct Done {
        var ending: Child.Ending
        var output: String
        var errors: String
    }

    private func plan(_ consistency: String?, _ treatment: String) throws -> String {
        let python = try run(["realpath", "/usr/bin/python3"]).trimmingCharacters(in: .newlines)
        let path = folder + "/plan.yaml"
        try write(
            """
            schema: retinue-plan/1
            program: writer
            made: 2026-11-27T00:00:00Z
            hosts:
            - host: one
              \(consistency.map { "consistency: \($0)" } ?? "name: one")
              programs:
              - {executable: \(python), script: \(folder)/writer.py, workload: \(group.workload), start: before, reason: where the group begins}
              entries:
              - {path: \(data), kind: tree, treatment: \(treatment)}

            """, to: path)
        return path
    }

    /// A folder with a tar that takes its time in the last copy, of which it says that it has begun.
    private func slowTar(_ seconds: Double) throws -> String {
        let bin = folder + "/tools"
        try? makeFolder(bin)
        let real = try run(["sh", "-c", "command -v tar"]).trimmingCharacters(in: .newlines)
        try write(
            """
            #!/bin/sh
            for word in "$@"; do
              case $word in --files-from=*) grep -qz '/data/first' "${word#*=}" && { : > \(folder)/copying; sleep \(seconds); };; esac
            done
            exec \(real) "$@"

            """, to: bin + "/tar")
        chmod(bin + "/tar", 0o755)
        return bin
    }

    func startTrial(
        _ words: [String], copying seconds: Double = 0.5, consistency: String? = nil,
        treatment: String = "final-copy"
    ) throws -> Child {
        var environment = Child.environment
        environment["PATH"] = try slowTar(seconds) + ":" + (environment["PATH"] ?? "")
        try run(["rm", "-rf", folder + "/trial"])
        return try Child(
            [
                try Products.path("retinue"), "plan", "try", try plan(consistency, treatment), "--start",
                "sleep 100",
                "--check", "true", "--into", folder + "/trial",
            ] + words, environment: environment)
    }

    func tryPlan(_ words: [String], consistency: String? = nil, treatment: String = "final-copy") throws
        -> Done
    {
        let child = try startTrial(words, consistency: consistency, treatment: treatment)
        let ending = try child.wait()
        return Done(ending: ending, output: child.outputText, errors: child.errorText)
    }
}
