import CLinux
import Glibc
import Net
import SystemCalls
import Wire

/// A datagram that was sent from a UDP socket that is not connected, a UDP socket that was closed, or one that a route was looked
/// up for, in the context of the process that did it.
public struct DatagramCall: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process (`tgid`).
    public let process: Int32
    /// This end; its address is that of no particular one where the socket was bound to none, or where IPv6 was sent.
    public let local: TransitionAddress
    /// Where it was sent; of one that was closed the other end, port 0 where it was not connected.
    public let remote: TransitionAddress
}

/// Probes of the functions by which Unix sockets are connected, datagrams sent to an address, and UDP sockets closed.
///
/// The arguments have the name as the kernel took it, so nothing is left to guess. A connect counts when it returned 0.
public struct ConnectProbes: ~Copyable {
    private enum Kind: Int, CaseIterable {
        case connected, joined, connect, join, send, closed, sent, sent6

        /// Whether it is of datagrams over UDP.
        var isDatagram: Bool { self == .sent || self == .sent6 }

        var name: String {
            switch self {
            case .connected: "connected"
            case .joined: "joined"
            case .connect: "connect"
            case .join: "join"
            case .send: "send"
            case .closed: "closed"
            case .sent: "sent"
            case .sent6: "sent6"
            }
        }
        /// Kind of probe and function with what it fetches.
        var definition: (kind: String, rest: String) {
            let address = "size=$arg3:s32 name=+2($arg2):x64[13] rest=+106($arg2):x32"
            return switch self {
            case .connected: ("r256", "unix_stream_connect result=$retval:s32")
            case .joined: ("r64", "unix_dgram_connect result=$retval:s32")
            case .connect: ("p", "unix_stream_connect family=+0($arg2):u16 \(address)")
            case .join: ("p", "unix_dgram_connect family=+0($arg2):u16 \(address)")
            case .send:
                (
                    "p",
                    "unix_dgram_sendmsg address=+0($arg2):u64 size=+8($arg2):s32 "
                        + "name=+2(+0($arg2)):x64[13] rest=+106(+0($arg2)):x32"
                )
            // struct sock_common: the first 18 bytes are the same in every kernel since 3.10.
            case .closed:
                (
                    "p",
                    "udp_destroy_sock there=+0($arg1):u32 here=+4($arg1):u32 distant=+12($arg1):u16 "
                        + "port=+14($arg1):u16 family=+16($arg1):u16"
                )
            // struct msghdr: the address and its length come first; `high` is the upper half of its port.
            case .sent:
                (
                    "p",
                    "udp_sendmsg family=+0(+0($arg2)):u16 high=+2(+0($arg2)):u8 distant=+2(+0($arg2)):u16 "
                        + "there=+4(+0($arg2)):u32 here=+4($arg1):u32 port=+14($arg1):u16"
                )
            case .sent6:
                (
                    "p",
                    "udpv6_sendmsg family=+0(+0($arg2)):u16 high=+2(+0($arg2)):u8 distant=+2(+0($arg2)):u16 "
                        + "first=+8(+0($arg2)):u64 last=+16(+0($arg2)):u64 port=+14($arg1):u16"
                )
            }
        }
        /// What is read of its events.
        var fields: [String] {
            switch self {
            case .connected, .joined: ["result"]
            case .connect, .join, .send: ["size", "name", "rest"]
            case .closed, .sent: ["there", "here", "distant", "port"]
            case .sent6: ["first", "last", "distant", "port"]
            }
        }
        var filter: String? {
            switch self {
            case .connected, .joined: nil
            case .connect, .join: "family == 1"
            case .send: "address != 0"
            case .closed: "port != 0 && family == 2"
            // Without an address the family is 0. What goes from a port below those that the kernel chooses to one of
            // these is an answer.
            case .sent: "family == 2 && (high < 128 || port >= 32768)"
            case .sent6: "family == 10 && (high < 128 || port >= 32768)"
            }
        }
    }

    private final class Ring {
        let kind: Kind
        var rings: TracepointRings
        /// Events dropped so far.
        var lost: UInt64 = 0
        init(_ kind: Kind, _ rings: consuming TracepointRings) {
            self.kind = kind
            self.rings = rings
        }
    }

