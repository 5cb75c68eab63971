import CLinux
import Glibc
import Net
import SystemCalls
import Wire

/// Whom UDP sockets are connected or send to, by the routes that the kernel looks up for them: `fib:fib_table_lookup` and
/// `fib6:fib6_table_lookup`. No probe is needed.
///
/// A connect looks up a route, and so does each datagram of a socket that is not connected, in the process that makes the call
/// and with this end's port and the other end. Which of the two it was is not shown; a connected socket's datagrams keep to its
/// route. Look-ups for a tunnel's outer packets are reported in the name of whoever sent the inner one: only a socket of that
/// port, met later, says that it was its own. What the kernel looks up while it takes packets in is in no process's name, and
/// left out.
///
/// Needs `CAP_PERFMON` or `CAP_SYS_ADMIN`, and the tracepoints' fields `proto`, `sport` and `dport` (seen on Linux 6.1 to 7.3).
public struct RouteLookups: ~Copyable {
    /// One family's rings and where its fields lie.
    private final class Source {
        var rings: TracepointRings
        let layout: RouteLayout
        /// Events dropped so far.
        var lost: UInt64 = 0

        init(_ group: String, isV6: Bool) throws(TracepointError) {
            let name = isV6 ? "fib6_table_lookup" : "fib_table_lookup"
            let rings = try TracepointRings(
                Tracepoint(group: group, name: name, filter: RouteLookups.filter), pages: RouteLookups.pages)
            // Without it every look-up of a router would come.
            guard rings.isFiltered else { throw .refused(SystemError("ioctl", code: EINVAL)) }
            do throws(FormatError) { layout = try RouteLayout(rings.format, isV6: isV6) } catch {
                throw .format(error)
            }
            self.rings = rings
        }

        func drain(_ buffer: inout [UInt8], _ body: (DatagramCall) -> Void) -> DataReadyEvents.Counts {
            var counts = DataReadyEvents.Counts()
            buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
            rings.drain(appendingTo: &buffer)
            guard !buffer.isEmpty else { return counts }
            // What cannot be read is missing, as what was lost is: its socket is counted.
            try? DatagramCall.parse(buffer.span.bytes, layout: layout) {
                counts.events += 1
                body($0)
            }
            let dropped = ((try? rings.lost()) ?? nil) ?? 0
            counts.lost = dropped > lost ? dropped - lost : 0
            lost = max(lost, dropped)
            return counts
        }
    }

    /// Look-ups for packets that are sent from here (their interface is the loopback's, by number), over UDP, that have found
    /// something. What goes from a port below those that the kernel chooses to one of these is an answer. To the ports of VXLAN
    /// (4789, and Linux's own 8472) and Geneve the kernel itself sends, from ports that a socket may have by chance.
    static let filter =
        "proto == 17 && iif == 1 && err == 0 && dport != 0 && dport != 4789 && dport != 8472 && dport != 6081 "
        + "&& (dport < 32768 || sport >= 32768)"
    /// Pages of each ring: some two thousand events.
    private static let pages = 64

    /// Of IPv4, and of IPv6 where the kernel has it.
    private let sources: [Source]
    private var buffer: [UInt8] = []
    private var pace = EventPace(mostInSecond: 10_000, mostAtOnce: 100_000)
    /// When they are heard again, `CLOCK_MONOTONIC`, nanoseconds; `nil` while they are.
    public var retryTime: UInt64? { pace.retryTime }

    /// Opens the rings and starts the events.
    public init() throws(TracepointError) {
        let v4 = try Source("fib", isV6: false)
        sources = [v4] + ((try? Source("fib6", isV6: true)).map { [$0] } ?? [])
    }

    /// The numbers to poll.
    public var numbers: [Int32] { sources.flatMap { $0.rings.numbers } }

    /// Opens the rings of all processors anew, when one came online.
    public mutating func followAll() throws(TracepointError) {
        var left: [UInt8] = []
        for source in sources { _ = try source.rings.reopenAll(drainingInto: &left) }
        if pace.retryTime != nil { try setOn(false) }
    }

