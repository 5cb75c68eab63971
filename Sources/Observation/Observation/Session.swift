public import Records

/// An engine and an observer, and what is done about everything that goes wrong between them.
///
/// One policy (docs/architecture.md, "When something goes wrong"): events that are missing are a counted loss, a
/// gap in the ledger, and a scan as soon as a drain comes through whole; scans back off, so that a busy host is
/// not kept busy by them. After a loss of process events nothing that was known of a process is certain until it
/// was read again. Knows no clock but that of the batches.
public struct Session<Source: Engine & ~Copyable>: ~Copyable {
    /// Where events come from.
    public var engine: Source
    /// What they become.
    public var observer: Observer
    private var batch = EventBatch()
    private var losses: LossAccount
    private var intake: SnapshotIntake?
    private var requests: [ScanRequest] = []
    private var isScanning = false
    private var blindSpots: [BlindSpot] = []
    /// Sources of which nothing comes for a while, though it should.
    private var silent: Set<String> = []
    private var refusedBefore: UInt64 = 0

    /// What one cycle did.
    public struct Cycle: Sendable {
        /// Whether nothing happened and nothing waits for its turn.
        public var isIdle = true
        /// Whether the engine has come to its end.
        public var isEnd = false
        /// Whether a source runs in another way than before: descriptors to wait for may be others.
        public var modeChanged = false
        /// Scans whose findings have all been taken in.
        public var scansTaken: [ScanRequest] = []
    }

    /// Things found by a scan that are taken in between two drains: some milliseconds of work.
    static var intakeSlice: Int { 4096 }

    /// Makes a session whose engine delivers from a moment on, nanoseconds since 1970.
    public init(_ engine: consuming Source, _ observer: consuming Observer, begun: UInt64 = 0) {
        self.engine = engine
        self.observer = observer
        losses = LossAccount(begun: begun)
    }

    /// The last moment at which nothing was missing, nanoseconds since 1970.
    public var lastWhole: UInt64 { losses.lastWhole }

    /// Losses since the start, by source.
    public var lossCounts: [String: UInt64] { losses.counts }
    /// The same by source and cause.
    public var lossCauses: [LossCause: UInt64] { losses.causes }

    /// Whether a loss waits for the scan that makes up for it.
    public var hasOpenGaps: Bool { losses.isOpen }

    /// Whether findings of a scan wait to be taken in by the next cycles.
    public var isTakingIn: Bool { intake != nil }

    /// Whether a scan is being made or taken in.
    public var isScanInProgress: Bool { isScanning || intake != nil || !requests.isEmpty }

    /// When there is something to do although nothing happens, `CLOCK_MONOTONIC`, nanoseconds.
    public var due: UInt64? { losses.scanDue }

    /// The cutoff of the last batch on both clocks.
    public var cutoff: (monotonic: UInt64, wall: UInt64) { (batch.cutoff, batch.wall) }

    /// Notes that nothing was observed in the time before this run, nanoseconds since 1970: a gap until the first scan.
    public mutating func noteAbsence(from: UInt64, to: UInt64) {
        losses.noteAbsence(from: from, to: to, &observer.ledger)
    }

    /// Asks for a scan; those that are asked for while one is made wait for it.
    public mutating func scan(_ request: ScanRequest) {
        requests.append(request)
        startScan()
    }

    /// One cycle: drain, interpret, see to losses and scans.
    public mutating func cycle() -> Cycle {
        var cycle = Cycle()
        let drained = engine.drain(into: &batch)
        cycle.isEnd = drained.isEnd
        cycle.modeChanged = drained.modeChanged
        if drained.mountsChanged { observer.mountsChanged() }
        // Before anything of this batch is interpreted: the kernel does not say where the missing ones stood.
        // Nor does it say what a source would have reported that is given up for now.
        let isEmpty = drained.isEmpty && batch.images.isEmpty
        if drained.losses.contains(where: { $0.source == SourceName.processes })
            || !isEmpty && silent.contains(SourceName.processes)
        {
            observer.distrustProcesses()
        }
        if drained.losses.contains(where: { $0.source == SourceName.files })
            || !isEmpty && silent.contains(SourceName.files)
        {
            observer.distrustExecs()
        }
        if !drained.isEmpty || !batch.images.isEmpty || observer.hasHeldEvents {
            observer.interpret(batch)
            cycle.isIdle = drained.isEmpty && !observer.hasHeldEvents
        }
        let refused = observer.counters.refused
        losses.take(refused: refused - refusedBefore, wall: batch.wall, &observer.ledger)
        refusedBefore = refused
        losses.take(over: drained.gaps, &observer.ledger)
        losses.take(
            drained.losses, wall: batch.wall, ended: max(drained.ended, batch.wall), monotonic: batch.cutoff,
            &observer.ledger)
        if drained.modeChanged { updateBlindSpots(batch.wall) }
        if let finished = engine.finishedScan() {
            isScanning = false
            intake = SnapshotIntake(finished)
        }
        takeSnapshot(&cycle)
        seeToLosses()
        return cycle
    }

