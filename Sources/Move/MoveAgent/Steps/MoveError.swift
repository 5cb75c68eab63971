public import Transfer

/// Why a step of a move was not done.
public struct MoveError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A sentence for people: what, and what to do about it.
    public var description: String

    /// Makes one.
    public init(_ description: String) { self.description = description }

    /// Of a failed transfer.
    public init(_ error: TransferError) { description = error.description }
}
