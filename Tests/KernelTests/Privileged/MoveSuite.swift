import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Processes that are moved to another control group after their exec, and their forks.
    @Suite("moves between control groups")
    struct MoveSuite {
        private static let count = 7

        /// Opens files named by a word and a number before it is told that it was moved, and behind it.
        private static let story = """
            import os, sys
            folder, group, child = sys.argv[1:4]
            def write(word):
                for number in range(7): open(f"{folder}/{word}{number}", "w").close()
            write("early")
            open(folder + "/ready", "w").close()
            while not os.path.exists(folder + "/go"): os.sched_yield()
            pid = os.fork()
            write("child" if pid == 0 else "late")
            if pid == 0: os._exit(0)
            os.waitpid(pid, 0)
            """

        private func play(_ bench: Bench, _ folder: String, _ group: ControlGroup) throws {
            try write(Self.story, to: folder + "/story.py")
            let child = try Child(["python3", folder + "/story.py", folder, group.folder, "-"])
            let isReady: Bool? = eventually(within: 20) {
                FileManager.default.fileExists(atPath: folder + "/ready") ? true : nil
            }
            #expect(isReady == true)
            // What was opened is taken in before the move: it has no time of its own.
            _ = try bench.daemon.dump()
            try write("\(child.pid)", to: group.folder + "/cgroup.procs")
            _ = try bench.daemon.dump()
            try write("", to: folder + "/go")
            try child.succeed()
        }

        private func workloads(_ dump: Dump, _ folder: String, _ word: String) -> [Set<String?>] {
            (0..<Self.count).map { number in
                Set(dump.dependencies.files("\(folder)/\(word)\(number)").map(\.program.workload))
            }
        }

        @Test(.timeLimit(.minutes(2))) func whatIsDoneAfterAMoveIsDoneThere() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("move")
            let group = try ControlGroup()
            try play(bench, folder, group)
            let dump = try bench.daemon.dump()
            let early = workloads(dump, folder, "early")
            #expect(early.allSatisfy { !$0.contains(group.workload) && $0.count == 1 }, "\(early)")
            for word in ["late", "child"] {
                let found = workloads(dump, folder, word)
                #expect(found.allSatisfy { $0 == [group.workload] }, "\(word): \(found)")
                let records = (0..<Self.count).flatMap { dump.dependencies.files("\(folder)/\(word)\($0)") }
                #expect(
                    records.allSatisfy { $0.evidence == "exact" && $0.program.script == folder + "/story.py" }
                )
            }
            let started = dump.dependencies.relation("spawn").filter {
                $0.child?.script == folder + "/story.py" && $0.child?.workload == group.workload
            }
            #expect(started.map(\.program.script) == [folder + "/story.py"])
            #expect(started.map(\.evidence) == ["exact"] && started.map(\.count) == [1])
            try bench.daemon.stop()
        }

        /// Without the ring nothing reports the move: the scan before the dump reads the group.
        @Test(.timeLimit(.minutes(2))) func withoutTheRingAScanFindsIt() throws {
            let bench = try Bench(configuration: "tracepoints = off\n")
            let folder = try bench.files.folder("move")
            let group = try ControlGroup()
            try play(bench, folder, group)
            let dump = try bench.daemon.dump()
            let late = workloads(dump, folder, "late")
            #expect(late.allSatisfy { $0 == [group.workload] }, "\(late)")
            let started = dump.dependencies.relation("spawn").filter {
                $0.child?.script == folder + "/story.py" && $0.child?.workload == group.workload
            }
            #expect(started.map(\.evidence) == ["snapshot"])
            try bench.daemon.stop()
        }
    }
}
