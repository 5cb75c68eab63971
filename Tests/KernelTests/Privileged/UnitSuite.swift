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

        /// Where the second run of these tests is asked for, the daemons that they start really are another user's, with
        /// the unit's capabilities and limits.
        @Test func whatIsAskedForHolds() throws {
            let bench = try Bench(prefix: ShippedUnit.isAsked ? [] : try ShippedUnit.prefix())
            let pid = bench.daemon.process.pid
            let status = String(decoding: try bytes(ofFile: "/proc/\(pid)/status"), as: UTF8.self)
            func words(_ key: String) -> [Substring] {
                let line = status.split(separator: "\n").first { $0.hasPrefix(key + ":") } ?? ""
                return line.split(whereSeparator: \.isWhitespace).dropFirst().map { $0 }
            }
            let user = "\(ShippedUnit.user)"
            #expect(words("Uid") == Array(repeating: user[...], count: 4) && words("NoNewPrivs") == ["1"])
            // CAP_DAC_READ_SEARCH 2, NET_BROADCAST 11, NET_ADMIN 12, IPC_OWNER 15, SYS_CHROOT 18, SYS_PTRACE 19, SYS_ADMIN 21,
            // SYSLOG 34, PERFMON 38
            var expected = [2, 11, 12, 15, 18, 19, 21, 34, 38]
            if !ShippedUnit.hasRealTimeLimit { expected.append(23) }
            for kind in ["CapPrm", "CapEff", "CapBnd"] {
                let set = words(kind).first.flatMap { UInt64($0, radix: 16) }
                #expect(set == expected.reduce(0) { $0 | 1 << UInt64($1) }, "\(kind)")
            }
            let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").compactMap(
                Int32.init)
            #expect(tasks.contains { sched_getscheduler($0) == SCHED_RR }, "a thread has real-time priority")
            let limits = String(decoding: try bytes(ofFile: "/proc/\(pid)/limits"), as: UTF8.self)
            let locked = limits.split(separator: "\n").first { $0.hasPrefix("Max locked memory") } ?? ""
            #expect(locked.contains(" \(min(32 << 20, ShippedUnit.mostLocked)) "), "\(locked)")
            try bench.daemon.stop()
        }
    }
}
