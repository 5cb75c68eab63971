import Records

/// A scan's findings on their way into the ledger, a piece at a time, with drains in between: a host of ten
/// thousand processes has more than fits between two drains.
struct SnapshotIntake {
    /// What is taken in next.
    enum Stage: Int, Comparable {
        case processes, spawns, absentees, files, listeners, ends, connections, channels, done

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    let request: ScanRequest
    let snapshot: HostSnapshot
    /// Processes with parents before their children, so that lines of programs are complete.
    let order: [Int]
    private(set) var stage = Stage.processes
    /// The next of the stage.
    private(set) var index = 0

    init(_ finished: FinishedScan) {
        request = finished.request
        snapshot = finished.snapshot
        // Without a copy of what is known of two processes for each comparison.
        let starts = finished.snapshot.processes.map { $0.facts.start }
        order = starts.indices.sorted { starts[$0] < starts[$1] }
    }

    /// How many there are of a stage.
    private var count: Int {
        switch stage {
        case .processes, .spawns: request.purpose == .start ? order.count : 0
        case .absentees: request.purpose == .start && snapshot.isComplete ? 1 : 0
        case .files: snapshot.processes.count
        case .listeners, .ends, .connections: snapshot.sockets.count
        case .channels: snapshot.channels.count
        case .done: 0
        }
    }

    /// The next finding; `nil` when everything was taken.
    mutating func next() -> (stage: Stage, index: Int)? {
        while index >= count {
            guard let following = Stage(rawValue: stage.rawValue + 1) else { return nil }
            stage = following
            index = 0
        }
        defer { index += 1 }
        return (stage, index)
    }
}
