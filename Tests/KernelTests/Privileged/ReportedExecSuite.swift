import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Programs of the system's own folders, which are known without a look at their processes.
    @Suite("reported execs")
    struct ReportedExecSuite {
        private static let count = 100

        /// Starts a program many times, each of which ends at once, when the daemon has had time to find the host settled.
        private static let story = """
            import os, sys, time
            time.sleep(2.5)
            for _ in range(\(count)):
                os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], {}), 0)
            """

        private func processes(_ dump: Dump) throws -> Dump.Source {
            try #require(dump.header.sources["proc_connector"])
        }

        /// Each is there, in its own group and for certain, and hardly any was looked at.
        @Test(.timeLimit(.minutes(3))) func shortOnesAreKnownWithoutALook() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("reported")
            try write(Self.story, to: folder + "/story.py")
            // Another mount namespace may appear on the host meanwhile.
            var reported: UInt64 = 0
            for attempt in 1...5 where reported < Self.count * 9 / 10 {
                let group = try ControlGroup()
                let before = try processes(try bench.daemon.dump())
                try run(group.command(["python3", folder + "/story.py", "/bin/true"]))
                let dump = try bench.daemon.dump()
                let after = try processes(dump)
                let spawns = dump.records(of: group.workload).relation("spawn").filter {
                    $0.child?.executable == realPath("/bin/true")
                }
                #expect(spawns.map(\.count) == [UInt64(Self.count)], "\(spawns)")
                #expect(spawns.allSatisfy { $0.evidence == "exact" && $0.child?.workload == group.workload })
                #expect(after.unknownExecutables == before.unknownExecutables)
                reported = (after.imagesReported ?? 0) - (before.imagesReported ?? 0)
                print("reported execs: attempt \(attempt), \(reported) of \(Self.count)")
            }
            #expect(reported >= Self.count * 9 / 10)
        }

        /// Who is moved and executes something at once is what it is in its new group.
        @Test(.timeLimit(.minutes(3))) func whoIsMovedIsInItsNewGroup() throws {
            let bench = try Bench()
            Thread.sleep(forTimeInterval: 2.5)
            let group = try ControlGroup()
            // The kernel waits a quarter of a second for each move.
            let count = 24
            for _ in 0..<count { try run(group.command(["/bin/true"])) }
            let dump = try bench.daemon.dump()
            let spawns = dump.dependencies.relation("spawn").filter {
                $0.child?.executable == realPath("/bin/true") && $0.child?.workload == group.workload
            }
            #expect(spawns.reduce(0) { $0 + $1.count } == UInt64(count), "\(spawns)")
        }

        /// For every thread the kernel would look up its namespaces: where threads are many it is asked no longer, and what is
        /// executed meanwhile is looked at.
        @Test(.timeLimit(.minutes(3))) func threadsArePaidForNoLonger() throws {
            let bench = try Bench()
            let threads = """
                import threading
                for _ in range(3000):
                    thread = threading.Thread(target=int)
                    thread.start()
                    thread.join()
                """
            // Rings that take the place of others have other numbers.
            func rings() throws -> Set<String> {
                let folder = "/proc/\(bench.daemon.process.pid)/fd"
                return Set(
                    try FileManager.default.contentsOfDirectory(atPath: folder).filter {
                        let link = try? FileManager.default.destinationOfSymbolicLink(
                            atPath: folder + "/" + $0)
                        return link == "anon_inode:[perf_event]"
                    })
            }
            let before = try rings()
            let pauses = try processes(try bench.daemon.dump()).reportsPaused ?? 0
            try #require(pauses == 0 && !before.isEmpty)
            try run(["python3", "-c", threads])
            let closed = try eventually(within: 20, every: 0.5) {
                let paused = try processes(try bench.daemon.dump()).reportsPaused ?? 0
                return try paused > 0 && rings() != before ? true : nil
            }
            #expect(closed == true)
            let narrow = try rings()
            let group = try ControlGroup()
            let reported = try processes(try bench.daemon.dump()).imagesReported
            for _ in 0..<10 { try run(group.command(["/bin/sleep", "0.02"])) }
            let dump = try bench.daemon.dump()
            let spawns = dump.records(of: group.workload).relation("file").filter {
                $0.program.executable == realPath("/bin/sleep")
            }
            #expect(!spawns.isEmpty)
            if try rings() == narrow { #expect(try processes(dump).imagesReported == reported) }
            let opened = try eventually(within: 30, every: 0.5) {
                _ = try bench.daemon.dump()
                return try rings() != narrow ? true : nil
            }
            #expect(opened == true)
        }

        /// In a new mount namespace a program may lie where nothing is watched yet: each is looked at.
        @Test(.timeLimit(.minutes(3))) func inANewNamespaceAllAreLookedAt() throws {
            let bench = try Bench()
            Thread.sleep(forTimeInterval: 2.5)
            // On a host that is slow the time in which all are looked at may be over before they were.
            for attempt in 1...3 {
                let begun = Date()
                let namespace = try MountNamespace()
                // The first drain that meets it has come.
                Thread.sleep(forTimeInterval: 0.3)
                let before = try processes(try bench.daemon.dump())
                for _ in 0..<10 { try namespace.run(["/bin/sleep", "0.02"]) }
                let took = Date().timeIntervalSince(begun)
                let after = try processes(try bench.daemon.dump())
                if took > 1.9 {
                    print("reported execs: attempt \(attempt) took \(took) s")
                    continue
                }
                // Those of the dumps, and nsenter(1) itself may be gone before it is looked at.
                let reported = (after.imagesReported ?? 0) - (before.imagesReported ?? 0)
                #expect(reported < 10, "\(reported) in \(took) s")
                return
            }
        }
    }
}
