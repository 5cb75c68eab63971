import Records

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

    /// What one cycle did.
    public struct Cycle: Sendable {
        /// Whether nothing happened and nothing waits for its turn.
        public var isIdle = true
        /// Whether the engine has come to its end.
        public var isEnd = false
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

    /// Whether a loss waits for the scan that makes up for it.
    public var hasOpenGaps: Bool { losses.isOpen }

    /// Whether a scan is being made or taken in.
    public var isScanInProgress: Bool { isScanning || intake != nil || !requests.isEmpty }

    /// When there is something to do although nothing happens, `CLOCK_MONOTONIC`, nanoseconds.
    public var due: UInt64? { losses.scanDue }

    /// The cutoff of the last batch on both clocks.
    public var cutoff: (monotonic: UInt64, wall: UInt64) { (batch.cutoff, batch.wall) }

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
        // Before anything of this batch is interpreted: the kernel does not say where the missing ones stood.
        if drained.losses.contains(where: { $0.source == SourceName.processes }) {
            observer.distrustProcesses()
        }
        if drained.losses.contains(where: { $0.source == SourceName.files }) { observer.distrustExecs() }
        if !drained.isEmpty || !batch.images.isEmpty || observer.hasHeldEvents {
            observer.interpret(batch)
            cycle.isIdle = drained.isEmpty && !observer.hasHeldEvents
        }
        for gap in drained.gaps { observer.ledger.gaps.append(gap) }
        losses.take(
            drained.losses, wall: batch.wall, ended: max(drained.ended, batch.wall), monotonic: batch.cutoff,
            &observer.ledger)
        if let finished = engine.finishedScan() {
            isScanning = false
            intake = SnapshotIntake(finished)
        }
        takeSnapshot(&cycle)
        seeToLosses()
        return cycle
    }

    /// Lets the gaps of what is not watched at all reach to a moment, nanoseconds since 1970: for a dump.
    public mutating func updateBlindSpots(_ wall: UInt64) {
        let now = engine.blindSpots
        for spot in blindSpots where !now.contains(spot) {
            observer.ledger.closeGap(
                source: spot.source, cause: spot.cause, from: spot.since, resynchronised: 0)
        }
        for spot in now {
            if blindSpots.contains(spot) {
                observer.ledger.widenGap(
                    source: spot.source, cause: spot.cause, from: spot.since, to: wall, lost: nil)
            } else {
                _ = observer.ledger.openGap(
                    Gap(source: spot.source, cause: spot.cause, from: spot.since, to: wall, lost: 0),
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
                began: intake.snapshot.monotonic, now: batch.cutoff, wall: batch.wall, &observer.ledger)
        }
        cycle.scansTaken.append(intake.request)
        startScan()
    }

    private mutating func seeToLosses() {
        guard let due = losses.scanDue, due <= batch.cutoff, !isScanInProgress else { return }
        losses.scanRequested()
        scan(ScanRequest(.full, .start))
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
    /// What scans read of processes.
    public static let scans = "procfs"
    /// The daemon itself: the time in which it did not run.
    public static let daemon = "retinued"
}
