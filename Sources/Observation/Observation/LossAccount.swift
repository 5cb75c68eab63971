import Records

/// Which source could not deliver, and why.
public struct LossCause: Hashable, Comparable, Sendable {
    /// The source, as in the header of a dump.
    public var source: String
    /// Why, in the words of a gap.
    public var cause: String

    /// Makes one.
    public init(source: String, cause: String) {
        self.source = source
        self.cause = cause
    }

    /// By source, then by cause.
    public static func < (left: LossCause, right: LossCause) -> Bool {
        (left.source, left.cause) < (right.source, right.cause)
    }
}

/// Every loss, from the moment in which it is reported until a scan has made up for it.
///
/// A loss opens a gap at once, so that a dump that is made meanwhile has it. The gap begins where the last whole
/// drain ended and closes with a scan that began after the loss. Losses of one source and cause that come before
/// then, or soon after, widen the gap instead of opening another: a host that loses events all the time has one
/// long gap, which is what there is to say.
struct LossAccount {
    /// A gap that no scan has closed yet.
    private struct Open {
        var source: String
        var cause: String
        /// Where the gap begins, nanoseconds since 1970: with source and cause this finds it in the ledger.
        var from: UInt64
        /// When its last loss was reported, `CLOCK_MONOTONIC`.
        var reported: UInt64
    }

    /// The shortest time between the end of one scan and the beginning of the next, nanoseconds.
    static let shortestPause: UInt64 = 1_000_000_000
    /// A scan may take a twentieth of the time, whatever it costs on this host.
    static let pauseByCost: UInt64 = 20
    /// The longest pause between scans that go on failing in the part that matters, nanoseconds.
    static let longestPause: UInt64 = 60_000_000_000
    /// Gaps of one source and cause that lie no further apart are one, nanoseconds.
    static let joinWithin: UInt64 = 2_000_000_000

    /// The last moment at which every source was drained without a loss, nanoseconds since 1970.
    private(set) var lastWhole: UInt64
    /// Whether the last drain reported no loss.
    private(set) var isWhole = true
    /// Whether a scan was asked for and has not been taken in yet.
    private(set) var isScanning = false
    /// Losses so far, by source.
    private(set) var counts: [String: UInt64] = [:]
    /// The same by source and cause.
    private(set) var causes: [LossCause: UInt64] = [:]
    private var open: [Open] = []
    /// What scans cannot read.
    private var unread: [Open] = []
    /// When the next scan may begin, `CLOCK_MONOTONIC`.
    private var nextScan: UInt64 = 0
    /// How long to wait after scans that could not make up for a loss, since they failed in part.
    private var failurePause: UInt64 = 0

    /// Begins at a moment from which on every source delivers, nanoseconds since 1970.
    init(begun: UInt64 = 0) { lastWhole = begun }

    /// Whether a gap waits for a scan.
    var isOpen: Bool { !open.isEmpty }

    /// When a scan should be asked for, `CLOCK_MONOTONIC`; `nil` if none is needed or one is on its way.
    var scanDue: UInt64? { open.isEmpty || isScanning || !isWhole ? nil : nextScan }

    /// Takes in what a drain reported. `wall` and `monotonic` are the drain's cutoff on both clocks, `ended` is when
    /// it had ended: a source that was full stays so until it is drained.
    mutating func take(
        _ losses: [Loss], wall: UInt64, ended: UInt64, monotonic: UInt64, _ ledger: inout Ledger
    ) {
        for loss in losses {
            count(loss.source, loss.cause, loss.count)
            add(loss, wall: ended, monotonic: monotonic, &ledger)
        }
        isWhole = losses.isEmpty
        if isWhole { lastWhole = wall }
    }

    /// Takes in gaps that were followed by a scan before they were reported.
    mutating func take(over gaps: [Gap], _ ledger: inout Ledger) {
        for gap in gaps {
            ledger.gaps.append(gap)
            count(gap.source, gap.cause, gap.lost)
        }
    }

    /// Counts a loss; one of unknown extent counts as one.
    private mutating func count(_ source: String, _ cause: String, _ lost: UInt64?) {
        Self.add(lost ?? 1, to: &counts[source, default: 0])
        Self.add(lost ?? 1, to: &causes[LossCause(source: source, cause: cause), default: 0])
    }

    private static func add(_ lost: UInt64, to count: inout UInt64) {
        let (sum, isTooMuch) = count.addingReportingOverflow(lost)
        count = isTooMuch ? .max : sum
    }

    private mutating func add(_ loss: Loss, wall: UInt64, monotonic: UInt64, _ ledger: inout Ledger) {
        if let known = open.firstIndex(where: { $0.source == loss.source && $0.cause == loss.cause }) {
            open[known].reported = monotonic
            ledger.widenGap(
                source: loss.source, cause: loss.cause, from: open[known].from, to: wall, lost: loss.count)
            return
        }
        let since = loss.since != 0 ? loss.since : lastWhole
        let from = ledger.openGap(
            Gap(source: loss.source, cause: loss.cause, from: since, to: wall, lost: loss.count),
            joinWithin: Self.joinWithin)
        open.append(Open(source: loss.source, cause: loss.cause, from: from, reported: monotonic))
    }

