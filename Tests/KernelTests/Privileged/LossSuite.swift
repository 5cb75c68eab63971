import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What happens when events are lost: it is said, and what can be found again is found.
    @Suite("loss")
    struct LossSuite {
        @Test(.timeLimit(.minutes(3)))
        func overflowIsAGapAndIsResynchronised() throws {
            // More than the host grants: a daemon that may not set that bounds the queue as it reads it.
            let bench = try Bench(configuration: "fanotify.queue = 20000\n")
            let folder = try bench.files.folder("flood")
            #expect(try bench.daemon.dump().gaps.isEmpty, "silence means that nothing was lost")

            bench.daemon.process.signal(SIGSTOP)
            let group = try ControlGroup()
            let flood = try Child(try group.command([try workload("flood"), "40000", folder, "100"]))
            let said = try flood.firstLine(within: 60)
            #expect(said == "done")
            bench.daemon.process.signal(SIGCONT)

            let resynchronised: Dump? = try eventually(within: 30, every: 0.2) {
                let dump = try bench.daemon.dump()
                let gap = dump.gaps.first { $0.source == "fanotify" }
                return gap?.resynchronised == nil ? nil : dump
            }
            let dump = try #require(resynchronised, "no gap of fanotify that was resynchronised")
            let gap = try #require(dump.gaps.first { $0.source == "fanotify" })
            // The kernel says that its queue was full, and not what it dropped.
            #expect(gap.lost == nil)
            #expect(gap.from <= gap.to)
            #expect((dump.header.sources["fanotify"]?.lost ?? 0) > 0)
            let paths = Set(dump.records(of: group.workload).compactMap(\.path))
            let held = (39_900..<40_000).filter { paths.contains("\(folder)/\($0)") }
            print(
                "loss: \(paths.count) of 40000 named, \(held.count) of 100 held ones found")
            #expect(held.count == 100)
            flood.kill()
            try bench.daemon.stop()
        }

        /// Without the limit the same flood loses nothing.
        ///
        /// The tracepoint ring is off: it is host-wide and bounded, so that while the daemon stands still it
        /// would lose connections that others make meanwhile, and say so.
        @Test(.timeLimit(.minutes(3)))
        func unlimitedQueueLosesNothing() throws {
            let bench = try Bench(configuration: "tracepoints = off\n")
            let folder = try bench.files.folder("flood")
            bench.daemon.process.signal(SIGSTOP)
            let group = try ControlGroup()
            let flood = try Child(try group.command([try workload("flood"), "40000", folder, "1"]))
            _ = try flood.firstLine(within: 60)
            bench.daemon.process.signal(SIGCONT)
            let dump = try bench.daemon.dump()
            flood.kill()
            let off = "off: switched off by the configuration"
            #expect(
                dump.gaps.map { "\($0.source) \($0.cause)" }.sorted() == ["tracepoint \(off)", "unix \(off)"])
            let paths = Set(dump.records(of: group.workload).compactMap(\.path))
            let missing = (0..<40_000).filter { !paths.contains("\(folder)/\($0)") }
            #expect(missing.isEmpty, "\(missing.count) missing, the first \(missing.prefix(3))")
            try bench.daemon.stop()
        }
    }
}
