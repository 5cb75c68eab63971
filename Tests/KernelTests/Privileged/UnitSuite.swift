import Foundation
import SystemCalls
import TestSupport
import Testing

extension KernelTests {
    /// Under the capabilities of packaging/retinued.service, and no others.
    @Suite("unit")
    struct UnitSuite {
        /// A chain of scripts, each of which executes the next: which image opened what follows from the heads of
        /// the files, which are not root's.
        @Test(.timeLimit(.minutes(2)), arguments: [0, 65534])
        func chainsOfScriptsThatAreNotRoots(owner: uid_t) throws {
            let bench = try Bench(prefix: try ShippedUnit.prefix())
            let folder = try bench.files.folder("chain")
            chmod(folder, 0o777)
            chmod((bench.files.path as NSString).deletingLastPathComponent, 0o755)
            for number in 0..<12 {
                let script = "\(folder)/s\(number).sh"
                let next = number < 11 ? "exec \(folder)/s\(number + 1).sh\n" : ""
                try write("#!/bin/sh\n: > \(folder)/o\(number)\n\(next)", to: script, executable: true)
                chown(script, owner, owner)
            }
            let group = try ControlGroup()
            for _ in 0..<5 {
                try run(
                    group.command([
                        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder + "/s0.sh",
                    ]))
            }
            let records = try bench.daemon.dump().records(of: group.workload)
            for number in 0..<12 {
                // Opens that cannot be ordered against an exec belong to both images; each of them is a script.
                let scripts = records.files("\(folder)/o\(number)").map(\.program.script)
                #expect(scripts.contains("\(folder)/s\(number).sh"), "output \(number) of \(scripts)")
                #expect(!scripts.contains(nil), "output \(number) of \(scripts)")
            }
            try bench.daemon.stop()
        }

        /// Where the second run of these tests is asked for, the daemons that they start really are under the unit's
        /// bounding set and limits.
        @Test func whatIsAskedForHolds() throws {
            let bench = try Bench(prefix: ShippedUnit.isAsked ? [] : try ShippedUnit.prefix())
            let pid = bench.daemon.process.pid
            let status = String(decoding: try bytes(ofFile: "/proc/\(pid)/status"), as: UTF8.self)
            let line = status.split(separator: "\n").first { $0.hasPrefix("CapBnd:") } ?? ""
            let set = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            // CAP_DAC_READ_SEARCH 2, NET_BROADCAST 11, NET_ADMIN 12, IPC_OWNER 15, SYS_CHROOT 18, SYS_PTRACE 19, SYS_ADMIN 21, SYS_NICE 23,
            // SYSLOG 34, PERFMON 38
            #expect(set == [2, 11, 12, 15, 18, 19, 21, 23, 34, 38].reduce(0) { $0 | 1 << UInt64($1) })
            let limits = String(decoding: try bytes(ofFile: "/proc/\(pid)/limits"), as: UTF8.self)
            let locked = limits.split(separator: "\n").first { $0.hasPrefix("Max locked memory") } ?? ""
            #expect(locked.contains(" \(min(32 << 20, ShippedUnit.mostLocked)) "), "\(locked)")
            try bench.daemon.stop()
        }
    }
}
