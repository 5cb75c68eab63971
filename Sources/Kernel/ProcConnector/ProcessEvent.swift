import CLinux
public import Wire

/// Something that happened to a process, as the kernel's proc connector reports it.
public struct ProcessEvent: Hashable, Sendable {
    /// What happened.
    public enum Kind: UInt8, Sendable {
        /// A process was made; queued before it can run.
        case fork
        /// A process has replaced its image; only successful calls are reported.
        case exec
        /// A process has ended; its descriptors are closed already.
        case exit
    }

    /// What happened.
    public var kind: Kind
    /// The process (thread group) it happened to; for a fork, the new one.
    public var pid: Int32
    /// For a fork: the process that made it; else 0.
    public var parent: Int32
    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64
    /// The processor that reported it.
    public var processor: UInt32
    /// The processor's running number for its events, those that were filtered out included.
    public var sequence: UInt32

    /// Makes an event, for tests and replays.
    public init(
        _ kind: Kind, pid: Int32, parent: Int32 = 0, time: UInt64, processor: UInt32 = 0, sequence: UInt32 = 0
    ) {
        self.kind = kind
        self.pid = pid
        self.parent = parent
        self.time = time
        self.processor = processor
        self.sequence = sequence
    }

    /// What a datagram holds.
    public enum Message: Hashable, Sendable {
        /// An event of a process.
        case event(ProcessEvent)
        /// The answer to a registration: 0 or an errno value.
        case acknowledgement(Int32)
        /// An event of a thread, or of a kind that was not asked for.
        case other
    }

    /// Reads one datagram: netlink header (16), `struct cn_msg` (20), `struct proc_event`.
    public static func parse(_ bytes: RawSpan) throws(WireError) -> Message {
        let length = try bytes.integer(at: 0, as: UInt32.self)
        guard length >= 36 else { throw .malformed(offset: 0) }
        guard Int(length) <= bytes.byteCount else { throw .truncated(offset: 0) }
        // cn_msg: id.idx u32, id.val u32, seq u32, ack u32, len u16, flags u16.
        let index = try bytes.integer(at: 16, as: UInt32.self)
        let value = try bytes.integer(at: 20, as: UInt32.self)
        guard index == CN_IDX_PROC, value == CN_VAL_PROC else { return .other }
        let size = Int(try bytes.integer(at: 32, as: UInt16.self))
        let end = 36 + size
        guard end <= Int(length) else { throw .truncated(offset: 32) }
        // proc_event: what u32, cpu u32, timestamp_ns u64, then a union.
        guard size >= 16 else { throw .malformed(offset: 32) }
        let what = try bytes.integer(at: 36, as: UInt32.self)
        var event = ProcessEvent(
            .exec, pid: 0, time: try bytes.integer(at: 44), processor: try bytes.integer(at: 40),
            sequence: try bytes.integer(at: 24))
        @inline(__always) func field(_ position: Int) throws(WireError) -> Int32 {
            guard 52 + position * 4 + 4 <= end else { throw .truncated(offset: 52 + position * 4) }
            return try bytes.integer(at: 52 + position * 4)
        }
        switch what {
        case 0:  // PROC_EVENT_NONE: the acknowledgement
            return .acknowledgement(try field(0))
        case clinux_PROC_EVENT_FORK:
            // parent_pid, parent_tgid, child_pid, child_tgid. A thread has child_pid != child_tgid.
            let child = try field(2)
            guard try field(3) == child else { return .other }
            event.kind = .fork
            event.pid = child
            event.parent = try field(1)
        case clinux_PROC_EVENT_EXEC:
            event.pid = try field(1)
        case clinux_PROC_EVENT_EXIT:
            // process_pid, process_tgid, exit_code, exit_signal.
            guard try field(0) == field(1) else { return .other }
            event.kind = .exit
            event.pid = try field(1)
        default: return .other
        }
        return .event(event)
    }
}
