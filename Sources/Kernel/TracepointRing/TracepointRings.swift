import CLinux
import Glibc
import SystemCalls

/// A tracepoint's events of every process, one ring for each processor that is online.
///
/// No BPF and no kprobe: `perf_event_open` and a mapped ring. The kernel writes an event into the ring
/// of the processor that it happens on, and wakes nobody until a ring is as full as the watermark says;
/// until then an event costs no wake-up, and `drain` finds it all the same. Readiness is reported once for
/// each time the watermark is passed, even to a level-triggered poll.
///
/// Needs `CAP_PERFMON` (Linux 5.8) or `CAP_SYS_ADMIN`. Events of all namespaces are seen; process ids
/// are those of the namespace that this was made in. A processor that comes online later is not seen until
/// `reopen`; `ProcessorEvents` reports it.
public struct TracepointRings: ~Copyable {
    private var rings: RingList
    private var filter: String?
    private let watermark: UInt32
    private let shape: SampleShape
    /// What rings dropped that have been replaced.
    private var lostBefore: UInt64 = 0
    /// The tracepoint's number and fields.
    public let format: TracepointFormat
    /// The same of the second tracepoint; `nil` where it is not to be had on every processor.
    public private(set) var companionFormat: TracepointFormat?
    /// Whether the kernel took the tracepoint's filter, if it has one.
    public let isFiltered: Bool
    /// Whether `lost` is known (Linux 6.0).
    public let countsLoss: Bool

    /// Each ring's size in pages.
    public let pages: Int

    /// Opens the rings and starts the events.
    ///
    /// - Parameters:
    ///   - companion: a second tracepoint, without a filter, whose events go to the same rings, if the kernel has it.
    ///   - pages: each ring's size in pages, a power of two. By default 1 MiB, about 8,000 events, or less
    ///     where there are more than 32 processors; where the kernel does not lend that much memory
    ///     (`kernel.perf_event_mlock_kb`, `RLIMIT_MEMLOCK`), half of it and so on, down to 128 KiB.
    ///   - wakeupWatermark: bytes in one ring that make its descriptor readable; a quarter by default.
    public init(
        _ tracepoint: Tracepoint = .socketState, and companion: Tracepoint? = nil, pages: Int? = nil,
        wakeupWatermark: UInt32? = nil
    ) throws(TracepointError) {
        try self.init(
            tracepoint, and: companion, pages: pages, wakeupWatermark: wakeupWatermark, shape: .plain)
    }

    init(
        _ tracepoint: Tracepoint, and companion: Tracepoint? = nil, pages: Int?, wakeupWatermark: UInt32?,
        shape: SampleShape
    ) throws(TracepointError) {
        let traces = try TraceFileSystem()
        let format = try traces.format(of: tracepoint)
        var companionFormat: TracepointFormat?
        if let companion {
            do throws(TracepointError) {
                companionFormat = try traces.format(of: companion)
            } catch {
                // Without it, the first one is worth having all the same.
            }
        }
        let second = companionFormat?.identifier
        let processors: ProcessorList
        do throws(SystemError) {
            processors = try ProcessorList.online()
        } catch {
            throw .system(error)
        }
        let first = pages ?? RingSize.pages(processors: processors.numbers.count)
        precondition(first > 0 && first <= 1 << 40 && first & (first - 1) == 0, "a power of two")
        var size = first
        var countsLoss = true
        func open(_ pages: Int) throws(TracepointError) -> RingList {
            size = pages
            let watermark = wakeupWatermark ?? RingSize.watermark(pages: pages)
            return try Self.open(processors, format, second, shape, pages: pages, watermark, &countsLoss)
        }
        let rings = pages == nil ? try RingSize.shrinking(from: first, open) : try open(first)
        if rings.count == 0 { throw .refused(SystemError("perf_event_open", code: ENODEV)) }

        var isFiltered = tracepoint.filter != nil
        try rings.forEach { ring throws(TracepointError) in
            if let filter = tracepoint.filter { isFiltered = ring.filter(filter) && isFiltered }
            if !ring.hasCompanion { companionFormat = nil }
            try ring.enable()
        }
        self.companionFormat = companionFormat
        self.rings = rings
        filter = tracepoint.filter
        self.shape = shape
        watermark = wakeupWatermark ?? RingSize.watermark(pages: size)
        self.format = format
        self.isFiltered = isFiltered
        self.countsLoss = countsLoss
        self.pages = size
    }

    /// Opens a ring on each processor, the events still disabled.
    private static func open(
        _ processors: ProcessorList, _ format: TracepointFormat, _ companion: UInt16?, _ shape: SampleShape,
        pages: Int,
        _ watermark: UInt32, _ countsLoss: inout Bool
    ) throws(TracepointError) -> RingList {
        var attributes = attributes(format.identifier, watermark)
        shape.set(&attributes)
        if !countsLoss { attributes.read_format = 0 }
        var rings = RingList(capacity: processors.numbers.count)
        for processor in processors.numbers {
            do throws(TracepointError) {
                rings.append(
                    try ProcessorRing(
                        &attributes, processor: processor, companion: companion, pages: pages))
            } catch .refused(let error) where error.code == ENODEV {
                continue  // It went offline since the list was read.
            } catch .refused(let error) where error.code == EINVAL && countsLoss {
                countsLoss = false
                attributes.read_format = 0
                rings.append(
                    try ProcessorRing(
                        &attributes, processor: processor, companion: companion, pages: pages))
            }
        }
        return rings
    }

