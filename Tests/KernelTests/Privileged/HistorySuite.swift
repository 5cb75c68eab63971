import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What is known outlives the daemon.
    @Suite("history")
    struct HistorySuite {
        @Test(.timeLimit(.minutes(2)))
        func survivesARestart() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            let path = try leaveARecord(bench, group)
            let before = try #require(try bench.daemon.dump().records(of: group.workload).files(path).first)
            try bench.daemon.stop()

            let again = try DaemonUnderTest(stateFolder: bench.daemon.stateFolder)
            let after = try #require(try again.dump().records(of: group.workload).files(path).first)
            #expect(after.program == before.program)
            #expect(after.access == before.access)
            #expect(after.count == before.count)
            #expect(after.first == before.first)
            #expect(after.evidence == "exact")
            try again.stop()
        }

        /// Killed without a warning it loses what is younger than 5 s, and nothing older.
        @Test(.timeLimit(.minutes(2)))
        func survivesAKill() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            let path = try leaveARecord(bench, group)
            pause(seconds: 6)
            bench.daemon.process.kill()

            let again = try DaemonUnderTest(stateFolder: bench.daemon.stateFolder)
            #expect(try again.dump().records(of: group.workload).files(path).count == 1)
            try again.stop()
        }

        /// A damaged database is set aside as it is, and the daemon starts afresh and says so.
        @Test(.timeLimit(.minutes(2)))
        func damagedDatabaseIsSetAside() throws {
            try withTemporaryFolder { folder in
                let state = folder + "/state"
                try makeFolder(state)
                let garbage = String(repeating: "this is no database. ", count: 1000)
                try write(garbage, to: state + "/retinue.db")
                let daemon = try DaemonUnderTest(stateFolder: state)
                #expect(daemon.process.errorText.contains("retinue.db"), "\(daemon.process.errorText)")
                let kept = try FileManager.default.contentsOfDirectory(atPath: state).filter { name in
                    (try? String(contentsOfFile: "\(state)/\(name)", encoding: .utf8)) == garbage
                }
                #expect(kept.count == 1 && kept.first != "retinue.db", "\(kept)")
                if let name = kept.first { #expect(daemon.process.errorText.contains(name)) }
                _ = try daemon.dump()
                try daemon.stop()
                let again = try DaemonUnderTest(stateFolder: state)
                #expect(!again.process.errorText.contains("set aside"))
                try again.stop()
            }
        }

        private func leaveARecord(_ bench: Bench, _ group: ControlGroup) throws -> String {
            let path = bench.files.path + "/remembered"
            try write("x", to: path)
            try run(try group.command(["cat", path]))
            return path
        }
    }
}
