import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Interpreters that live for a moment: their arguments die with them.
    @Suite("short scripts")
    struct ScriptSuite {
        /// No script is taken for another, and one whose arguments nobody could read in time is counted:
        /// silence means that every script is known.
        @Test(.timeLimit(.minutes(2)), arguments: ["bash", "dash"])
        func everyScriptIsKnownOrCounted(shell: String) throws {
            let bench = try Bench()
            let folder = try bench.files.folder("scripts")
            let count = 211
            for number in 0..<count {
                try write("x", to: "\(folder)/data-\(number)")
                try write(": < \(folder)/data-\(number)\n", to: "\(folder)/script-\(number)")
            }
            let loop = "for n in $(seq 0 \(count - 1)); do \(shell) \(folder)/script-$n; done"
            let group = try ControlGroup()
            try run(group.command(["sh", "-c", loop]))
            let dump = try bench.daemon.dump()
            let records = dump.records(of: group.workload)
            var known = 0
            for number in 0..<count {
                let scripts = Set(records.files("\(folder)/data-\(number)").map(\.program.script))
                #expect(scripts.isSubset(of: ["\(folder)/script-\(number)", nil]), "\(scripts)")
                if scripts == ["\(folder)/script-\(number)"] { known += 1 }
            }
            let unknown = Int(dump.header.sources["proc_connector"]?.unknownScripts ?? 0)
            print("short scripts of \(shell): \(known) of \(count) known by their script, \(unknown) counted")
            #expect(known + unknown >= count)
            #expect(known > 0)
            try bench.daemon.stop()
        }
    }
}
