/// An address and a port (host byte order).
public struct Endpoint: Hashable, Sendable {
    /// The address.
    public var address: NetworkAddress
    /// The port; 0 where it does not matter.
    public var port: UInt16

    /// Makes an endpoint.
    public init(_ address: NetworkAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}
