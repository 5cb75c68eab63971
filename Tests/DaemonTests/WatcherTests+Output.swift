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

/// Dumps, clients, signals, the store and recordings.
extension WatcherTests {
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

    /// A filesystem that was set aside is tried again on an idle host, and what it brings is reported at once.
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
                try WatcherTests.letFilesEnd(at: 0)
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
                try WatcherTests.letFilesEnd(at: 0)
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
            // What programs run with is read from /proc alone and in no recording.
            watcher.configuration.processes = false
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

            // Cut off anywhere, it says so, and no loss that was reported before is missing.
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
                try WatcherTests.letFilesEnd(at: 4096)
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

    /// From here on no file of this process grows beyond so many bytes: what a full disk does, by EFBIG (setrlimit(2)).
    private static func letFilesEnd(at bytes: Int) throws {
        try run(["prlimit", "--pid", "\(getpid())", "--fsize=\(bytes):"])
        signal(SIGXFSZ, SIG_IGN)
    }

    private func count(_ ledger: borrowing Ledger) -> Int { ledger.records.count }
}
