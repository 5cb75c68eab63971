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

/// The number of an endpoint in a ledger; 0 stands for "none".
public struct EndpointID: Hashable, Sendable {
    /// Position in the ledger's list of endpoints.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}
