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
    private static let second: UInt64 = 1_000_000_000

    private func withBench(_ body: (WatcherBench) throws -> Void) throws {
        try withTemporaryFolder { try body(WatcherBench($0)) }
    }

    /// Starts and lets everything come to rest: the scan, the store, the sources in the wait queue.
    private func start(_ bench: WatcherBench, _ watcher: inout ScriptedWatcher) throws {
        try watcher.start()
        try settle(bench, &watcher)
    }

    private func settle(_ bench: WatcherBench, _ watcher: inout ScriptedWatcher) throws {
        try bench.turn(&watcher) { watcher in
            !watcher.pace.isBusy && watcher.store.slice == nil && !watcher.store.isTimerArmed
                && !watcher.storeWriter.isBusy && watcher.dumpWriter.outstanding == 0
                && bench.clock.timers.isEmpty
        }
        bench.clock.clearLog()
    }

    private func open(_ pid: Int32, _ name: String) -> [UInt8] {
        Recording.fileEvent(Recording.open, pid, 1, name)
    }

    private func files(_ watcher: borrowing ScriptedWatcher) -> Set<String> {
        Set(lines(watcher.session.observer.ledger).filter { $0.contains(" file /dir1/") })
    }

    private func dumps(_ bench: WatcherBench) throws -> [String] {
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
            #expect(bench.clock.watched[ScriptedRings.ringNumber + 1] == .urgent)
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

    // MARK: Dumps

    @Test func aDumpHasWhatWasDoneBeforeItsSignal() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.script.files.waiting = [open(100, "before")]
            bench.clock.wakeups = [[.signal(SIGUSR1)]]
            _ = try watcher.turn()
            // Drained at once, before anything of the dump is done.
            #expect(files(watcher).count == 1)
            #expect(bench.work.scans.last?.depth != .full || watcher.job != nil)
            try bench.turn(&watcher) { $0.job == nil }
            let contents = try DumpContents(ndjson: bytes(ofFile: bench.state + "/dumps/latest.ndjson"))
            #expect(lines(contents.ledger).contains { $0.contains("/dir1/before") })
        }
    }

    /// A dump that is asked for while the daemon starts drains what ends the start: the scan is not forgotten over it.
    @Test func aDumpThatIsAskedForAtTheStart() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            bench.clock.awaitsWorker = true
            bench.clock.wakeups = [[.signal(SIGUSR1)]]
            try watcher.start()
            try bench.turn(&watcher) { $0.job == nil }
            #expect(try dumps(bench).count == 1)
            let isReady = watcher.isReady
            #expect(isReady)
        }
    }

    /// A filesystem that was set aside is tried again on an idle host, and what it brings is told at once.
    @Test func aFilesystemThatIsTriedAgain() throws {
        try withBench { bench in
            bench.script.filesystems.retryTime = bench.script.now + 60 * Self.second
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.clock.wakeups = [[.mounts]]
            _ = try watcher.turn()
            let retry = bench.script.now + 30 * Self.second
            bench.script.filesystems.retryTime = retry
            // Something else is due earlier.
            watcher.keepHouse(within: Self.second)
            bench.script.newFilesystems = 1
            for _ in 0..<2 {
                _ = try watcher.turn()
                if bench.script.now >= retry { bench.script.filesystems.retryTime = nil }
            }
            let gaps = watcher.session.observer.ledger.gaps
            #expect(gaps.map(\.cause) == ["new filesystem"])
        }
    }

    /// One is made at a time, in the order in which they were asked for, and each has a scan of its own.
    @Test func dumpsThatAreAskedForTogether() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            let scans = bench.work.scans.count
            var times: [UInt64] = []
            for number in 0..<3 {
                bench.script.now += Self.second
                times.append(bench.script.wall)
                bench.script.files.waiting.append(open(100, "f\(number)"))
                bench.clock.wakeups = [[.signal(SIGUSR1)]]
                _ = try watcher.turn()
            }
            #expect(watcher.job?.time == times[0])
            #expect(watcher.waitingDumps.map(\.time) == Array(times[1...]))
            try bench.turn(&watcher) { $0.job?.time != times[0] }
            #expect(watcher.job?.time == times[1])
            try bench.turn(&watcher) { $0.job == nil }
            let names = try dumps(bench)
            #expect(names.count == 3)
            for (number, name) in names.enumerated() {
                let contents = try DumpContents(
                    ndjson: bytes(ofFile: bench.state + "/dumps/" + name))
                #expect(contents.header.time / 1_000_000 == times[number] / 1_000_000)
                let found = lines(contents.ledger)
                #expect(found.contains { $0.contains("/dir1/f\(number)") })
            }
            let made = bench.work.scans[scans...]
            #expect(made.map(\.depth) == [.open, .open, .open])
            #expect(made.map(\.number) == made.map(\.number).sorted())
        }
    }

    /// The daemon ends when it is told to: a dump that is not finished has no name.
    @Test func sigtermDuringADump() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            bench.work.state.withLock { $0.isHeld = true }
            defer { bench.work.state.withLock { $0.isHeld = false } }
            bench.clock.wakeups = [[.signal(SIGUSR1)], [.tick]]
            for _ in 0..<2 { _ = try watcher.turn() }
            #expect(watcher.job != nil)
            bench.script.files.waiting = [open(100, "last")]
            bench.clock.wakeups = [[.signal(SIGTERM)]]
            #expect(try !watcher.turn())
            watcher.stop()
            #expect(try dumps(bench) == [])
            #expect(access(bench.state + "/dumps/latest.ndjson", F_OK) != 0)
            // And everything is stored, what came last included.
            var stored = Ledger()
            _ = try RecordStore.read(bench.state + "/retinue.db", into: &stored)
            #expect(lines(stored).contains { $0.contains("/dir1/last") })
        }
    }

    @Test func aDumpThatCannotBeWrittenIsSaidAndEndsNothing() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
        ) {
            try WatcherTests().withBench { bench in
                var watcher = try bench.watcher()
                try WatcherTests().start(bench, &watcher)
                try run(["prlimit", "--pid", "\(getpid())", "--fsize=0:"])
                signal(SIGXFSZ, SIG_IGN)
                bench.clock.wakeups = [[.signal(SIGUSR1)]]
                _ = try watcher.turn()
                try bench.turn(&watcher) { $0.job == nil }
                // It goes on.
                bench.script.files.waiting = [WatcherTests().open(100, "after")]
                bench.clock.wakeups = [[.urgent]]
                _ = try watcher.turn()
                exit(WatcherTests().files(watcher).count == 1 ? 0 : 1)
            }
        }
        let errors = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(errors.contains("retinued: the dump failed: "))
    }

    // MARK: Clients

    @Test func aClientGetsStatusAndDump() throws {
        try withBench { bench in
            bench.script.calls = .init(outstanding: 1, expired: 2, refused: 3, delayed: 4)
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            for request in ["status", "dump"] {
                let client = try Child([
                    try Products.path("retinue"), request, "--socket", bench.folder + "/socket",
                ])
                defer { client.kill() }
                // A client arms the housekeeping, which lets it go if it stays silent.
                try bench.turn(&watcher) { $0.handlers.count == 1 }
                #expect(bench.clock.timers[.housekeeping] != nil)
                try bench.turn(&watcher) { $0.handlers.count == 0 && $0.job == nil }
                try client.succeed()
                let text = client.outputText
                #expect(
                    text.contains(
                        request == "status" ? "2 given up, 3 not made, 1 outstanding" : "\"header\""),
                    "\(text)")
            }
        }
    }

    // MARK: Signals and the store

    @Test func sighupReadsTheConfigurationAgain() throws {
        try withBench { bench in
            var watcher = try bench.watcher(configuration: "dump.keep = 3\n")
            try start(bench, &watcher)
            #expect(watcher.configuration.dumpsKept == 3)
            let budget = watcher.session.observer.budget
            try write("dump.keep = 5\nmemory.limit = 64MiB\n", to: bench.folder + "/conf")
            bench.clock.wakeups = [[.signal(SIGHUP)]]
            #expect(try watcher.turn())
            #expect(watcher.configuration.dumpsKept == 5)
            #expect(watcher.session.observer.budget < budget)
            // One that is not understood changes nothing.
            try write("dump.keep = many\n", to: bench.folder + "/conf")
            bench.clock.wakeups = [[.signal(SIGHUP)]]
            #expect(try watcher.turn())
            #expect(watcher.configuration.dumpsKept == 5)
        }
    }

    /// Changes wait for the interval at most; a slice a turn, and drains in between.
    @Test func theStoreIsWrittenInSlices() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            let count = 20_000
            bench.script.files.waiting = (0..<count).map { open(100, "f\($0)") }
            bench.clock.wakeups = [[.events], [.tick]]
            for _ in 0..<2 { _ = try watcher.turn() }
            #expect(bench.clock.timers[.store] == bench.script.now + watcher.configuration.storeInterval)
            var drains = 0
            var slices = 0
            var isWriting = false
            try bench.turn(&watcher) { watcher in
                if watcher.storeWriter.isBusy, !isWriting { slices += 1 }
                isWriting = watcher.storeWriter.isBusy
                drains = bench.script.files.calls
                return watcher.store.progress.holds(watcher.session.observer.ledger)
                    && watcher.store.slice == nil
            }
            #expect(slices >= count / StorePace.slice)
            #expect(drains > count)
            try settle(bench, &watcher)
            watcher.stop()
            var stored = Ledger()
            _ = try RecordStore.read(bench.state + "/retinue.db", into: &stored)
            #expect(lines(stored).filter { $0.contains(" file /dir1/f") }.count == count)
        }
    }

    /// What could not be stored is said, and how much it is.
    @Test func sigtermWhileTheStoreFails() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
        ) {
            try WatcherTests().withBench { bench in
                var watcher = try bench.watcher()
                try WatcherTests().start(bench, &watcher)
                // Nothing can be put in its place either.
                try run(["prlimit", "--pid", "\(getpid())", "--fsize=0:"])
                signal(SIGXFSZ, SIG_IGN)
                bench.script.files.waiting = [WatcherTests().open(100, "lost")]
                bench.clock.wakeups = [[.events], [.tick], [.signal(SIGTERM)]]
                while try watcher.turn() {}
                watcher.stop()
            }
        }
        let errors = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(errors.contains("records are kept in memory only: "), "\(errors)")
        #expect(errors.contains("records could not be stored and are lost: "), "\(errors)")
    }

    /// Whatever `epoll_wait` fails with, the daemon ends and says so; a signal that interrupts it is no failure.
    @Test func waitingThatFails() throws {
        try withBench { bench in
            var watcher = try bench.watcher()
            try start(bench, &watcher)
            for code in SourcePolicyTests.errors where code != EINTR {
                bench.clock.failure = code
                #expect(throws: SystemError("epoll_wait", code: code)) { _ = try watcher.turn() }
            }
        }
    }

    // MARK: Between two runs

    /// The gap reaches from the last slice on the disk to the start, also if the daemon had no chance to store.
    @Test func theTimeBetweenTwoRunsIsAGap() throws {
        for isKilled in [false, true] {
            try withBench { bench in
                let written: UInt64 = try {
                    var watcher = try bench.watcher()
                    try start(bench, &watcher)
                    let written = try #require(watcher.store.written)
                    bench.script.now += 5 * Self.second
                    bench.script.files.waiting = [open(100, "late")]
                    bench.clock.wakeups = [[.urgent]]
                    _ = try watcher.turn()
                    #expect(watcher.session.observer.ledger.gaps.isEmpty)
                    if isKilled { return written }
                    watcher.stop()
                    return bench.script.wall
                }()
                bench.script.now += 60 * Self.second
                let again = bench.script.wall
                var watcher = try bench.watcher()
                let gap = try #require(watcher.session.observer.ledger.gaps.first)
                #expect(gap.source == SourceName.daemon && gap.cause == "not running" && gap.lost == nil)
                #expect(gap.from <= written && gap.from + Self.second > written)
                #expect(gap.to == again && gap.resynchronised == 0)
                #expect(files(watcher).isEmpty == isKilled)
                try start(bench, &watcher)
                #expect(watcher.session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true])
                #expect(watcher.session.observer.ledger.gaps.map(\.lost) == [nil])
            }
        }
    }

    // MARK: Recordings

    /// What a recording says of losses and modes is what the dump of the daemon that made it says.
    @Test func aRecordingGivesTheSameDump() throws {
        try withBench { bench in
            let trace = bench.folder + "/trace"
            bench.script.filesystems.unwatched = [
                UnwatchedFilesystem(
                    point: Array("/mnt".utf8), type: Array("nfs4".utf8), reason: .foreign,
                    since: bench.script.wall)
            ]
            var watcher = try bench.watcher(record: trace, lastWritten: bench.script.wall - Self.second)
            try start(bench, &watcher)
            bench.script.files.waiting = [open(100, "first")]
            bench.clock.wakeups = [[.events], [.tick]]
            for _ in 0..<2 { _ = try watcher.turn() }
            // One loss of each kind: counted, not counted, not understood, of a scan, a new filesystem, a mode.
            bench.script.records = Connections.records
            bench.script.lostInRings = 7
            bench.script.processes.failures = [ENOBUFS]
            bench.script.notices.waiting = [[1, 2, 3]]
            bench.script.files.failures = [EIO]
            bench.clock.wakeups = [[.tick]]
            _ = try watcher.turn()
            bench.work.state.withLock { $0.failures = [ScanFailure("UDP sockets of IPv4", EPERM)] }
            try bench.turn(&watcher) { !$0.session.hasOpenGaps }
            bench.script.newFilesystems = 1
            bench.clock.wakeups = [[.mounts]]
            _ = try watcher.turn()
            bench.work.state.withLock { $0.failures = [] }
            bench.script.notices.standingFailure = EIO
            bench.script.notices.reopenFailure = EIO
            bench.script.processorEvents = [.online(1)]
            bench.clock.wakeups = [[.processors], [.urgent], [.urgent], [.urgent]]
            for _ in 0..<4 { _ = try watcher.turn() }
            bench.script.now += 3 * Self.second
            watcher.askForDump(client: nil)
            try bench.turn(&watcher) { $0.job == nil }
            watcher.session.engine.recorder?.flush()

            let live = try DumpContents(ndjson: bytes(ofFile: bench.state + "/dumps/latest.ndjson"))
            let recording = try bytes(ofFile: trace)
            var replay = try Replay(cutBehindTheLastDump(recording))
            #expect(replay.run() == nil)
            let wanted = live.ledger.gaps
            #expect(Set(wanted.map(\.source)).count == 5, "\(Set(wanted.map(\.source)))")
            #expect(wanted.count >= 9)
            func milliseconds(_ gap: Gap) -> String {
                "\(gap.source) \(gap.cause) \(gap.from / 1_000_000) \(gap.to / 1_000_000) \(gap.lost ?? 0) "
                    + "\(gap.resynchronised / 1_000_000)"
            }
            #expect(replay.ledger.gaps.map(milliseconds) == wanted.map(milliseconds))
            #expect(lines(replay.ledger) == lines(live.ledger))
            func words(_ header: DumpHeader) -> [String] {
                header.sources.map { "\($0.name) \($0.mode) \($0.received) \($0.lost) \($0.counters)" }
                    .sorted()
            }
            #expect(words(replay.header) == words(live.header))
            #expect(replay.header.time / 1_000_000 == live.header.time / 1_000_000)
            #expect(replay.header.addresses == live.header.addresses)

            // Cut off anywhere, it says so, and no loss that was told before is missing.
            for length in stride(from: recording.count - 1, to: recording.count / 2, by: -97) {
                guard var cut = try? Replay(Array(recording.prefix(length))) else { continue }
                _ = cut.run()
                #expect(cut.ledger.gaps.count <= wanted.count + 1)
            }
        }
    }

    /// The recording up to the last dump: the daemon goes on recording while it writes it.
    private func cutBehindTheLastDump(_ bytes: [UInt8]) throws -> [UInt8] {
        var reader = try TraceReader(bytes)
        var end = 0
        while let frame = try reader.next() { if frame.tag == .dump { end = frame.payload.upperBound } }
        return Array(bytes.prefix(end))
    }

    /// A disk that is full ends the recording, in words, and nothing else.
    @Test func aRecordingThatMeetsAFullDisk() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
        ) {
            try WatcherTests().withBench { bench in
                let trace = bench.folder + "/trace"
                var watcher = try bench.watcher(record: trace)
                try WatcherTests().start(bench, &watcher)
                try run(["prlimit", "--pid", "\(getpid())", "--fsize=4096:"])
                signal(SIGXFSZ, SIG_IGN)
                for number in 0..<100 {
                    bench.script.files.waiting = [
                        WatcherTests().open(100, "f\(number)-" + String(repeating: "x", count: 200))
                    ]
                    bench.clock.wakeups = [[.urgent]]
                    _ = try watcher.turn()
                }
                guard WatcherTests().files(watcher).count == 100,
                    watcher.session.engine.degraded.contains(where: {
                        $0.contains("the recording \(trace) ended: File too large")
                    })
                else { exit(1) }
                var replay = try Replay(TraceReader(from: RecordingFile(trace).source))
                exit(replay.run() == nil && WatcherTests().count(replay.ledger) > 5 ? 0 : 2)
            }
        }
        let errors = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(
            errors.contains("ended: File too large; what it has up to there can be replayed"), "\(errors)")
    }

    private func count(_ ledger: borrowing Ledger) -> Int { ledger.records.count }
}
