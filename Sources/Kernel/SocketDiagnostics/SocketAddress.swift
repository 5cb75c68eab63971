/// The address and port of one end of a socket.
///
/// IPv4 addresses take their IPv4-mapped form (`::ffff:a.b.c.d`), so that a connection looks the same
/// from both of its ends even where one of them is an IPv6 socket that also serves IPv4.
public struct SocketAddress: Hashable, Sendable {
    /// The first eight bytes of the address, the first byte most significant.
    public let high: UInt64
    /// The last eight bytes of the address.
    public let low: UInt64
    /// The port, in host order.
    public let port: UInt16

    /// An IPv6 address.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// An IPv4 address, the first byte most significant: 127.0.0.1 is `0x7f00_0001`.
    public init(v4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(address), port: port)
    }

    /// Whether this is an IPv4 address in its IPv4-mapped form.
    public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// Whether this is the address that stands for any (`::`, 0.0.0.0), whatever the port.
    public var isUnspecified: Bool { high == 0 && (low == 0 || low == 0xffff_0000_0000) }
}
