import CLinux
import Wire

/// What a sample carries besides process, time and the tracepoint's own bytes.
struct SampleShape: Equatable, Sendable {
    /// Frames of the kernel's stack, at most; 0 for none.
    var frames: UInt16 = 0
    /// The caller's registers, a bit each (`perf_regs.h`); 0 for none.
    var userRegisters: UInt64 = 0
    /// Bytes of the caller's stack, a multiple of 8; 0 for none.
    var userStack: UInt32 = 0
    /// Whether each sample has the number of the control group (Linux 5.7).
    var hasGroup = false
    /// Whether the ring has a record of the namespaces of each thread that is made or that joins others (Linux 4.12).
    var hasNamespaces = false

    /// Nothing more.
    static let plain = SampleShape()

    /// Asks for it. The corresponding C structure is `perf_event_attr`.
    func set(_ attributes: inout perf_event_attr) {
        if frames > 0 {
            attributes.sample_type |= UInt64(PERF_SAMPLE_CALLCHAIN.rawValue)
            attributes.sample_max_stack = frames
            attributes.exclude_callchain_user = 1
        }
        if userRegisters != 0 {
            attributes.sample_type |= UInt64(PERF_SAMPLE_REGS_USER.rawValue)
            attributes.sample_regs_user = userRegisters
        }
        if userStack > 0 {
            attributes.sample_type |= UInt64(PERF_SAMPLE_STACK_USER.rawValue)
            attributes.sample_stack_user = userStack
        }
        if hasGroup { attributes.sample_type |= UInt64(PERF_SAMPLE_CGROUP.rawValue) }
        if hasNamespaces {
            attributes.namespaces = 1
            attributes.sample_id_all = 1
            // The kernel looks for those that want such records among the events that want names of commands and the like.
            attributes.comm_exec = 1
        }
    }
}

extension PerfRecords {
    /// A sample of the shape that `DataReadyEvents` asks for.
    struct ExtendedSample {
        var process: Int32
        var time: UInt64
        var frames: [UInt64]
        var event: Range<Int>
        /// Empty where the caller was no 64-bit process in a system call.
        var registers: [UInt64]
        /// Where the caller's stack lies, from the stack pointer on.
        var stack: Range<Int>
    }

    enum ExtendedRecord {
        case sample(ExtendedSample)
        case lost(UInt64)
        case other
    }

    /// The next record, its samples of that shape; `nil` at the end.
    mutating func nextExtended(in bytes: RawSpan) throws(WireError) -> ExtendedRecord? {
        guard let (type, body) = try nextBody(in: bytes) else { return nil }
        switch type {
        case PERF_RECORD_SAMPLE.rawValue: return .sample(try Self.extended(bytes, body))
        case PERF_RECORD_LOST.rawValue where body.count >= 16:
            return .lost(try bytes.integer(at: body.lowerBound + 8))
        case PERF_RECORD_LOST_SAMPLES.rawValue where body.count >= 8:
            return .lost(try bytes.integer(at: body.lowerBound))
        default: return .other
        }
    }

    /// u32 pid, u32 tid, u64 time; u64 number of frames and those; u32 size and the tracepoint's bytes; u64 abi and, unless
    /// that is 0, the registers; u64 size and the stack, then u64 how much of it is real.
    private static func extended(_ bytes: RawSpan, _ body: Range<Int>) throws(WireError) -> ExtendedSample {
        var at = body.lowerBound
        func room(_ count: Int) throws(WireError) {
            guard count >= 0, count <= body.upperBound - at else { throw .truncated(offset: at) }
        }
        try room(24)
        let process: Int32 = try bytes.integer(at: at)
        let time: UInt64 = try bytes.integer(at: at + 8)
        let count: UInt64 = try bytes.integer(at: at + 16)
        at += 24
        guard count <= 128 else { throw .malformed(offset: at) }
        try room(Int(count) * 8 + 4)
        var frames: [UInt64] = []
        for index in 0..<Int(count) { frames.append(try bytes.integer(at: at + index * 8)) }
        at += Int(count) * 8
        let size: UInt32 = try bytes.integer(at: at)
        at += 4
        try room(Int(size))
        let event = at..<at + Int(size)
        at = event.upperBound
        var sample = ExtendedSample(
            process: process, time: time, frames: frames, event: event, registers: [], stack: at..<at)
        let shape = DataReadyEvents.sample
        guard shape.userRegisters != 0 else { return sample }
        try room(8)
        let abi: UInt64 = try bytes.integer(at: at)
        at += 8
        if abi != 0 {
            let number = shape.userRegisters.nonzeroBitCount
            try room(number * 8)
            var registers: [UInt64] = []
            for index in 0..<number { registers.append(try bytes.integer(at: at + index * 8)) }
            // PERF_SAMPLE_REGS_ABI_64.
            if abi == 2 { sample.registers = registers }
            at += number * 8
        }
        try room(8)
        let stack: UInt64 = try bytes.integer(at: at)
        at += 8
        guard stack > 0 else { return sample }
        guard stack <= UInt64(shape.userStack) else { throw .malformed(offset: at) }
        try room(Int(stack) + 8)
        let real: UInt64 = try bytes.integer(at: at + Int(stack))
        sample.stack = at..<at + Int(min(real, stack))
        return sample
    }
}
