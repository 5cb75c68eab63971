import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// When dumps are made, and that none is ever broken.
    @Suite("dumps")
    struct DumpSuite {
        /// Everything that a process completed before it sent SIGUSR1 is in the dump.
        @Test(.timeLimit(.minutes(5)))
        func barrierHolds() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("barrier")
            let group = try ControlGroup()
            let command = [
                try workload("barrier"), "\(bench.daemon.process.pid)", bench.daemon.latest, folder, "500",
            ]
            let barrier = try Child(try group.command(command))
            let ending = try barrier.wait(within: 240)
            print("barrier: \(barrier.outputText.split(separator: "\n").last ?? "")")
            #expect(barrier.outputText.contains("found 500 of 500\n"), "\(barrier.outputText)")
            #expect(ending == .exited(0))
            group.remove()
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(2)))
        func quickSignalsBreakNothing() throws {
            let bench = try Bench()
            for _ in 0..<40 {
                let before = DumpIdentity(bench.daemon.latest)
                for _ in 0..<3 { bench.daemon.process.signal(SIGUSR1) }
                try bench.daemon.waitForDump(after: before)
                // At every moment what is named latest is whole.
                _ = try Dump(path: bench.daemon.latest)
            }
            // Further signals are answered by one more dump; let it come.
            _ = try bench.daemon.dump()
            pause(seconds: 0.5)
            let dumps = try bench.daemon.dumps()
            #expect(dumps.count <= 20, "the oldest go")
            #expect(dumps.count >= 10)
            for path in dumps { _ = try Dump(path: path) }
            let names = try FileManager.default.contentsOfDirectory(
                atPath: bench.daemon.stateFolder + "/dumps")
            #expect(names.allSatisfy { $0.hasSuffix(".ndjson") }, "nothing half-written is left: \(names)")
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(1)))
        func headerTellsHostAndSources() throws {
            let bench = try Bench()
            let header = try bench.daemon.dump().header
            let id = try String(contentsOfFile: "/etc/machine-id", encoding: .utf8)
            let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
            #expect(header.host == id.trimmingCharacters(in: .whitespacesAndNewlines))
            #expect(header.machine.boot.filter { $0 != "-" } == boot.filter { $0.isHexDigit })
            #expect(!header.machine.kernel.isEmpty && !header.machine.name.isEmpty)
            #expect(header.sources["fanotify"]?.lost == 0)
            #expect(header.sources.count >= 3, "\(header.sources.keys.sorted())")
            try bench.daemon.stop()
        }

        /// The daemon writes its store and its dumps; none of that is a dependency.
        @Test(.timeLimit(.minutes(1)))
        func daemonLeavesNoRecordOfItself() throws {
            let bench = try Bench()
            for _ in 0..<3 { _ = try bench.daemon.dump() }
            let retinued = try Products.path("retinued")
            let dump = try bench.daemon.dump()
            let own = dump.dependencies.filter {
                $0.program.executable == retinued && ($0.path ?? "").hasPrefix(bench.daemon.stateFolder)
            }
            #expect(own.isEmpty, "\(own.map(\.short))")
            try bench.daemon.stop()
        }
    }
}
