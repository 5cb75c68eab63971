import SystemCalls
import Wire

/// `sock:sk_data_ready` as a source of Unix connects and datagrams, which costs little however many messages are sent.
///
/// The tracepoint fires for each message. As long as they are few all are let through, and the sockets learnt that
/// connects wake: those that listen. When they are many, only the events of these come, and a message costs its sender no
/// more than the kernel takes to compare addresses.
public struct DataReadyRings: ~Copyable {
    private var rings: TracepointRings
    private let events: DataReadyEvents
    private var buffer: [UInt8] = []
    private var lost: UInt64 = 0
    /// Sockets that connects have woken, and when one did last.
    private var listeners: [UInt64: UInt64] = [:]
    private var pace = EventPace()
    /// When all are let through again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    public var retryTime: UInt64? { pace.retryTime }

    /// Listeners whose addresses the filter compares.
    static let mostListeners = 48

    /// Opens the rings. Linux 6.3; the errors are those of `TracepointRings` and, where `/proc/kallsyms` hides addresses,
    /// `noSymbols`. Whether the kernel has the functions that tell events apart is known later: `isReadable`.
    public init() throws(TracepointError) { try self.init(DataReadyEvents.Functions.init) }

    init(_ functions: @escaping @Sendable () -> DataReadyEvents.Functions?) throws(TracepointError) {
        let format = try TraceFileSystem().format(of: DataReadyEvents.tracepoint)
        let events = try DataReadyEvents(format, functions)
        let rings = try TracepointRings(
            DataReadyEvents.tracepoint, pages: nil, wakeupWatermark: nil, shape: DataReadyEvents.sample)
        // Without a filter each TCP segment would cost as much.
        guard rings.isFiltered else { throw .refused(SystemError("ioctl", code: 22)) }
        self.events = events
        self.rings = rings
    }

    /// Whether events can be distinguished, as far as anybody had to know: `false` once there were some that cannot.
    public private(set) var isReadable = true

    /// The numbers to poll.
    public var numbers: [Int32] { rings.numbers }

    /// Opens the rings of all processors anew, when one came online.
    public mutating func followAll() throws(TracepointError) {
        _ = try rings.reopenAll(drainingInto: &buffer)
    }

    /// Calls `body` with each connect and datagram since the last call, in the order of each processor.
    ///
    /// - Parameter now: `CLOCK_MONOTONIC`, nanoseconds.
    /// - Returns: what was read, and whether others are let through than before.
    public mutating func drain(
        now: UInt64, _ body: (UnixConnect) -> Void
    ) -> (counts: DataReadyEvents.Counts, isChanged: Bool) {
        rings.drain(appendingTo: &buffer)
        var counts = DataReadyEvents.Counts()
        var listeners = listeners
        if !buffer.isEmpty {
            isReadable = events.areReadable
            counts =
                (try? events.parse(buffer.span.bytes) { connect in
                    if connect.call == .connect { listeners[connect.socket] = connect.time }
                    body(connect)
                }) ?? counts
            buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
            let dropped = ((try? rings.lost()) ?? nil) ?? 0
            counts.lost = dropped > lost ? dropped - lost : 0
            lost = max(lost, dropped)
        }
        self.listeners = listeners
        let isChanged = keepPace(counts, now)
        return (counts, isChanged)
    }

    /// Lets fewer or more events through, as many come.
    private mutating func keepPace(_ counts: DataReadyEvents.Counts, _ now: UInt64) -> Bool {
        switch pace.take(counts.events + counts.lost, now: now) {
        case nil: return false
        case .all:
            // Without memory for new rings it is tried again later.
            let isDone =
                (try? rings.setFilter(DataReadyEvents.tracepoint.filter!, drainingInto: &buffer)) != nil
            pace.widened(isDone, now: now)
            return isDone
        case .fewer:
            keepRecent()
            try? rings.setFilter(Self.filter(listeners.keys.sorted()), drainingInto: &buffer)
            return true
        }
    }

    private mutating func keepRecent() {
        guard listeners.count > Self.mostListeners else { return }
        let recent = listeners.sorted { $0.value > $1.value }.prefix(Self.mostListeners)
        listeners = Dictionary(uniqueKeysWithValues: recent.map { ($0.key, $0.value) })
    }

    /// The expression that lets the events of these sockets through and no others.
    static func filter(_ sockets: [UInt64]) -> String {
        guard !sockets.isEmpty else { return "family == 1 && skaddr == 0" }
        return sockets.map { "skaddr == 0x\(String($0, radix: 16))" }.joined(separator: " || ")
    }
}
