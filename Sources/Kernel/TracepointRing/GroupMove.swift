import Wire

/// A process that was moved to another control group (`cgroup:cgroup_attach_task`).
///
/// One event for each hierarchy in which it moves; for a process as a whole one, in the name of its leader.
public struct GroupMove: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process that was moved, by its number in the initial pid namespace; the thread, where a thread was.
    public let process: Int32
    /// The hierarchy; 0 is the unified one (cgroups(7), /proc/PID/cgroup).
    public let hierarchy: Int32
    /// The control group by number; in the unified hierarchy the one that perf events of the process have.
    public let group: UInt64
    /// The control group in its hierarchy, with its leading slash.
    public let path: [UInt8]

    /// Longer than the kernel writes one (`TRACE_CGROUP_PATH_LEN`, 1024 bytes): then it may be cut off.
    static let longestPath = 1022

    /// Whether the path may lack its end.
    public var isCutOff: Bool { path.count > Self.longestPath - 1 }

    private init(
        _ sample: PerfRecords.Sample, _ event: RawSpan, _ layout: GroupMoveLayout
    ) throws(WireError) {
        time = sample.time
        process = try event.integer(at: Int(layout.process))
        hierarchy = try event.integer(at: Int(layout.hierarchy))
        group = try event.integer(at: Int(layout.group))
        path = try event.text(at: Int(layout.path))
    }

    /// Calls `body` with each move among the records.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it already
    /// delivered. Records of other kinds and of other tracepoints are skipped.
    public static func parse(
        _ records: RawSpan, layout: GroupMoveLayout, _ body: (borrowing GroupMove) -> Void
    ) throws(WireError) {
        var walk = PerfRecords()
        while let record = try walk.next(in: records) {
            guard case .sample(let sample) = record else { continue }
            let event = records.extracting(sample.event)
            let identifier: UInt16 = try event.integer(at: 0)
            if identifier == layout.identifier { body(try GroupMove(sample, event, layout)) }
        }
    }
}

/// Where the fields of `cgroup:cgroup_attach_task` lie on one kernel.
public struct GroupMoveLayout: Equatable, Sendable {
    /// The tracepoint's number, with which each of its events starts.
    public let identifier: UInt16
    let process: UInt16
    let hierarchy: UInt16
    let group: UInt16
    let path: UInt16

    /// Takes the offsets out of a tracepoint's `format` file.
    public init(_ format: TracepointFormat) throws(FormatError) {
        identifier = format.identifier
        process = try format.offset(of: "pid", size: 4)
        hierarchy = try format.offset(of: "dst_root", size: 4)
        group = try format.offset(of: "dst_id", size: 8)
        path = try format.offset(of: "dst_path", size: 4)
    }
}
