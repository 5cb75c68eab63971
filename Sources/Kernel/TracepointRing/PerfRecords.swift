import CLinux
import Wire

/// A walk over perf records as `drain` copies them.
struct PerfRecords {
    /// What records hold that are of interest.
    enum Record {
        /// An event: who caused it and when, and where the tracepoint's own bytes lie.
        case sample(Sample)
        /// So many events were dropped before this point.
        case lost(UInt64)
        /// Another kind of record.
        case other
    }

    /// What stands before the tracepoint's bytes, and where those are.
    struct Sample {
        var process: Int32
        var thread: Int32
        var time: UInt64
        var event: Range<Int>
    }

    /// What each sample carries; the order in the record is the ABI's, whatever the order here.
    static let sampleType = UInt64(
        PERF_SAMPLE_TID.rawValue | PERF_SAMPLE_TIME.rawValue | PERF_SAMPLE_RAW.rawValue)

    private static let headerSize = MemoryLayout<perf_event_header>.size
    private var offset = 0

    /// The type of the next record and where what follows its header lies; `nil` at the end. Always advances, or throws.
    mutating func nextBody(in bytes: RawSpan) throws(WireError) -> (type: UInt32, body: Range<Int>)? {
        if offset == bytes.byteCount { return nil }
        let start = offset
        let type: UInt32 = try bytes.integer(at: start)
        let size: UInt16 = try bytes.integer(at: start + 6)
        guard Int(size) >= Self.headerSize else { throw .malformed(offset: start) }
        let end = try bytes.end(of: Int(size), from: start)
        offset = end
        return (type, start + Self.headerSize..<end)
    }

    /// The next record, or `nil` at the end. Always advances, or throws.
    mutating func next(in bytes: RawSpan) throws(WireError) -> Record? {
        let start = offset
        guard let (type, range) = try nextBody(in: bytes) else { return nil }
        let (body, end) = (range.lowerBound, range.upperBound)
        switch type {
        case PERF_RECORD_SAMPLE.rawValue:
            return .sample(try Self.sample(bytes, body, end))
        case PERF_RECORD_LOST.rawValue:
            // An event's number stands first.
            guard end - body >= 16 else { throw .malformed(offset: start) }
            return .lost(try bytes.integer(at: body + 8))
        case PERF_RECORD_LOST_SAMPLES.rawValue:
            guard end - body >= 8 else { throw .malformed(offset: start) }
            return .lost(try bytes.integer(at: body))
        default:
            return .other
        }
    }

    /// u32 pid, u32 tid, u64 time, u32 size, then the tracepoint's bytes.
    static func sample(_ bytes: RawSpan, _ body: Int, _ end: Int) throws(WireError) -> Sample {
        let event = body + 20
        guard event <= end else { throw .malformed(offset: body) }
        let size: UInt32 = try bytes.integer(at: body + 16)
        guard Int(size) <= end - event else { throw .truncated(offset: event) }
        return Sample(
            process: try bytes.integer(at: body), thread: try bytes.integer(at: body + 4),
            time: try bytes.integer(at: body + 8), event: event..<event + Int(size))
    }
}
