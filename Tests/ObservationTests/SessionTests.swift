import Observation
import Records
import Testing

/// What is done about everything that goes wrong between an engine and the observation.
@Suite struct SessionTests {
    private let host = StagedHost()

    private func session(_ steps: [ScriptedEngine.Step]) -> Session<ScriptedEngine> {
        for name in ["/bin/shell", "/bin/one", "/bin/two"] {
            host.heads[name] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        }
        host.heads[Scene.loader] = .plain
        var engine = ScriptedEngine()
        engine.steps = steps
        let observer = Observer(ledger: Ledger(), surroundings: host, ownPid: Scene.ownPid)
        return Session(engine, observer, begun: ScriptedEngine.epoch + 1_000_000_000)
    }

    private func loss(_ source: String, _ cause: String = "full", _ count: UInt64? = 3) -> ScriptedEngine.Step
    {
        .init(losses: [Loss(source: source, cause: cause, count: count)])
    }

    private func found(_ processes: [(Int32, String)], failures: [ScanFailure] = []) -> HostSnapshot {
        var snapshot = HostSnapshot()
        snapshot.processes = processes.map { pid, executable in
            ProcessSnapshot(
                facts: ProcessFacts(pid: pid, parent: 1, executable: Array(executable.utf8)), files: [])
        }
        snapshot.failures = failures
        return snapshot
    }

    /// Evidence of a file's records by the executable.
    private func evidence(_ session: borrowing Session<ScriptedEngine>, _ path: String) -> [String: Evidence]
    {
        func text(_ number: TextID) -> String {
            String(decoding: session.observer.ledger.texts.array(number), as: UTF8.self)
        }
        var result: [String: Evidence] = [:]
        for record in session.observer.ledger.records
        where record.key.relation == .file && text(TextID(rawValue: record.key.object)) == path {
            result[text(session.observer.ledger[record.key.program].executable)] = record.evidence
        }
        return result
    }