    private struct Event {
        var time: UInt64
        var process: Int32
        var thread: Int32
        var kind: Kind
        var result: Int32 = 0
        var name: [UInt8]?
        var datagram: DatagramCall?
    }

    private final class RingList {
        var all: [Ring]
        init(_ all: [Ring]) { self.all = all }
    }

    private let rings: RingList
    /// Calls that have not returned yet, by thread.
    private var calls: [Int32: UnixConnect] = [:]
    /// What is younger than the drain that met it: rings are drained one after another, so the return of a call may be
    /// missing while the same thread's next call is there.
    private var held: [Event] = []
    private var probes: KernelProbes
    private var buffer: [UInt8] = []
    private var pace = EventPace()
    /// When datagrams over UDP are heard again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    public var retryTime: UInt64? { pace.retryTime }

    /// Pages of each ring: about a thousand events.
    private static let pages = 32
    /// Threads in a call at a time; beyond, the oldest are not waited for.
    private static let mostCalls = 1 << 12

    /// Defines the probes and starts their events.
    public init() throws(TracepointError) {
        var probes = try KernelProbes()
        var rings: [Ring] = []
        do throws(TracepointError) {
            for kind in Kind.allCases {
                let (type, rest) = kind.definition
                do throws(TracepointError) { try probes.define(type, kind.name, rest) } catch {
                    // A kernel need not have IPv6.
                    if kind == .sent6 { continue }
                    throw error
                }
                let point = Tracepoint(group: probes.group, name: kind.name, filter: kind.filter)
                let ring = Ring(
                    kind, try TracepointRings(point, pages: Self.pages, wakeupWatermark: nil, shape: .plain))
                // Those that are shared may be of another version, which a daemon that runs still uses.
                let format = ring.rings.format
                guard kind.fields.allSatisfy({ (try? format.field($0)) != nil }) else { throw .undefined }
                rings.append(ring)
            }
        } catch {
            rings.removeAll()
            throw error
        }
        self.probes = probes
        self.rings = RingList(rings)
    }

    deinit {
        // The events end before their definitions, which the kernel keeps as long as they are used.
        rings.all.removeAll()
    }

    /// Defines the probes for a daemon that runs as another user, and so may use but not define them; as root. They cost
    /// nothing as long as nobody uses them.
    public static func prepare() throws(TracepointError) {
        for kind in Kind.allCases {
            let (type, rest) = kind.definition
            do throws(TracepointError) { try KernelProbes.defineShared(type, kind.name, rest) } catch {
                // A kernel need not have IPv6.
                if kind != .sent6 { throw error }
            }
        }
    }

    /// Takes away what `prepare` has defined; as root.
    public static func clear() throws(TracepointError) { try KernelProbes.removeShared() }

    /// The numbers to poll.
    public var numbers: [Int32] { rings.all.flatMap { $0.rings.numbers } }

    /// Opens the rings of a processor that came online; `nil` for all.
    public mutating func follow(processor: Int32?) throws(TracepointError) {
        for ring in rings.all {
            // What the former ring held is read with the others.
            if let processor {
                _ = try ring.rings.reopen(processor: processor, drainingInto: &buffer)
            } else {
                _ = try ring.rings.reopenAll(drainingInto: &buffer)
            }
            buffer.removeAll()
        }
    }

    /// Calls the closures with what has happened since the last call, each in the order of time.
    ///
    /// - Returns: what was read, and whether datagrams over UDP are heard now and were not, or the other way round.
    public mutating func drain(
        _ connected: (UnixConnect) -> Void, _ ended: (DatagramCall) -> Void, _ sent: (DatagramCall) -> Void
    ) -> (counts: DataReadyEvents.Counts, isChanged: Bool) {
        var events = held
        let already = UInt64(held.count)
        let cutoff = Clock.monotonic()
        var counts = DataReadyEvents.Counts()
        for ring in rings.all {
            buffer.removeAll(keepingCapacity: true)
            ring.rings.drain(appendingTo: &buffer)
            guard !buffer.isEmpty else { continue }
            let count = ((try? ring.rings.lost()) ?? nil) ?? 0
            counts.lost += count > ring.lost ? count - ring.lost : 0
            ring.lost = max(count, ring.lost)
            try? Self.read(buffer.span.bytes, ring, &events)
        }
        counts.events = UInt64(events.count) - already
        events.sort { $0.time < $1.time }
        held = events.filter { $0.time > cutoff }
        for event in events where event.time <= cutoff { take(event, connected, ended, sent) }
        let datagrams = events.dropFirst(Int(already)).reduce(0) { $0 + ($1.kind.isDatagram ? 1 : 0) }
        return (counts, keepPace(UInt64(datagrams) + counts.lost, cutoff))
    }

