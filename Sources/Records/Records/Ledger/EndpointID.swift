/// The number of an endpoint in a ledger; 0 stands for "none".
public struct EndpointID: Hashable, Sendable {
    /// Position in the ledger's list of endpoints.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}
