import Control
import EventTrace
import Foundation
import Observation
import Records
import RecordStore
import SocketDiagnostics
import Synchronization
import SystemCalls
import TestSupport
import Testing
import TracepointRing

@testable import Daemon

/// The loop, with a kernel, a clock and scans that the test plays; threads, store, dumps and clients are real.
@Suite struct WatcherTests {
    static let second: UInt64 = 1_000_000_000

    func withBench(_ body: (WatcherBench) throws -> Void) throws {
        try withTemporaryFolder { try body(WatcherBench($0)) }
    }

    /// Starts and lets everything come to rest: the scan, the store, the sources in the wait queue.
    func start(_ bench: WatcherBench, _ watcher: inout ScriptedWatcher) throws {
        try watcher.start()
        try settle(bench, &watcher)
    }

    func settle(_ bench: WatcherBench, _ watcher: inout ScriptedWatcher) throws {
        try bench.turn(&watcher) { watcher in
            !watcher.pace.isBusy && watcher.store.slice == nil && !watcher.store.isTimerArmed
                && !watcher.storeWriter.isBusy && watcher.dumpWriter.outstanding == 0
                && bench.clock.timers.isEmpty
        }
        bench.clock.clearLog()
    }

    func open(_ pid: Int32, _ name: String) -> [UInt8] {
        Recording.fileEvent(Recording.open, pid, 1, name)
    }

    func files(_ watcher: borrowing ScriptedWatcher) -> Set<String> {
        Set(lines(watcher.session.observer.ledger).filter { $0.contains(" file /dir1/") })
    }

