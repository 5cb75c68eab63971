import Wire

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
