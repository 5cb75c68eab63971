import CLinux
import Wire

/// A program that was executed (`sched:sched_process_exec`), as the kernel reports it from inside the exec.
public struct ExecReport: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`; a moment before the proc connector's.
    public let time: UInt64
    /// The process.
    public let process: Int32
    /// Its control group in the hierarchy that perf events follow, by number: the unified one, unless another one has the
    /// controller `perf_event`. No number is given twice.
    public let group: UInt64
    /// The file as it was named to execve(2); of a `#!` file that file's own.
    public let path: [UInt8]

    /// Makes a report.
    public init(time: UInt64, process: Int32, group: UInt64, path: [UInt8]) {
        self.time = time
        self.process = process
        self.group = group
        self.path = path
    }
}

/// The namespaces of a thread that was made, or that joined another one (`PERF_RECORD_NAMESPACES`).
public struct NamespaceReport: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process.
    public let process: Int32
    /// The thread.
    public let thread: Int32
    /// The mount namespace, by its inode.
    public let mount: UInt64
    /// The network namespace, by its inode.
    public let network: UInt64

    /// Makes a report.
    public init(time: UInt64, process: Int32, thread: Int32, mount: UInt64, network: UInt64) {
        self.time = time
        self.process = process
        self.thread = thread
        self.mount = mount
        self.network = network
    }
}

/// Where the fields of `sched:sched_process_exec` lie on one kernel.
public struct ExecLayout: Equatable, Sendable {
    /// The tracepoint's number, with which each of its events starts.
    public let identifier: UInt16
    let path: UInt16

    /// Takes the offsets out of a tracepoint's `format` file.
    public init(_ format: TracepointFormat) throws(FormatError) {
        identifier = format.identifier
        path = try format.offset(of: "filename", size: 4)
    }
}

extension ExecReport {
    /// Calls `exec` and `namespaces` with what is among the records, in the order of each processor.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it already
    /// delivered. Records of other kinds and of other tracepoints are skipped.
    public static func parse(
        _ records: RawSpan, layout: ExecLayout, exec: (ExecReport) -> Void,
        namespaces: (NamespaceReport) -> Void
    ) throws(WireError) {
        var walk = PerfRecords()
        while let (type, body) = try walk.nextBody(in: records) {
            switch type {
            case PERF_RECORD_SAMPLE.rawValue:
                let sample = try PerfRecords.sample(records, body.lowerBound, body.upperBound)
                let event = records.extracting(sample.event)
                let identifier: UInt16 = try event.integer(at: 0)
                guard identifier == layout.identifier else { continue }
                guard sample.event.upperBound <= body.upperBound - 8 else {
                    throw .truncated(offset: sample.event.upperBound)
                }
                exec(
                    ExecReport(
                        time: sample.time, process: sample.process,
                        group: try records.integer(at: sample.event.upperBound),
                        path: try event.text(at: Int(layout.path))))
            case PERF_RECORD_NAMESPACES.rawValue:
                if let report = try NamespaceReport(records, body) { namespaces(report) }
            default: continue
            }
        }
    }
}

extension NamespaceReport {
    /// u32 pid, u32 tid, u64 number of pairs, each u64 device and u64 inode; then u32 pid, u32 tid and u64 time.
    ///
    /// - Returns: `nil` where the kernel has fewer kinds of namespaces than are asked for.
    fileprivate init?(_ records: RawSpan, _ body: Range<Int>) throws(WireError) {
        let start = body.lowerBound
        guard body.count >= 16 else { throw .truncated(offset: start) }
        let count: UInt64 = try records.integer(at: start + 8)
        guard count <= 64, body.count >= 16 + Int(count) * 16 + 16 else {
            throw .malformed(offset: start + 8)
        }
        let (network, mount) = (NET_NS_INDEX, MNT_NS_INDEX)
        guard Int(count) > max(network, mount) else { return nil }
        let inodes = start + 24
        self.init(
            time: try records.integer(at: start + 16 + Int(count) * 16 + 8),
            process: try records.integer(at: start), thread: try records.integer(at: start + 4),
            mount: try records.integer(at: inodes + mount * 16),
            network: try records.integer(at: inodes + network * 16))
    }
}

extension RawSpan {
    /// What a `__data_loc` field leads to, without its NUL: the offset is its lower half, the length with the NUL the upper one.
    func text(at field: Int) throws(WireError) -> [UInt8] {
        let place: UInt32 = try integer(at: field)
        let (start, count) = (Int(place & 0xffff), Int(place >> 16))
        var text = try copy(start..<(try end(of: count, from: start)))
        if let end = text.firstIndex(of: 0) { text.removeSubrange(end...) }
        return text
    }
}
