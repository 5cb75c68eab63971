import Synchronization
import SystemCalls
import Wire

/// Every exec of the host, and the namespaces of every new thread if they are asked for, from rings that wake nobody.
///
/// Who has these knows of most new images where they run, however soon they end, and has not been woken for any of them. Needs
/// Linux 5.7, `CONFIG_CGROUP_PERF`, and `CAP_PERFMON` or `CAP_SYS_ADMIN`. The corresponding C structures are those of
/// `PERF_RECORD_SAMPLE` with `PERF_SAMPLE_CGROUP`, and of `PERF_RECORD_NAMESPACES`.
public final class ExecReports: Sendable {
    private let reader: RingReader
    private let layout: ExecLayout

    /// Pages of each ring: about a thousand processes that are made and execute something.
    static let pages = 64

    /// Opens the rings and starts the events.
    ///
    /// - Parameter withNamespaces: whether those of new threads are reported: the kernel looks up seven of them for each.
    public init(withNamespaces: Bool = true) throws(TracepointError) {
        let rings = try TracepointRings(
            .exec(), pages: Self.pages, wakeupWatermark: nil,
            shape: SampleShape(hasGroup: true, hasNamespaces: withNamespaces))
        do throws(FormatError) { layout = try ExecLayout(rings.format) } catch { throw .format(error) }
        do throws(SystemError) { reader = try RingReader(rings) } catch { throw .system(error) }
    }

    deinit { reader.end() }

    /// The number to poll: readable when a ring was a quarter full, until `drain`.
    public var number: Int32 { reader.number }

    /// Calls `exec` and `namespaces` with what was reported since the last call, in the order of each processor.
    ///
    /// - Parameter buffer: room for the records, to be used again.
    public func drain(
        _ buffer: inout [UInt8], exec: (ExecReport) -> Void, namespaces: (NamespaceReport) -> Void
    ) {
        buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
        reader.take(appendingTo: &buffer)
        guard !buffer.isEmpty else { return }
        // What cannot be read is missing, as what was lost is: nobody relies on a report that did not come.
        try? ExecReport.parse(buffer.span.bytes, layout: layout, exec: exec, namespaces: namespaces)
    }

    /// Reports dropped since the start; `nil` where the kernel does not count (before Linux 6.0).
    public var lost: UInt64? {
        do throws(SystemError) { return try reader.lost() } catch { return nil }
    }

    /// Opens the ring of a processor that came online; `nil` for all.
    public func follow(processor: Int32?) throws(TracepointError) {
        if let processor { try reader.follow(processor: processor) } else { try reader.followAll() }
    }
}

/// Those execs that an expression lets through, from rings of which each event makes the descriptor readable. May be used from
/// any thread.
public final class UrgentExecs: Sendable {
    private struct State: ~Copyable {
        var rings: TracepointRings
        var isOn: Bool
        var buffer: [UInt8] = []
    }

    private let state: Mutex<State>

    /// Pages of each ring.
    static let pages = 16

    /// Opens the rings; nothing comes before `setOn`.
    ///
    /// - Parameter filter: over the field `filename`; where the kernel does not take it, `refused` is thrown.
    public init(_ filter: String) throws(TracepointError) {
        let rings = try TracepointRings(.exec(filter), pages: Self.pages, wakeupWatermark: 1)
        guard rings.isFiltered else { throw .refused(SystemError("ioctl", code: 22)) }
        try rings.setOn(false)
        state = Mutex(State(rings: rings, isOn: false))
    }

    /// The numbers to poll.
    public var numbers: [Int32] { state.withLock { $0.rings.numbers } }

    /// Starts the events, or ends them.
    public func setOn(_ isOn: Bool) throws(TracepointError) {
        try state.withLock { state throws(TracepointError) in
            try state.rings.setOn(isOn)
            state.isOn = isOn
        }
    }

    /// The process and the time of each exec since the last call, `CLOCK_MONOTONIC`, nanoseconds.
    public func take() -> [(process: Int32, time: UInt64)] {
        state.withLock { state in
            state.buffer.removeAll(keepingCapacity: true)
            state.rings.drain(appendingTo: &state.buffer)
            var execs: [(process: Int32, time: UInt64)] = []
            var walk = PerfRecords()
            while let record = try? walk.next(in: state.buffer.span.bytes) {
                if case .sample(let sample) = record { execs.append((sample.process, sample.time)) }
            }
            return execs
        }
    }

    /// Opens the rings of all processors that are online anew. The numbers to poll are others then.
    public func followAll() throws(TracepointError) {
        try state.withLock { state throws(TracepointError) in
            // What the former rings held is of no use: its processes were not looked at in time.
            _ = try state.rings.reopenAll(drainingInto: &state.buffer)
            if !state.isOn { try state.rings.setOn(false) }
        }
    }
}
