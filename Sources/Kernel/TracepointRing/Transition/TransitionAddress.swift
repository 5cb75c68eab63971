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