    func dumps(_ bench: WatcherBench) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: bench.state + "/dumps")
            .filter { $0.hasSuffix(".ndjson") && $0 != "latest.ndjson" }.sorted()
    }

    // MARK: Pace

    @Test func sourcesAreOutOfTheWaitQueueWhileEventsFlow() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            let sources: Set<Int32> = [1001, 1002, 1003]
            #expect(sources.isSubset(of: bench.clock.watched.keys))
            // Nothing is armed on an idle host: it sleeps for ever.
            #expect(bench.clock.timers.isEmpty)

            bench.clock.wakeups = [[.events]]
            _ = try watcher.turn()
            #expect(
                bench.clock.log == ["unwatch 1001", "unwatch 1002", "unwatch 1003", "arm tick"])
            for number in 0..<3 {
                bench.script.files.waiting = [open(100, "f\(number)")]
                bench.clock.clearLog()
                bench.clock.wakeups = [[.tick]]
                _ = try watcher.turn()
                #expect(bench.clock.log.filter { !$0.hasPrefix("arm store") } == ["arm tick"])
                #expect(files(watcher).count == number + 1)
                #expect(sources.isDisjoint(with: bench.clock.watched.keys))
            }
            // The first batch that comes back empty puts them in again, and no timer runs on.
            bench.clock.clearLog()
            bench.clock.wakeups = [[.tick]]
            _ = try watcher.turn()
            #expect(bench.clock.log == ["watch 1001", "watch 1002", "watch 1003"])
        }
    }

    @Test func anIdleLoopArmsNothing() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            for wakeup in [Wakeup.urgent, .worker, .housekeeping, .processors, .clients] {
                bench.clock.wakeups = [[wakeup]]
                _ = try watcher.turn()
                #expect(bench.clock.timers.isEmpty, "\(wakeup)")
            }
            #expect(!bench.clock.log.contains { $0.hasPrefix("arm") })
        }
    }

    /// A ring that is nearly full is drained at once, whatever the pace.
    @Test func urgentSourcesAreDrainedAtOnce() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            #expect(bench.clock.watched[ScriptedRings.ringNumber] == .urgent)
            bench.script.files.waiting = [open(100, "urgent")]
            bench.clock.wakeups = [[.urgent]]
            _ = try watcher.turn()
            #expect(files(watcher).count == 1)
        }
    }

    @Test func processorsAreFollowed() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            #expect(bench.clock.watched[ScriptedRings.processorsNumber] == .processors)
            bench.script.processorEvents = [.offline(1), .online(1)]
            bench.clock.wakeups = [[.processors], [.events], [.tick]]
            for _ in 0..<3 { _ = try watcher.turn() }
            #expect(bench.script.followed == [1])
            #expect(watcher.session.observer.ledger.gaps.map(\.cause) == ["a processor came online"])
        }
    }

    // MARK: Mounts

    @Test func aNewFilesystemIsAGapFromTheLastLookOn() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.clock.wakeups = [[.urgent]]
            _ = try watcher.turn()
            let before = bench.script.wall
            bench.script.now += 5 * Self.second
            bench.script.newFilesystems = 1
            bench.clock.wakeups = [[.mounts]]
            _ = try watcher.turn()
            let gap = try #require(watcher.session.observer.ledger.gaps.first)
            #expect(gap.source == SourceName.files && gap.cause == "new filesystem" && gap.lost == nil)
            // From the last wait that did not report it, less the moment in which that ended.
            #expect(gap.from == before - 1_000_000)
            #expect(gap.to == bench.script.wall && gap.resynchronised == 0)
            try bench.turn(&watcher) { !$0.session.hasOpenGaps }
            #expect(watcher.session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true])

            // One that is watched already, and one that is gone, are none.
            bench.clock.wakeups = [[.mounts]]
            _ = try watcher.turn()
            #expect(watcher.session.observer.ledger.gaps.count == 1)
            // A table that cannot be read ends nothing.
            for code in SourcePolicyTests.errors {
                bench.script.mountTableFailure = code
                bench.clock.wakeups = [[.mounts]]
                #expect(try watcher.turn())
            }
        }
    }

    @Test func anUnwatchedFilesystemIsAnOpenGap() throws {
        try withBench { bench in
            bench.script.filesystems.unwatched = [
                UnwatchedFilesystem(
                    point: Array("/mnt".utf8), type: Array("nfs4".utf8), reason: .foreign,
                    since: bench.script.wall)
            ]
            let since = bench.script.wall
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.script.now += 100 * Self.second
            watcher.askForDump(client: nil)
            try bench.turn(&watcher) { $0.job == nil }
            let gaps = try DumpContents(
                ndjson: bytes(ofFile: bench.state + "/dumps/latest.ndjson")
            ).ledger.gaps
            #expect(gaps.map(\.cause) == ["not watched: /mnt (nfs4)"])
            #expect(gaps.map(\.lost) == [nil] && gaps.map(\.resynchronised) == [0])
            // Times in a dump are milliseconds.
            #expect((gaps.first?.from ?? 0) / 1_000_000 == since / 1_000_000)
            #expect((gaps.first?.to ?? 0) >= since + 100 * Self.second)
        }
    }

    /// The store has the gap up to its last slice: what comes behind it, after a kill, is not running.
    @Test func whatIsNotWatchedIsStoredSo() throws {
        try withBench { bench in
            bench.work.state.withLock { $0.network = 4_026_532_300 }
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.script.now += 50 * Self.second
            bench.script.files.waiting = [open(100, "late")]
            bench.clock.wakeups = [[.events], [.tick]]
            for _ in 0..<2 { _ = try watcher.turn() }
            try settle(bench, &watcher)
            var stored = Ledger()
            let written = try RecordStore.read(bench.state + "/retinue.db", into: &stored).time
            let gap = stored.gaps.first
            #expect(gap?.cause == "not watched: network namespace 4026532300")
            #expect(gap?.to == written)
            // And no timer runs for it.
            #expect(bench.clock.timers.isEmpty)
        }
    }

    @Test func anUnwatchedNetworkNamespaceIsAnOpenGap() throws {
        try withBench { bench in
            bench.work.state.withLock { $0.network = 4_026_532_300 }
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            // The drain behind the scan that met it says so.
            bench.clock.wakeups = [[.urgent]]
            _ = try watcher.turn()
            let cause = "not watched: network namespace 4026532300"
            #expect(watcher.session.observer.ledger.gaps.map(\.cause) == [cause])
            #expect(watcher.session.observer.ledger.gaps.map(\.lost) == [nil])
            #expect(watcher.session.engine.degraded.count == 1)
            // A scan for a dump reads no namespaces, and says nothing of them.
            watcher.askForDump(client: nil)
            try bench.turn(&watcher) { $0.job == nil }
            #expect(watcher.session.engine.blindSpots.map(\.cause) == [cause])
            let dump = try DumpContents(ndjson: bytes(ofFile: bench.state + "/dumps/latest.ndjson"))
            #expect(dump.ledger.gaps.map(\.resynchronised) == [0])
            bench.work.state.withLock { $0.network = 7 }
            watcher.scan(ScanRequest(.full, .start, number: 99))
            try bench.turn(&watcher) { $0.session.engine.blindSpots.isEmpty }
            #expect(watcher.session.engine.degraded.isEmpty)
        }
    }

    // MARK: Sources that fail

    /// Findings of a scan that is made while nothing happens are all taken in, and close the gap.
    @Test func aLargeScanOfAnIdleHost() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.work.state.withLock { $0.crowd = 10_000 }
            bench.script.processes.failures = [ENOBUFS]
            bench.clock.wakeups = [[.urgent]]
            _ = try watcher.turn()
            try bench.turn(&watcher) { !$0.session.hasOpenGaps && !$0.pace.isBusy }
            #expect(watcher.session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true])
        }
    }

    /// Given up, out of the wait queue, opened anew on the housekeeping's timer, waited for again, and made up for.
    @Test func aSourceThatIsGivenUpComesBack() throws {
        let sources: [(String, ReferenceWritableKeyPath<KernelScript, KernelScript.Queue>, Int32)] = [
            (SourceName.files, \.files, 1001), (SourceName.processes, \.processes, 1002),
            (SourceName.sockets, \.notices, 1003),
        ]
        for (name, queue, number) in sources {
            try withBench { bench in
                var watcher = try bench.watcher()
                try start(bench, &watcher)
                bench.script[keyPath: queue].standingFailure = EIO
                bench.script[keyPath: queue].reopenFailure = EMFILE
                let begun = bench.script.now
                bench.clock.wakeups = [[.events], [.tick], [.tick], [.tick]]
                for _ in 0..<4 { _ = try watcher.turn() }
                #expect(watcher.session.engine.degraded.count == 1)
                #expect(watcher.session.engine.degraded.first?.hasPrefix("\(name): ") == true)
                let spot = try #require(watcher.session.observer.ledger.gaps.last)
                #expect(spot.source == name && spot.cause.hasPrefix("given up: ") && spot.lost == nil)
                let header = watcher.header(0).sources.first { $0.name == name }
                #expect(header?.mode.hasPrefix("given up: ") == true && header?.lost == 3)
                // What made it fail is a gap that a scan closes; that it is given up is one that stays.
                try bench.turn(&watcher) { _ in bench.script.now > begun + 20 * Self.second }
                #expect(bench.script[keyPath: queue].reopened.count >= 3)
                #expect(bench.clock.watched[number] == nil)
                let gaps = watcher.session.observer.ledger.gaps
                #expect(gaps.map { $0.resynchronised != 0 } == [true, false])
                #expect(gaps.map(\.lost) == [nil, nil])

                bench.script[keyPath: queue].reopenFailure = nil
                try bench.turn(&watcher) {
                    $0.session.engine.degraded.isEmpty && !$0.session.hasOpenGaps && !$0.pace.isBusy
                }
                #expect(bench.clock.watched[number] == .events)
                let after = watcher.session.observer.ledger.gaps
                #expect(after.map { $0.resynchronised != 0 } == [true, true])
                #expect((after.last?.to ?? 0) > begun + KernelScript.epoch + 20 * Self.second)
                #expect(watcher.header(0).sources.first { $0.name == name }?.lost == 3)
                #expect(watcher.session.engine.sourceRetryTime == nil)
            }
        }
    }

    /// While no process event comes, no image is certain, whatever scans say meanwhile.
    @Test func withoutProcessEventsNothingIsExact() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            func meets(_ name: String) throws {
                bench.script.files.waiting = [open(100, name)]
                bench.clock.wakeups = [[.urgent]]
                _ = try watcher.turn()
            }
            try meets("before")
            bench.script.processes.standingFailure = EIO
            bench.script.processes.reopenFailure = EIO
            for _ in 0..<3 { try meets("failing") }
            try bench.turn(&watcher) { !$0.session.hasOpenGaps }
            try meets("during")
            bench.script.processes.reopenFailure = nil
            try bench.turn(&watcher) {
                $0.session.engine.degraded.isEmpty && !$0.session.hasOpenGaps
            }
            try meets("after")
            let found = files(watcher)
            #expect(found.contains { $0.contains("/before r regular exact") })
            #expect(found.contains { $0.contains("/during r regular inferred") }, "\(found)")
            #expect(found.contains { $0.contains("/after r regular exact") })
        }
    }

    /// A module that is not there is a mode and an open gap from the start, and looked for again.
    @Test func missingSocketTables() throws {
        try withBench { bench in
            let error = SocketQueryError.refused(code: ENOENT, reason: "")
            let missing = [UnavailableSocketTable(.udp, error), UnavailableSocketTable(.unix, error)]
            bench.work.state.withLock { $0.missing = missing }
            let begun = bench.script.now
            var watcher = try bench.watcher(missing: missing)
            try watcher.start()
            let isReady = watcher.isReady
            #expect(isReady)
            #expect(
                watcher.session.engine.degraded.map { $0.prefix(26) } == [
                    "sock_diag: no UDP sockets:", "sock_diag: no Unix sockets",
                ])
            let mode = watcher.header(0).sources.first { $0.name == SourceName.sockets }?.mode
            #expect(mode == "destroy notices and dumps, without udp_diag, unix_diag")
            let gaps = watcher.session.observer.ledger.gaps
            #expect(
                gaps.map(\.cause) == [
                    "no UDP sockets: no module udp_diag", "no Unix sockets: no module unix_diag",
                ])
            #expect(gaps.allSatisfy { $0.from == begun + KernelScript.epoch && $0.lost == nil })

            try bench.turn(&watcher) { _ in bench.script.now > begun + 40 * Self.second }
            let checks = bench.work.state.withLock { $0.checks }
            #expect((4...6).contains(checks), "after 1, 2, 4, 8, 16 seconds: \(checks)")
            bench.work.state.withLock { $0.missing = [missing[1]] }
            try bench.turn(&watcher) { $0.session.engine.degraded.count == 1 && !$0.session.hasOpenGaps }
            #expect(watcher.session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true, false])
            bench.work.state.withLock { $0.missing = [] }
            try bench.turn(&watcher) { $0.session.engine.degraded.isEmpty && !$0.session.hasOpenGaps }
            #expect(watcher.session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true, true])
            #expect(watcher.session.engine.sourceRetryTime == nil)
        }
    }

    /// A module that is unloaded while the daemon runs is noticed by the next scan.
    @Test func aSocketTableThatGoes() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            let error = SocketQueryError.refused(code: ENOENT, reason: "")
            bench.work.state.withLock { state in
                state.missing = [UnavailableSocketTable(.udp, error)]
                state.failures = [ScanFailure("UDP sockets of IPv4", ENOENT)]
            }
            watcher.askForDump(client: nil)
            try bench.turn(&watcher) { !$0.session.engine.degraded.isEmpty }
            #expect(watcher.session.engine.blindSpots.map(\.source) == [SourceName.sockets])
        }
    }
}
