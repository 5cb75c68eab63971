/// An IPv4 or IPv6 address; an IPv4 address is kept in its IPv4-mapped form (RFC 4291, 2.5.5.2).
public struct NetworkAddress: Hashable, Sendable {
    /// The first eight bytes, as a big-endian number.
    public var high: UInt64
    /// The last eight bytes, as a big-endian number.
    public var low: UInt64

    /// Makes an address from its sixteen bytes as two big-endian numbers.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes an IPv4 address from its four bytes as a big-endian number.
    public init(v4 address: UInt32) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(address))
    }

    /// Whether this is an IPv4 address.
    public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// Whether this is 0.0.0.0, ::ffff:0.0.0.0 or ::, which as a local address mean every address.
    public var isWildcard: Bool { high == 0 && (low == 0 || low == 0xffff_0000_0000) }

    /// Whether this is 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        high == 0 && (low == 1 || (isV4 && (low >> 24) & 0xff == 127))
    }
}