    /// Sees to it that every connection that was made before a moment has a record, nanoseconds since 1970.
    public mutating func settleConnections(before wall: UInt64) {
        let earlier = batch.wall > wall ? batch.wall - wall : 0
        let later = wall > batch.wall ? wall - batch.wall : 0
        let start = batch.cutoff > earlier ? batch.cutoff - earlier : 0
        let (time, isBeyond) = start.addingReportingOverflow(later)
        observer.settleConnections(before: isBeyond ? .max : time)
    }

    /// Lets the gaps of what is not watched at all reach to a moment, nanoseconds since 1970: when something has
    /// changed, and for a dump.
    public mutating func updateBlindSpots(_ wall: UInt64) {
        let now = engine.blindSpots
        silent = Set(now.filter(\.isScannedAfter).map(\.source))
        for spot in blindSpots where !now.contains(spot) {
            guard spot.isScannedAfter else {
                // It ended at some time since it was last asked for.
                observer.ledger.widenGap(
                    source: spot.source, cause: spot.cause, from: spot.since, to: wall, lost: nil)
                continue
            }
            losses.isOver(
                source: spot.source, cause: spot.cause, from: spot.since, to: wall, monotonic: batch.cutoff,
                &observer.ledger)
        }
        for spot in now {
            if blindSpots.contains(spot) {
                observer.ledger.widenGap(
                    source: spot.source, cause: spot.cause, from: spot.since, to: wall, lost: nil)
            } else {
                _ = observer.ledger.openGap(
                    Gap(
                        source: spot.source, cause: spot.cause, from: spot.since, to: max(wall, spot.since),
                        lost: nil),
                    joinWithin: 0)
            }
        }
        blindSpots = now
    }

    private mutating func takeSnapshot(_ cycle: inout Cycle) {
        guard var intake = intake.take() else { return }
        cycle.isIdle = false
        guard observer.advance(&intake, most: Self.intakeSlice) else {
            self.intake = consume intake
            return
        }
        let failures = intake.snapshot.failures.map { failure in
            Loss(source: failure.source, cause: failure.cause, count: nil)
        }
        losses.take(scanFailures: failures, wall: batch.wall, &observer.ledger)
        if intake.request.purpose == .start {
            losses.scanTaken(
                began: intake.snapshot.monotonic, now: batch.cutoff, wall: batch.wall,
                intake.snapshot.failures, &observer.ledger)
        }
        cycle.scansTaken.append(intake.request)
        startScan()
    }

    private mutating func seeToLosses() {
        guard let due = losses.scanDue, due <= batch.cutoff, !isScanInProgress else { return }
        losses.scanRequested()
        scan(ScanRequest(.full, .start))
    }

    /// How each source fares, as the header of a dump has it: what the engine says of it, how much of it was lost, and
    /// what the observation could not make of its events.
    public var sources: [DumpHeader.Source] {
        let counters = observer.counters
        var sources = engine.sources
        for index in sources.indices {
            sources[index].lost = lossCounts[sources[index].name] ?? 0
            switch sources[index].name {
            case SourceName.files:
                sources[index].counters += [
                    ("unattributed", counters.unattributedFiles),
                    ("unresolved", counters.unresolvedDirectories),
                    ("ambiguous", counters.ambiguousFiles),
                    ("too_deep", counters.deepPaths),
                    ("folded", counters.foldedFiles),
                    ("refused", counters.refused),
                    ("caches_dropped", counters.cachesDropped),
                    ("collapsed", counters.collapsedRecords),
                ]
            case SourceName.processes:
                sources[index].counters += [
                    ("unknown_executables", counters.unknownExecutables),
                    ("unknown_scripts", counters.unknownScripts),
                    ("inherited_workloads", counters.inheritedWorkloads),
                ]
            case SourceName.sockets:
                sources[index].counters += [
                    ("unattributed", counters.unattributedConnections + counters.unattributedDatagrams),
                    ("unattributed_udp", counters.unattributedDatagrams),
                    ("unattributed_unix", counters.unattributedUnix),
                    ("translations_unknown", counters.untranslated),
                    ("translations_unread", counters.untranslatedNetworks),
                    ("evicted", counters.evictedConnections),
                    ("unnoticed", counters.unnoticedConnections),
                    ("late", counters.lateNotices),
                ]
            default: break
            }
        }
        return sources
    }

    private mutating func startScan() {
        guard !isScanning, intake == nil, !requests.isEmpty else { return }
        isScanning = true
        var request = requests.removeFirst()
        request.first = observer.takeActivity()
        observer.scanBegins()
        engine.requestScan(request)
    }
}

/// Names of sources in headers and gaps.
public enum SourceName {
    /// File events.
    public static let files = "fanotify"
    /// Process events.
    public static let processes = "proc_connector"
    /// Ends of sockets and dumps of the socket tables.
    public static let sockets = "sock_diag"
    /// Changes of state of sockets.
    public static let transitions = "tracepoint"
    /// Unix sockets that are connected.
    public static let local = "unix"
    /// What scans read of processes.
    public static let scans = "procfs"
    /// The daemon itself: the time in which it did not run.
    public static let daemon = "retinued"
}