    /// Hears datagrams over UDP no longer, or again, as many come.
    private mutating func keepPace(_ datagrams: UInt64, _ now: UInt64) -> Bool {
        guard let change = pace.take(datagrams, now: now) else { return false }
        var isDone = true
        var left: [Event] = []
        for ring in rings.all where ring.kind.isDatagram {
            let filter = change == .all ? ring.kind.filter! : "family == 1"
            buffer.removeAll(keepingCapacity: true)
            isDone = (try? ring.rings.setFilter(filter, drainingInto: &buffer)) != nil && isDone
            try? Self.read(buffer.span.bytes, ring, &left)
        }
        held += left
        if change == .all { pace.widened(isDone, now: now) }
        return change == .fewer || isDone
    }

    private mutating func take(
        _ event: Event, _ connected: (UnixConnect) -> Void, _ ended: (DatagramCall) -> Void,
        _ sent: (DatagramCall) -> Void
    ) {
        switch event.kind {
        case .connect, .join:
            if calls.count >= Self.mostCalls { calls.removeAll() }
            calls[event.thread] = UnixConnect(
                time: event.time, process: event.process, call: event.kind == .connect ? .connect : .datagram,
                name: event.name)
        case .connected, .joined:
            guard let call = calls.removeValue(forKey: event.thread), event.result == 0 else { return }
            connected(call)
        case .send:
            connected(UnixConnect(time: event.time, process: event.process, call: .send, name: event.name))
        case .closed: if let call = event.datagram { ended(call) }
        case .sent, .sent6: if let call = event.datagram { sent(call) }
        }
    }

    private static func read(_ records: RawSpan, _ ring: Ring, _ events: inout [Event]) throws(WireError) {
        let format = ring.rings.format
        func offset(_ name: String) -> Int { (try? format.field(name)).map { Int($0.offset) } ?? .max / 2 }
        let fields = ring.kind.fields.map(offset)
        var walk = PerfRecords()
        while let record = try walk.next(in: records) {
            guard case .sample(let sample) = record else { continue }
            let bytes = records.extracting(sample.event)
            guard try bytes.integer(at: 0, as: UInt16.self) == format.identifier else { continue }
            var event = Event(
                time: sample.time, process: sample.process, thread: sample.thread, kind: ring.kind)
            switch ring.kind {
            case .connected, .joined: event.result = try bytes.integer(at: fields[0])
            case .connect, .join, .send:
                let size: Int32 = try bytes.integer(at: fields[0])
                let path = try bytes.copy(fields[1]..<fields[1] + 104) + bytes.copy(fields[2]..<fields[2] + 4)
                event.name = UnixConnect.name(path, size: Int(size) - 2)
            case .closed, .sent:
                func address(_ at: Int, port: UInt16) throws(WireError) -> TransitionAddress {
                    let number = UInt32(bigEndian: try bytes.integer(at: at))
                    return TransitionAddress(
                        high: 0, low: number == 0 ? 0 : 0xffff_0000_0000 | UInt64(number), port: port)
                }
                event.datagram = DatagramCall(
                    time: sample.time, process: sample.process,
                    local: try address(fields[1], port: try bytes.integer(at: fields[3])),
                    remote: try address(
                        fields[0], port: UInt16(bigEndian: try bytes.integer(at: fields[2]))))
            case .sent6:
                event.datagram = DatagramCall(
                    time: sample.time, process: sample.process,
                    local: TransitionAddress(high: 0, low: 0, port: try bytes.integer(at: fields[3])),
                    remote: TransitionAddress(
                        high: UInt64(bigEndian: try bytes.integer(at: fields[0])),
                        low: UInt64(bigEndian: try bytes.integer(at: fields[1])),
                        port: UInt16(bigEndian: try bytes.integer(at: fields[2]))))
            }
            events.append(event)
        }
    }
}
