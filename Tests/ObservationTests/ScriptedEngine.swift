import Observation
import Records

/// An engine that does what a test says: each drain has its own batch, losses and gaps, and scans come back when the
/// test lets them.
struct ScriptedEngine: ~Copyable, Engine {
    /// What one drain brings.
    struct Step {
        var lifecycle: [LifecycleEvent] = []
        /// Opens for execution and others, by pid and path.
        var opens: [(pid: Int32, path: String, isExec: Bool)] = []
        var transitions: [TransitionEvent] = []
        var closures: [ClosureEvent] = []
        var losses: [Loss] = []
        /// How long the drain itself takes, nanoseconds.
        var drainTime: UInt64 = 0
        /// Nanoseconds since the drain before.
        var after: UInt64 = 10_000_000
        /// What a scan that was asked for before this drain has found by now.
        var scan: HostSnapshot?
        /// What is not watched from this drain on.
        var blindSpots: [BlindSpot]?
    }

    var steps: [Step] = []
    private(set) var now: UInt64 = 1_000_000_000
    private(set) var requests: [ScanRequest] = []
    private var waiting: [ScanRequest] = []
    private var finished: [FinishedScan] = []
    var blindSpots: [BlindSpot] = []
    static let epoch: UInt64 = 1_700_000_000_000_000_000

    var sources: [DumpHeader.Source] { [] }
    var degraded: [String] { [] }

    mutating func drain(into batch: inout EventBatch) -> Drained {
        let step = steps.isEmpty ? Step() : steps.removeFirst()
        now += step.after
        batch.reset()
        batch.cutoff = now
        batch.wall = now + Self.epoch
        batch.lifecycle = step.lifecycle
        batch.transitions = step.transitions
        batch.closures = step.closures
        for open in step.opens {
            let start = batch.bytes.count
            batch.bytes.append(contentsOf: open.path.utf8)
            batch.files.append(
                FileEvent(
                    open.isExec ? [.opened, .executed] : .opened, pid: open.pid,
                    path: Slice(start..<batch.bytes.count)))
        }
        var drained = Drained()
        drained.losses = step.losses
        if let spots = step.blindSpots {
            blindSpots = spots
            drained.modeChanged = true
        }
        drained.ended = batch.wall + step.drainTime
        drained.isEmpty =
            step.lifecycle.isEmpty && step.opens.isEmpty && step.losses.isEmpty && step.transitions.isEmpty
            && step.closures.isEmpty
        if var snapshot = step.scan, !waiting.isEmpty {
            if snapshot.monotonic == 0 { snapshot.monotonic = now - 1 }
            snapshot.wall = snapshot.monotonic + Self.epoch
            finished.append(FinishedScan(waiting.removeFirst(), snapshot))
        }
        return drained
    }

    mutating func requestScan(_ request: ScanRequest) {
        requests.append(request)
        waiting.append(request)
    }

    mutating func finishedScan() -> FinishedScan? { finished.isEmpty ? nil : finished.removeFirst() }
}
