import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Watching a host adds nothing to what is recorded of it.
    @Suite("Retinue itself")
    struct OwnSuite {
        @Test(.timeLimit(.minutes(2))) func daemonsAndCommandLineLeaveNoRecords() throws {
            let bench = try Bench()
            let retinue = try Products.path("retinue")
            let folder = try makeTemporaryFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let other = try DaemonUnderTest(stateFolder: folder + "/state")
            let group = try ControlGroup()
            let socket = "\(bench.folder)/state/retinued.sock"
            for command in [["status"], ["records"], ["records", "--format", "ndjson"], ["status"]] {
                try run(group.command(ShippedUnit.client + [retinue] + command + ["--socket", socket]))
            }
            _ = try other.dump()
            try other.stop()
            let dump = try bench.daemon.dump()
            let own = { (program: Dump.Program?) in
                program.map {
                    ["retinue", "retinued"].contains(($0.executable as NSString).lastPathComponent)
                }
                    ?? false
            }
            let records = dump.dependencies.filter { own($0.program) || own($0.child) || own($0.peer) }
            #expect(records.isEmpty, "\(records.prefix(3))")
            #expect(dump.dependencies.allSatisfy { $0.name?.contains("retinued.sock") != true })
            // Whoever runs it is known all the same.
            #expect(!dump.records(of: group.workload).isEmpty)
            try bench.daemon.stop()
        }
    }
}