    /// What became of a processor's ring.
    public struct Reopened: Equatable, Sendable {
        /// The number that is to be polled no longer; it is closed already, and so out of every epoll instance.
        public var old: Int32?
        /// The number to poll in its place.
        public var new: Int32
    }

    /// Opens the ring of a processor that came online: the one from before it went offline stays silent for good.
    ///
    /// - Parameter buffer: what the old ring still holds is put behind what this holds.
    public mutating func reopen(
        processor: Int32, drainingInto buffer: inout [UInt8]
    ) throws(TracepointError) -> Reopened {
        var attributes = Self.attributes(format.identifier, watermark)
        shape.set(&attributes)
        if !countsLoss { attributes.read_format = 0 }
        let ring = try ProcessorRing(
            &attributes, processor: processor, companion: companionFormat?.identifier, pages: pages)
        if let filter { _ = ring.filter(filter) }
        try ring.enable()
        let number = ring.number
        switch rings.replace(with: ring) {
        case .some(let old):
            old.drain(appendingTo: &buffer)
            if countsLoss { lostBefore += (try? old.lost()) ?? 0 }
            return Reopened(old: old.number, new: number)
        case .none: return Reopened(old: nil, new: number)
        }
    }

    /// The same for every processor that is online now, for when nobody can say which of them were not.
    public mutating func reopenAll(drainingInto buffer: inout [UInt8]) throws(TracepointError) -> [Reopened] {
        let processors: ProcessorList
        do throws(SystemError) { processors = try ProcessorList.online() } catch { throw .system(error) }
        var reopened: [Reopened] = []
        for processor in processors.numbers {
            do throws(TracepointError) {
                reopened.append(try reopen(processor: processor, drainingInto: &buffer))
            } catch .refused(let error) where error.code == ENODEV {
                continue  // It went offline since the list was read.
            }
        }
        return reopened
    }

    /// Lets other events through from now on, by new rings: an event's filter can be set once. The numbers to poll are
    /// others then, and nothing is let through for the microseconds in between.
    ///
    /// - Parameter buffer: what the old rings still hold is put behind what this holds.
    public mutating func setFilter(
        _ expression: String, drainingInto buffer: inout [UInt8]
    ) throws(TracepointError) {
        filter = expression
        rings.forEach { $0.disable() }
        _ = try reopenAll(drainingInto: &buffer)
    }

    /// Ends the events, or starts them again; what the rings hold stays.
    public borrowing func setOn(_ isOn: Bool) throws(TracepointError) {
        try rings.forEach { ring throws(TracepointError) in
            if isOn { try ring.enable() } else { ring.disable() }
        }
    }

    /// The numbers to poll.
    public var numbers: [Int32] {
        var numbers = [Int32]()
        rings.forEach { numbers.append($0.number) }
        return numbers
    }

    /// Copies what all rings hold behind what `buffer` holds: perf records as the kernel wrote them, one
    /// behind the other. Those of one processor are in order; order between processors is by their time.
    ///
    /// - Returns: bytes copied.
    @discardableResult
    public borrowing func drain(appendingTo buffer: inout [UInt8]) -> Int {
        let start = buffer.count
        rings.forEach { _ = $0.drain(appendingTo: &buffer) }
        return buffer.count - start
    }

    /// How many events were dropped since the start because a ring was full; `nil` before Linux 6.0.
    ///
    /// The records say so too (`parse`), but only in front of the next event that finds room: this
    /// also counts what was dropped after the last one.
    public borrowing func lost() throws(SystemError) -> UInt64? {
        guard countsLoss else { return nil }
        var sum = lostBefore
        try rings.forEach { ring throws(SystemError) in sum += try ring.lost() }
        return sum
    }

    /// The corresponding C structure is `perf_event_attr`.
    private static func attributes(_ identifier: UInt16, _ watermark: UInt32) -> perf_event_attr {
        var attributes = perf_event_attr()
        attributes.type = PERF_TYPE_TRACEPOINT.rawValue
        attributes.size = UInt32(MemoryLayout<perf_event_attr>.size)
        attributes.config = UInt64(identifier)
        attributes.sample_period = 1
        attributes.sample_type = PerfRecords.sampleType
        attributes.read_format = UInt64(clinux_PERF_FORMAT_LOST)
        attributes.disabled = 1
        attributes.use_clockid = 1
        attributes.clockid = CLOCK_MONOTONIC
        attributes.watermark = 1
        attributes.wakeup_watermark = watermark
        return attributes
    }
}
