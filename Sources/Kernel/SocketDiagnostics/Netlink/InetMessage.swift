import CLinux
import Glibc
import Wire
import Net

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
