import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Execs as fast as they can be made.
    @Suite("exec storm")
    struct ExecStormSuite {
        /// `RLIMIT_RTTIME` counts the processor time since the real-time thread last slept; a storm of interpreters
        /// with many arguments, each a matter of milliseconds, leaves it no reason to sleep of its own. The limit is set
        /// to a tenth of the daemon's own here.
        @Test(.timeLimit(.minutes(3)))
        func limitOfRealTimeIsNotReached() throws {
            let bench = try Bench()
            let pid = bench.daemon.process.pid
            try #require(
                try Self.policies(pid).contains(2), "no thread of the daemon has SCHED_RR: nothing is tested")
            try run(ShippedUnit.client + ["prlimit", "--pid", "\(pid)", "--rttime=200000:2000000"])
            let folder = try bench.files.folder("storm")
            try run(["cp", "/bin/true", folder + "/bash"])
            let program = """
                import os, time
                end = time.monotonic() + 5
                while time.monotonic() < end:
                    child = os.posix_spawn("\(folder)/bash", ["bash"] + ["-a"] * 20000, {})
                    os.waitpid(child, 0)
                """
            let storm = try (0..<4).map { _ in try Child(["python3", "-c", program]) }
            for child in storm { try child.succeed() }
            #expect(bench.daemon.process.endingIfOver() == nil, "ended by SIGXCPU")
            let dump = try bench.daemon.dump()
            print("exec storm: \(dump.header.sources["proc_connector"]?.received ?? 0) process events")
            try bench.daemon.stop()
        }

        /// The scheduling policies of a process's threads (field 41 of `stat`).
        private static func policies(_ pid: pid_t) throws -> Set<Int> {
            var policies: Set<Int> = []
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task") {
                let stat = try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/stat", encoding: .utf8)
                let fields = stat[stat.lastIndex(of: ")")!...].split(separator: " ")
                if let policy = Int(fields[39]) { policies.insert(policy) }
            }
            return policies
        }
    }
}
