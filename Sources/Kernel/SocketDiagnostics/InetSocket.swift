import CLinux
import Glibc
public import Net
import Wire

/// A TCP or UDP socket that lives, as a dump shows it.
public struct InetSocket: Equatable, Sendable {
    /// TCP or UDP.
    public let transport: TransportProtocol
    /// The number in `/proc/PID/fd`'s `socket:[N]`; 0 where no descriptor names the socket any more.
    public let inode: UInt32
    /// The state; `close` for a UDP socket without a peer.
    public let state: TCPState
    /// This end.
    public let local: SocketAddress
    /// The other end; port 0 where there is none.
    public let remote: SocketAddress
    /// The owner's user id, as the user namespace of the query counts.
    public let userID: UInt32
    /// The socket's number that is never used twice; a destroy notice has the same.
    public let cookie: UInt64
    /// The cgroup's id, as an inode on the cgroup2 filesystem (`INET_DIAG_CGROUP_ID`, Linux 5.9).
    public let cgroup: UInt64?
    /// The interface that the socket is bound to, or 0.
    public let interface: UInt32
    /// Whether an IPv6 socket that listens refuses IPv4 (`INET_DIAG_SKV6ONLY`).
    public let isV6Only: Bool?
    /// Bytes that wait to be read, of a UDP socket with what the kernel needs for them; connections that wait to be accepted, of a
    /// TCP socket that listens (`idiag_rqueue`).
    public let waiting: UInt32
    /// What a TCP socket carried so far.
    public let traffic: TCPTraffic?

    /// The payload bytes a TCP socket received: exact, as a live socket's state says whether the FIN
    /// that `traffic` may count was received.
    public var payloadReceived: UInt64? { traffic?.payloadReceived(countingFin: state.hasReceivedFin) }

    /// Calls `body` with each socket of a dump's bytes; messages of other kinds are skipped.
    ///
    /// - Throws: `WireError`; an offset inside a message counts from its payload.
    public static func parse(
        _ dump: RawSpan, transport: TransportProtocol, _ body: (borrowing InetSocket) -> Void
    ) throws(WireError) {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: dump) {
            guard Int32(message.type) == SOCK_DIAG_BY_FAMILY else { continue }
            let payload = dump.extracting(message.payload)
            guard var fields = try InetMessage(payload) else { continue }
            // Dumps of old kernels name no protocol: it is the one that was asked for.
            if fields.transport.rawValue == 0 { fields.transport = transport }
            body(InetSocket(fields, fields.traffic(payload)))
        }
    }

    private init(_ fields: InetMessage, _ traffic: TCPTraffic?) {
        transport = fields.transport
        inode = fields.inode
        state = fields.state
        local = fields.local
        remote = fields.remote
        userID = fields.userID
        cookie = fields.cookie
        cgroup = fields.cgroup
        interface = fields.interface
        isV6Only = fields.isV6Only
        waiting = fields.unread
        self.traffic = traffic
    }
}

/// One `inet_diag_msg` and the attributes behind it, as both destroy notices and dumps carry them.
struct InetMessage {
    var state: TCPState
    var local: SocketAddress
    var remote: SocketAddress
    var interface: UInt32
    var cookie: UInt64
    var unread: UInt32
    var userID: UInt32
    var inode: UInt32
    var transport = TransportProtocol(rawValue: 0)
    var cgroup: UInt64?
    var isV6Only: Bool?
    /// Where the `tcp_info` lies, in the payload.
    var information: Range<Int>?

    private static let size = MemoryLayout<inet_diag_msg>.size

    /// Reads the payload of a message; `nil` for a family that is neither IPv4 nor IPv6.
    init?(_ payload: RawSpan) throws(WireError) {
        _ = try payload.end(of: Self.size, from: 0)
        let family: UInt8 = try payload.integer(at: 0)
        guard family == UInt8(AF_INET) || family == UInt8(AF_INET6) else { return nil }
        let isV4 = family == UInt8(AF_INET)
        state = TCPState(try payload.integer(at: 1))
        local = try Self.address(payload, at: 8, isV4: isV4, port: 4)
        remote = try Self.address(payload, at: 24, isV4: isV4, port: 6)
        interface = try payload.integer(at: 40)
        let low: UInt32 = try payload.integer(at: 44)
        let high: UInt32 = try payload.integer(at: 48)
        cookie = UInt64(high) << 32 | UInt64(low)
        unread = try payload.integer(at: 56)
        userID = try payload.integer(at: 64)
        inode = try payload.integer(at: 68)
        try readAttributes(payload)
    }

    /// What the socket carried, for TCP sockets whose message has a `tcp_info`.
    func traffic(_ payload: RawSpan) -> TCPTraffic? {
        guard transport == .tcp, let information else { return nil }
        return TCPTraffic(payload.extracting(information), unread: unread)
    }

    private mutating func readAttributes(_ payload: RawSpan) throws(WireError) {
        var attributes = NetlinkAttributes(offset: Self.size)
        while let attribute = try attributes.next(in: payload) {
            let value = attribute.value
            switch Int(attribute.type) {
            case INET_DIAG_PROTOCOL where value.count >= 1:
                transport = TransportProtocol(rawValue: try payload.integer(at: value.lowerBound))
            case INET_DIAG_CGROUP_ID where value.count >= 8:
                cgroup = try payload.integer(at: value.lowerBound, as: UInt64.self)
            case INET_DIAG_SKV6ONLY where value.count >= 1:
                isV6Only = try payload.integer(at: value.lowerBound, as: UInt8.self) != 0
            case INET_DIAG_INFO:
                information = value
            default: break
            }
        }
    }

    private static func address(
        _ payload: RawSpan, at offset: Int, isV4: Bool, port: Int
    ) throws(WireError) -> SocketAddress {
        let port = UInt16(bigEndian: try payload.integer(at: port))
        if isV4 { return SocketAddress(v4: UInt32(bigEndian: try payload.integer(at: offset)), port: port) }
        return SocketAddress(
            high: UInt64(bigEndian: try payload.integer(at: offset)),
            low: UInt64(bigEndian: try payload.integer(at: offset + 8)), port: port)
    }
}
