@_exported public import Net
import Wire

/// A socket that went from one state to another.
///
/// A client's connection is reported by two of them: `close` to `synSent`, in the connecting process, with
/// no local port yet; and `synSent` to `established`, with the port, of the same `socket`, but in the
/// name of whatever process the answer happened to interrupt.
public struct StateTransition: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process that was running (`tgid`); 0 for none. It caused the transition only where that is
    /// a system call's work.
    public let process: Int32
    /// The thread that was running.
    public let thread: Int32
    /// The socket's address in the kernel: a name for as long as the socket lives, then used again.
    public let socket: UInt64
    /// The state before.
    public let oldState: TCPState
    /// The state after.
    public let newState: TCPState
    /// The address family's number.
    public let family: UInt16
    /// The protocol's number: 6 is TCP, 262 MPTCP.
    public let transport: UInt16
    /// This end.
    public let local: TransitionAddress
    /// The other end.
    public let remote: TransitionAddress

    private init(
        _ sample: PerfRecords.Sample, _ event: RawSpan, _ layout: TransitionLayout
    ) throws(WireError) {
        time = sample.time
        process = sample.process
        thread = sample.thread
        socket = try event.integer(at: Int(layout.socket))
        oldState = TCPState(rawValue: try event.integer(at: Int(layout.oldState)))
        newState = TCPState(rawValue: try event.integer(at: Int(layout.newState)))
        family = try event.integer(at: Int(layout.family))
        if layout.transportSize == 1 {
            transport = UInt16(try event.integer(at: Int(layout.transport), as: UInt8.self))
        } else {
            transport = try event.integer(at: Int(layout.transport))
        }
        local = try Self.address(event, layout.local, layout.localPort)
        remote = try Self.address(event, layout.remote, layout.remotePort)
    }

    private static func address(
        _ event: RawSpan, _ offset: UInt16, _ port: UInt16
    ) throws(WireError) -> TransitionAddress {
        TransitionAddress(
            high: UInt64(bigEndian: try event.integer(at: Int(offset))),
            low: UInt64(bigEndian: try event.integer(at: Int(offset) + 8)),
            // Ports are in host order already.
            port: try event.integer(at: Int(port)))
    }

    /// Calls `body` with each transition among the records, and `lost` with each count of dropped events.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it
    /// already delivered. Records of other kinds and of other tracepoints are skipped, and so are sockets
    /// of other protocols than TCP and MPTCP.
    ///
    /// - Returns: whether there are events of another tracepoint.
    static func parse(
        _ records: RawSpan, layout: TransitionLayout,
        _ body: (borrowing StateTransition) -> Void, lost: (UInt64) -> Void
    ) throws(WireError) -> Bool {
        var walk = PerfRecords()
        var hasOthers = false
        while let record = try walk.next(in: records) {
            switch record {
            case .lost(let count): lost(count)
            case .sample(let sample):
                let event = records.extracting(sample.event)
                let identifier: UInt16 = try event.integer(at: 0)
                guard identifier == layout.identifier else {
                    hasOthers = true
                    continue
                }
                let transition = try StateTransition(sample, event, layout)
                if transition.transport == 6 || transition.transport == 262 { body(transition) }
            case .other: continue
            }
        }
        return hasOthers
    }
}

extension TracepointRings {
    /// Calls `body` with each transition among drained records, and `lost` with each count of events that
    /// the kernel dropped; see `StateTransition`.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it
    /// already delivered. Records of other kinds and of other tracepoints are skipped, and so are sockets
    /// of other protocols than TCP and MPTCP.
    ///
    /// - Returns: whether there are events of another tracepoint.
    @discardableResult
    public static func parse(
        _ records: RawSpan, layout: TransitionLayout,
        _ body: (borrowing StateTransition) -> Void, lost: (UInt64) -> Void
    ) throws(WireError) -> Bool {
        try StateTransition.parse(records, layout: layout, body, lost: lost)
    }
}

/// The address and port of one end of a socket; IPv4 addresses take their IPv4-mapped form.
public struct TransitionAddress: Hashable, Sendable {
    /// The first eight bytes of the address, the first byte most significant.
    public let high: UInt64
    /// The last eight bytes of the address.
    public let low: UInt64
    /// The port in host order; 0 where it is not chosen yet.
    public let port: UInt16

    /// An IPv6 address, or an IPv4-mapped one.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }
}

/// Where the fields of `sock:inet_sock_set_state` lie on one kernel.
///
/// A recorded stream is read with the layout of the kernel that it comes from: keep `bytes` with it.
public struct TransitionLayout: Equatable, Sendable {
    /// The tracepoint's number, with which each of its events starts.
    public let identifier: UInt16
    let socket: UInt16
    let oldState: UInt16
    let newState: UInt16
    let localPort: UInt16
    let remotePort: UInt16
    let family: UInt16
    let transport: UInt16
    /// One byte until MPTCP's number (262) asked for two (Linux 5.7).
    let transportSize: UInt16
    let local: UInt16
    let remote: UInt16

    /// Takes the offsets out of a tracepoint's `format` file.
    public init(_ format: TracepointFormat) throws(FormatError) {
        identifier = format.identifier
        socket = try format.offset(of: "skaddr", size: 8)
        oldState = try format.offset(of: "oldstate", size: 4)
        newState = try format.offset(of: "newstate", size: 4)
        localPort = try format.offset(of: "sport", size: 2)
        remotePort = try format.offset(of: "dport", size: 2)
        family = try format.offset(of: "family", size: 2)
        let transport = try format.field("protocol")
        guard transport.size == 1 || transport.size == 2 else {
            throw .size("protocol", Int(transport.size))
        }
        self.transport = transport.offset
        transportSize = transport.size
        // The kernel fills them for IPv4 too, with the IPv4-mapped form.
        local = try format.offset(of: "saddr_v6", size: 16)
        remote = try format.offset(of: "daddr_v6", size: 16)
    }

    private static let version: UInt8 = 1

    private var numbers: [UInt16] {
        [
            identifier, socket, oldState, newState, localPort, remotePort, family, transport, transportSize,
            local, remote,
        ]
    }

    /// The layout as bytes that do not depend on this machine: a version (1), then eleven numbers of two
    /// bytes, the lower first.
    public var bytes: [UInt8] {
        numbers.reduce(into: [Self.version]) { bytes, number in
            bytes.append(UInt8(truncatingIfNeeded: number))
            bytes.append(UInt8(truncatingIfNeeded: number >> 8))
        }
    }

    /// Reads what `bytes` wrote; any numbers are safe to parse with.
    public init(_ bytes: [UInt8]) throws(WireError) {
        guard bytes.first == Self.version else { throw .malformed(offset: 0) }
        let span = bytes.span.bytes
        func number(_ index: Int) throws(WireError) -> UInt16 {
            UInt16(littleEndian: try span.integer(at: 1 + 2 * index))
        }
        identifier = try number(0)
        socket = try number(1)
        oldState = try number(2)
        newState = try number(3)
        localPort = try number(4)
        remotePort = try number(5)
        family = try number(6)
        transport = try number(7)
        transportSize = try number(8)
        local = try number(9)
        remote = try number(10)
        guard transportSize == 1 || transportSize == 2 else { throw .malformed(offset: 17) }
    }
}