    @Test func aLossIsAGapAtOnceAndIsClosedByAScanThatBeganBehindIt() {
        var session = session([.init(), loss(SourceName.files), .init(), .init(scan: found([])), .init()])
        _ = session.cycle()
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.count == 1)
        #expect(session.observer.ledger.gaps[0].resynchronised == 0)
        // Nothing is scanned while events are being lost.
        #expect(session.engine.requests.isEmpty)
        _ = session.cycle()
        #expect(session.engine.requests.map(\.purpose) == [.start])
        _ = session.cycle()
        let gap = session.observer.ledger.gaps[0]
        #expect(gap.resynchronised != 0)
        // From the last drain that was whole to the one that reported the loss.
        #expect(gap.from == ScriptedEngine.epoch + 1_010_000_000)
        #expect(gap.to == ScriptedEngine.epoch + 1_020_000_000)
        #expect(gap.lost == 3)
        #expect(session.lossCounts == [SourceName.files: 3])
        #expect(session.lossCauses == [LossCause(source: SourceName.files, cause: gap.cause): 3])
    }

    /// Where the kernel does not count, the gap does not either; the source counts the times that it was reported.
    @Test func whatIsNotCountedIsNotKnown() {
        var session = session([
            .init(), loss(SourceName.files, "full", nil), loss(SourceName.files, "full", nil), .init(),
        ])
        for _ in 0..<4 { _ = session.cycle() }
        #expect(session.observer.ledger.gaps.map(\.lost) == [nil])
        #expect(session.lossCounts == [SourceName.files: 2])
    }

    @Test func lossesWithoutEndAreOneGapAndScansBackOff() {
        var steps: [ScriptedEngine.Step] = []
        for _ in 0..<2000 {
            steps += [loss(SourceName.transitions, "ring full", 1), .init(scan: found([]))]
        }
        var session = session(steps)
        for _ in 0..<4000 { _ = session.cycle() }
        // 40 seconds: a scan a second, not one for each loss.
        #expect(session.engine.requests.count <= 41)
        #expect(session.engine.requests.count >= 20)
        #expect(session.observer.ledger.gaps.count == 1)
        #expect(session.observer.ledger.gaps[0].lost == 2000)
        #expect(session.lossCounts == [SourceName.transitions: 2000])
    }

    @Test func aScanThatTakesLongIsMadeSeldom() {
        var steps: [ScriptedEngine.Step] = []
        for _ in 0..<100 {
            var slow = found([])
            slow.monotonic = 0
            steps += [loss(SourceName.files), .init(), .init(after: 2_000_000_000)]
            steps.append(.init(scan: slow))
        }
        var session = session(steps)
        for _ in 0..<400 { _ = session.cycle() }
        let spent = session.cutoff.monotonic - 1_000_000_000
        // Two seconds each, at most a twentieth of the time and one more.
        #expect(UInt64(session.engine.requests.count) <= spent / 2_000_000_000 + 1)
        #expect(session.observer.ledger.gaps.count <= session.engine.requests.count + 1)
    }

    @Test func afterALossOfProcessEventsNothingIsExactUntilItWasReadAgain() {
        host.add(10, "/bin/shell")
        var session = session([
            .init(opens: [(10, "/before", false)]),
            .init(
                opens: [(10, "/during", false)],
                losses: [Loss(source: SourceName.processes, cause: "ENOBUFS", count: nil)]),
            .init(opens: [(10, "/after", false)]),
            .init(scan: found([(10, "/bin/shell")])),
            .init(opens: [(10, "/again", false)]),
        ])
        for _ in 0..<5 { _ = session.cycle() }
        #expect(evidence(session, "/before") == ["/bin/shell": .exact])
        #expect(evidence(session, "/during") == ["/bin/shell": .inferred])
        #expect(evidence(session, "/after") == ["/bin/shell": .inferred])
        #expect(evidence(session, "/again") == ["/bin/shell": .exact])
    }

    @Test func anExecThatIsSeenWholeIsCertainAgain() {
        host.add(10, "/bin/shell")
        var session = session([
            .init(opens: [(10, "/before", false)]),
            loss(SourceName.processes, "ENOBUFS", nil),
            .init(
                lifecycle: [.init(.exec, pid: 10, time: 1_025_000_000)],
                opens: [(10, "/bin/one", true), (10, Scene.loader, true), (10, "/file", false)]),
        ])
        for _ in 0..<4 { _ = session.cycle() }
        #expect(evidence(session, "/file") == ["/bin/one": .exact])
        // What it came from is not: the pid may have been another process by then.
        let spawns = session.observer.ledger.records.filter { $0.key.relation == .spawn }
        #expect(spawns.map(\.evidence) == [.inferred])
    }

    @Test func anExecWhoseChainWasLostIsNotTakenForTheProgramBefore() {
        host.add(10, "/bin/shell")
        var session = session([
            .init(opens: [(10, "/before", false)]),
            .init(
                lifecycle: [.init(.exec, pid: 10, time: 1_015_000_000)], opens: [(10, "/file", false)],
                losses: [Loss(source: SourceName.files, cause: "queue overflow", count: nil)]),
        ])
        // It is gone when it could be asked.
        _ = session.cycle()
        host.processes[10] = nil
        _ = session.cycle()
        _ = session.cycle()
        #expect(evidence(session, "/file")["/bin/shell"] != .exact)
        #expect(session.observer.counters.unknownExecutables == 1)
    }

    @Test func aScanDoesNotOverruleWhatHappenedSinceItRead() {
        host.add(10, "/bin/shell")
        var early = found([(10, "/bin/shell")])
        early.monotonic = 1_005_000_000
        var session = session([
            .init(
                lifecycle: [.init(.exec, pid: 10, time: 1_008_000_000)],
                opens: [(10, "/bin/one", true), (10, Scene.loader, true)]),
            .init(scan: early), .init(opens: [(10, "/file", false)]),
        ])
        session.scan(ScanRequest(.full, .start))
        for _ in 0..<3 { _ = session.cycle() }
        #expect(evidence(session, "/file") == ["/bin/one": .exact])
    }

    @Test func aConnectionThatEndedWhileTheScanWasMadeIsNotCountedAgain() {
        host.add(10, "/bin/shell")
        let (near, far) = (
            Endpoint(NetworkAddress(v4: 0x0a00_0001), port: 40_000),
            Endpoint(NetworkAddress(v4: 0x0a00_0002), port: 80)
        )
        func change(_ from: TCPState, _ to: TCPState, _ time: UInt64) -> TransitionEvent {
            TransitionEvent(time: time, pid: 10, socket: 7, from: from, to: to, local: near, remote: far)
        }
        var met = found([(10, "/bin/shell")])
        met.sockets = [SocketSnapshot(.tcp, isListening: false, local: near, remote: far, holders: [10])]
        met.monotonic = 1_015_000_000
        met.socketsRead = 1_016_000_000
        var session = session([
            .init(transitions: [
                change(.close, .synSent, 1_001_000_000), change(.synSent, .established, 1_002_000_000),
            ]),
            // The scan has read the sockets; then this one ends.
            .init(
                transitions: [change(.established, .finWait1, 1_017_000_000)],
                closures: [ClosureEvent(.tcp, local: near, remote: far, sent: 5, received: 5)]),
            .init(scan: met), .init(),
        ])
        _ = session.cycle()
        session.scan(ScanRequest(.full, .start))
        for _ in 0..<3 { _ = session.cycle() }
        let connects = session.observer.ledger.records.filter { $0.key.relation == .connect }
        #expect(connects.map(\.count) == [1])
    }

    @Test func aGapReachesToTheEndOfTheDrainThatReportedIt() {
        var late = loss(SourceName.transitions, "ring full", 1)
        late.drainTime = 400_000_000
        var session = session([.init(), late])
        _ = session.cycle()
        _ = session.cycle()
        #expect(session.observer.ledger.gaps[0].to == ScriptedEngine.epoch + 1_420_000_000)
    }

    @Test func whatAScanCannotReadIsAGapUntilOneCan() {
        let failure = ScanFailure("UDP sockets", 2)
        var session = session([
            .init(scan: found([], failures: [failure])), .init(scan: found([], failures: [failure])),
            .init(scan: found([])),
        ])
        for _ in 0..<3 { session.scan(ScanRequest(.open, .look)) }
        _ = session.cycle()
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.count == 1)
        #expect(session.observer.ledger.gaps[0].resynchronised == 0)
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.count == 1)
        #expect(session.observer.ledger.gaps[0].resynchronised != 0)
        // It asks for no scan of its own: that would fail as well.
        #expect(session.engine.requests.count == 3)
    }

    @Test func whatIsNotWatchedIsAGapThatReachesToTheDump() {
        var session = session([.init(), .init()])
        session.engine.blindSpots = [
            BlindSpot(
                source: SourceName.files, cause: "not watched: /mnt (nfs4)", since: ScriptedEngine.epoch)
        ]
        _ = session.cycle()
        session.updateBlindSpots(ScriptedEngine.epoch + 5)
        session.updateBlindSpots(ScriptedEngine.epoch + 9)
        #expect(session.observer.ledger.gaps.map(\.to) == [ScriptedEngine.epoch + 9])
        #expect(session.observer.ledger.gaps.map(\.lost) == [nil])
        session.engine.blindSpots = []
        session.updateBlindSpots(ScriptedEngine.epoch + 12)
        #expect(session.observer.ledger.gaps.map(\.to) == [ScriptedEngine.epoch + 12])
        session.updateBlindSpots(ScriptedEngine.epoch + 15)
        #expect(session.observer.ledger.gaps.map(\.to) == [ScriptedEngine.epoch + 12])
    }

    /// A source that was given up and delivers again: its gap ends there, and a scan that begins later closes it.
    @Test func aSourceThatDeliversAgainIsMadeUpFor() {
        let spot = BlindSpot(
            source: SourceName.sockets, cause: "given up", since: ScriptedEngine.epoch + 1_005_000_000,
            isScannedAfter: true)
        var session = session([
            .init(blindSpots: [spot]), .init(), .init(blindSpots: []), .init(), .init(scan: found([])),
        ])
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.map(\.cause) == ["given up"])
        #expect(session.observer.ledger.gaps.map(\.lost) == [nil])
        _ = session.cycle()
        // As long as it lasts no scan is of any use.
        #expect(session.engine.requests.isEmpty && session.lossCounts.isEmpty)
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.map(\.to) == [ScriptedEngine.epoch + 1_030_000_000])
        #expect(session.observer.ledger.gaps.map(\.resynchronised) == [0])
        #expect(session.engine.requests.map(\.purpose) == [.start])
        _ = session.cycle()
        _ = session.cycle()
        #expect(
            session.observer.ledger.gaps.map(\.resynchronised) == [ScriptedEngine.epoch + 1_050_000_000])
    }

    /// A filesystem that was unmounted asks for no scan: nothing of it is left to be found.
    @Test func aFilesystemThatIsGoneIsNotLookedFor() {
        let spot = BlindSpot(
            source: SourceName.files, cause: "not watched: /mnt (nfs4)", since: ScriptedEngine.epoch)
        var session = session([.init(blindSpots: [spot]), .init(blindSpots: []), .init(), .init()])
        for _ in 0..<4 { _ = session.cycle() }
        #expect(session.engine.requests.isEmpty)
        #expect(session.observer.ledger.gaps.map(\.resynchronised) == [0])
    }

    @Test func theTimeBeforeThisRunIsAGapUntilTheFirstScan() {
        var early = found([])
        // It began before the first drain, as that of a start does.
        early.monotonic = 1_000_000_001
        var session = session([.init(), .init(scan: early), .init(), .init()])
        session.noteAbsence(from: ScriptedEngine.epoch, to: ScriptedEngine.epoch + 1_000_000_000)
        session.scan(ScanRequest(.full, .start))
        #expect(
            session.observer.ledger.gaps == [
                Gap(
                    source: SourceName.daemon, cause: "not running", from: ScriptedEngine.epoch,
                    to: ScriptedEngine.epoch + 1_000_000_000, lost: nil)
            ])
        _ = session.cycle()
        #expect(session.observer.ledger.gaps.map(\.resynchronised) == [0])
        for _ in 0..<3 { _ = session.cycle() }
        #expect(session.observer.ledger.gaps.map { $0.resynchronised != 0 } == [true])
        // That scan does for it.
        #expect(session.engine.requests.count == 1)
    }

    /// A scan that could not read what was lost makes up for nothing; it is made again, ever more seldom.
    @Test(arguments: [
        (SourceName.processes, ScanFailure("processes", 24), false),
        (SourceName.files, ScanFailure("processes", 24), false),
        (SourceName.transitions, ScanFailure("processes", 24), false),
        (SourceName.transitions, ScanFailure("TCP sockets of IPv4", 2), false),
        (SourceName.sockets, ScanFailure("TCP and UDP sockets", 24), false),
        (SourceName.processes, ScanFailure("TCP sockets of IPv4", 2), true),
        (SourceName.transitions, ScanFailure("Unix sockets", 2), true),
    ])
    func aScanThatFailsInPart(_ source: String, _ failure: ScanFailure, _ isMadeUpFor: Bool) {
        var steps = [ScriptedEngine.Step.init(), loss(source)]
        for _ in 0..<3000 { steps.append(.init(after: 100_000_000, scan: found([], failures: [failure]))) }
        steps += [.init(after: 60_000_000_000), .init(scan: found([])), .init()]
        var session = session(steps)
        for _ in 0..<3002 { _ = session.cycle() }
        let gap = session.observer.ledger.gaps.first { $0.source == source && $0.lost == 3 }
        #expect((gap?.resynchronised != 0) == isMadeUpFor)
        // Five minutes: after 1, 2, 4, 8, 16, 32, 60, 60, 60 … seconds.
        #expect(
            isMadeUpFor
                ? session.engine.requests.count == 1 : (8...12).contains(session.engine.requests.count))
        for _ in 0..<3 { _ = session.cycle() }
        let after = session.observer.ledger.gaps.first { $0.source == source && $0.lost == 3 }
        #expect(after?.resynchronised != 0)
    }

    @Test func aLargeScanIsTakenInWithDrainsInBetween() {
        let processes = (0..<20_000).map { (Int32(100 + $0), "/bin/one") }
        var session = session([.init(scan: found(processes))])
        session.scan(ScanRequest(.full, .start))
        var cycles = 0
        while session.observer.ledger.records.isEmpty || session.isScanInProgress, cycles < 1000 {
            _ = session.cycle()
            cycles += 1
        }
        // Each process is met three times, 4,096 a cycle.
        #expect(cycles >= 15)
        #expect(cycles < 20)
    }

    @Test func gapsAreBounded() {
        var ledger = Ledger()
        for number in 0..<10_000 {
            _ = ledger.openGap(
                Gap(
                    source: "fanotify", cause: "cause \(number % 7)", from: UInt64(number) * 100,
                    to: UInt64(number) * 100 + 1, lost: 1), joinWithin: 0)
        }
        #expect(ledger.gaps.count <= Ledger.mostGaps)
        let total = ledger.gaps.reduce(0) { $0 + ($1.lost ?? 0) }
        #expect(total == 10_000)
    }
}