    /// Calls `body` with each look-up since the last call, in the order of each processor.
    ///
    /// - Parameter now: `CLOCK_MONOTONIC`, nanoseconds.
    /// - Returns: what was read, and whether they are heard now and were not, or the other way round.
    public mutating func drain(
        now: UInt64, _ body: (DatagramCall) -> Void
    ) -> (counts: DataReadyEvents.Counts, isChanged: Bool) {
        var counts = DataReadyEvents.Counts()
        for source in sources {
            let read = source.drain(&buffer, body)
            counts.events += read.events
            counts.lost += read.lost
        }
        guard let change = pace.take(counts.events + counts.lost, now: now) else { return (counts, false) }
        let isDone = (try? setOn(change == .all)) != nil
        if change == .all { pace.widened(isDone, now: now) }
        return (counts, change == .fewer || isDone)
    }

    private borrowing func setOn(_ isOn: Bool) throws(TracepointError) {
        for source in sources { try source.rings.setOn(isOn) }
    }
}

/// Where the fields of a look-up's event lie on one kernel.
public struct RouteLayout: Equatable, Sendable {
    /// The tracepoint's number, with which each of its events starts.
    let identifier: UInt16
    let isV6: Bool
    let source: UInt16
    let destination: UInt16
    let sourcePort: UInt16
    let destinationPort: UInt16
    /// Whether an interrupt was being served: `common_flags`.
    let flags: UInt16

    /// Takes the offsets out of a tracepoint's `format` file.
    public init(_ format: TracepointFormat, isV6: Bool) throws(FormatError) {
        self.isV6 = isV6
        let size: UInt16 = isV6 ? 16 : 4
        identifier = format.identifier
        source = try format.offset(of: "src", size: size)
        destination = try format.offset(of: "dst", size: size)
        sourcePort = try format.offset(of: "sport", size: 2)
        destinationPort = try format.offset(of: "dport", size: 2)
        flags = try format.offset(of: "common_flags", size: 1)
    }
}

extension DatagramCall {
    /// `TRACE_FLAG_HARDIRQ`, `TRACE_FLAG_SOFTIRQ` and `TRACE_FLAG_NMI`: then the process is only the one that was interrupted.
    private static let interrupts: UInt8 = 0x08 | 0x10 | 0x40

    /// Calls `body` with each look-up among the records that a process made, in the order of each processor.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it already delivered.
    public static func parse(
        _ records: RawSpan, layout: RouteLayout, _ body: (DatagramCall) -> Void
    ) throws(WireError) {
        var walk = PerfRecords()
        while let record = try walk.next(in: records) {
            guard case .sample(let sample) = record else { continue }
            let event = records.extracting(sample.event)
            guard try event.integer(at: 0, as: UInt16.self) == layout.identifier,
                try event.integer(at: Int(layout.flags), as: UInt8.self) & interrupts == 0
            else { continue }
            body(
                DatagramCall(
                    time: sample.time, process: sample.process,
                    local: try address(event, layout.source, layout.sourcePort, isV6: layout.isV6),
                    remote: try address(
                        event, layout.destination, layout.destinationPort, isV6: layout.isV6)))
        }
    }

    private static func address(
        _ event: RawSpan, _ offset: UInt16, _ port: UInt16, isV6: Bool
    ) throws(WireError) -> TransitionAddress {
        let port: UInt16 = try event.integer(at: Int(port))
        guard isV6 else {
            let number = UInt32(bigEndian: try event.integer(at: Int(offset)))
            return TransitionAddress(
                high: 0, low: number == 0 ? 0 : 0xffff_0000_0000 | UInt64(number), port: port)
        }
        return TransitionAddress(
            high: UInt64(bigEndian: try event.integer(at: Int(offset))),
            low: UInt64(bigEndian: try event.integer(at: Int(offset) + 8)), port: port)
    }
}