    /// Notes the time before this run. The scan of the start closes the gap, whenever it began: nothing of that time is
    /// reported by an event.
    mutating func noteAbsence(from: UInt64, to: UInt64, _ ledger: inout Ledger) {
        let from = ledger.openGap(
            Gap(
                source: SourceName.daemon, cause: Self.notRunning, from: from, to: max(from, to), lost: nil),
            joinWithin: 0)
        open.append(Open(source: SourceName.daemon, cause: Self.notRunning, from: from, reported: 0))
    }

    /// The cause of the gap between two runs.
    static let notRunning = "not running"

    /// Notes that a source delivers again of which nothing had come: its gap ends here and waits for a scan.
    mutating func isOver(
        source: String, cause: String, from: UInt64, to wall: UInt64, monotonic: UInt64,
        _ ledger: inout Ledger
    ) {
        ledger.widenGap(source: source, cause: cause, from: from, to: wall, lost: nil)
        open.append(Open(source: source, cause: cause, from: from, reported: monotonic))
    }

    /// Notes that something could not be recorded for want of memory: a gap as long as that goes on, and no scan,
    /// which would find no more room.
    mutating func take(refused count: UInt64, wall: UInt64, _ ledger: inout Ledger) {
        guard count > 0 else { return }
        counts[SourceName.daemon, default: 0] += count
        _ = ledger.openGap(
            Gap(
                source: SourceName.daemon, cause: "memory.limit reached", from: lastWhole, to: wall,
                lost: count),
            joinWithin: Self.joinRefused)
    }

    /// Refusals no further apart are one gap, nanoseconds.
    static let joinRefused: UInt64 = 60_000_000_000

    /// Takes in what a scan could not read: a gap from the first scan that failed so to the first that did not.
    ///
    /// It asks for no scan: the next one that is made for whatever reason tries again.
    mutating func take(scanFailures failures: [Loss], wall: UInt64, _ ledger: inout Ledger) {
        for gap in unread
        where !failures.contains(where: { $0.source == gap.source && $0.cause == gap.cause }) {
            ledger.closeGap(source: gap.source, cause: gap.cause, from: gap.from, resynchronised: wall)
        }
        var still: [Open] = []
        for failure in failures {
            count(failure.source, failure.cause, failure.count)
            if let known = unread.first(where: { $0.source == failure.source && $0.cause == failure.cause }) {
                ledger.widenGap(
                    source: known.source, cause: known.cause, from: known.from, to: wall, lost: failure.count)
                still.append(known)
                continue
            }
            let since = failure.since != 0 ? failure.since : wall
            let gap = Gap(
                source: failure.source, cause: failure.cause, from: since, to: wall, lost: failure.count)
            let from = ledger.openGap(gap, joinWithin: Self.joinWithin)
            still.append(Open(source: failure.source, cause: failure.cause, from: from, reported: 0))
        }
        unread = still
    }

    /// Notes that a scan was asked for.
    mutating func scanRequested() { isScanning = true }

    /// Closes the gaps that a scan has made up for: those whose last loss was reported before it began, of sources
    /// whose part of it did not fail.
    ///
    /// - Parameters:
    ///   - began: when it began, `CLOCK_MONOTONIC`.
    ///   - now: the present moment on the same clock.
    ///   - wall: the same, nanoseconds since 1970.
    ///   - failures: what of it could not be read.
    mutating func scanTaken(
        began: UInt64, now: UInt64, wall: UInt64, _ failures: [ScanFailure] = [], _ ledger: inout Ledger
    ) {
        isScanning = false
        let hasProcesses = !failures.contains { $0.source == SourceName.scans }
        let hasSockets = !failures.contains { $0.what.hasPrefix("TCP") }
        var left: [Open] = []
        var isMissed = false
        for gap in open {
            let isOfSockets = gap.source == SourceName.sockets || gap.source == SourceName.transitions
            guard gap.reported <= began, hasProcesses, hasSockets || !isOfSockets else {
                isMissed = isMissed || gap.reported <= began
                left.append(gap)
                continue
            }
            ledger.closeGap(source: gap.source, cause: gap.cause, from: gap.from, resynchronised: wall)
        }
        open = left
        // A part that fails for good must not keep the host busy with scans.
        failurePause = isMissed ? min(max(failurePause * 2, Self.shortestPause), Self.longestPause) : 0
        let cost = now > began ? now - began : 0
        nextScan = now &+ max(Self.shortestPause, cost &* Self.pauseByCost, failurePause)
    }
}
