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
    /// Events that may come before they are too many.
    private var room = Self.mostAtOnce
    private var lastDrain: UInt64 = 0
    private var pause: UInt64 = 0
    /// When all are let through again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    public private(set) var retryTime: UInt64?

    /// Events a second that are borne, and at once.
    static let mostInSecond = 2000.0
    static let mostAtOnce = 2000.0
    /// How long only known listeners are heard, the first time and at most, nanoseconds.
    static let shortestPause: UInt64 = 5_000_000_000
    static let longestPause: UInt64 = 300_000_000_000
    /// Listeners whose addresses the filter compares.
    static let mostListeners = 48

    /// Opens the rings. Linux 6.3; the errors are those of `TracepointRings` and, where `/proc/kallsyms` hides addresses,
    /// `noSymbols`.
    public init() throws(TracepointError) {
        let format = try TraceFileSystem().format(of: DataReadyEvents.tracepoint)
        let events = try DataReadyEvents(format)
        let rings = try TracepointRings(
            DataReadyEvents.tracepoint, pages: nil, wakeupWatermark: nil, shape: DataReadyEvents.sample)
        // Without a filter each TCP segment would cost as much.
        guard rings.isFiltered else { throw .refused(SystemError("ioctl", code: 22)) }
        self.events = events
        self.rings = rings
    }

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
        let isChanged = pace(counts, now)
        return (counts, isChanged)
    }

    /// Lets fewer or more events through, as many come.
    private mutating func pace(_ counts: DataReadyEvents.Counts, _ now: UInt64) -> Bool {
        let passed = Double(now &- min(lastDrain, now)) / 1e9
        lastDrain = now
        room = min(room + passed * Self.mostInSecond, Self.mostAtOnce) - Double(counts.events + counts.lost)
        if let retry = retryTime {
            guard now >= retry else { return false }
            // Without memory for new rings it is tried again later.
            guard (try? rings.setFilter(DataReadyEvents.tracepoint.filter!, drainingInto: &buffer)) != nil
            else {
                retryTime = now &+ pause
                return false
            }
            retryTime = nil
            room = Self.mostAtOnce
            return true
        }
        guard room < 0 else {
            if room == Self.mostAtOnce { pause = 0 }
            return false
        }
        pause = min(max(pause * 2, Self.shortestPause), Self.longestPause)
        retryTime = now &+ pause
        keepRecent()
        try? rings.setFilter(Self.filter(listeners.keys.sorted()), drainingInto: &buffer)
        return true
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
