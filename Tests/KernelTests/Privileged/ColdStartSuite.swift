import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What was there before the daemon.
    @Suite("cold start")
    struct ColdStartSuite {
        @Test(.timeLimit(.minutes(1)))
        func findsWhatAProcessHolds() throws {
            let files = try ScratchFilesystem()
            let folder = try files.folder("held")
            try write("x", to: folder + "/read")
            try write("x", to: folder + "/mapped")
            let group = try ControlGroup()
            let program = try workload("holder")
            let holder = try Child(try group.command([program, folder]))
            let port = try #require(Int(try holder.firstLine()))
            // On the same filesystem: what the daemon does there must not matter.
            let daemon = try DaemonUnderTest(stateFolder: files.path + "/state")
            let records = try daemon.dump().records(of: group.workload)
            #expect(!records.isEmpty)
            #expect(records.allSatisfy { $0.evidence == "snapshot" })
            #expect(records.allSatisfy { $0.program.executable == program })
            #expect(records.files(folder + "/read").first?.access == "r")
            #expect(records.files(folder + "/written").first?.access?.contains("w") == true)
            #expect(records.files(folder + "/mapped").count == 1)
            #expect(records.files(program).first?.access?.contains("x") == true)
            let endpoint = Dump.Address(address: "127.0.0.1", port: port)
            #expect(records.relation("listen").contains { $0.local == endpoint && $0.transport == "tcp" })
            let connect = records.relation("connect").first { $0.remote == endpoint }
            let accept = records.relation("accept").first { $0.local == endpoint }
            #expect(connect?.peer?.executable == program)
            #expect(accept?.peer?.executable == program)
            try daemon.stop()
            holder.kill()
            try files.unmount()
        }
    }
}
