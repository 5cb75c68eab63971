/// A span of time in which a source lost events.
public struct Gap: Hashable, Sendable {
    /// The source's name, as in the header of a dump.
    public var source: String
    /// Why, in a word or a few (`queue overflow`, `ENOBUFS`).
    public var cause: String
    /// Start of the span, nanoseconds since 1970.
    public var from: UInt64
    /// End of the span, nanoseconds since 1970.
    public var to: UInt64
    /// Events lost, at least one; `nil` where nobody can know.
    public var lost: UInt64?
    /// When the state was read afresh from /proc and sock_diag; 0 if it was not.
    public var resynchronised: UInt64

    /// Makes a gap that was not yet followed by a resynchronisation.
    ///
    /// - Parameters:
    ///   - lost: 0, as earlier forms of dump and store have it, stands for `nil`.
    public init(
        source: String, cause: String, from: UInt64, to: UInt64, lost: UInt64?, resynchronised: UInt64 = 0
    ) {
        self.source = source
        self.cause = cause
        self.from = from
        self.to = to
        self.lost = lost == 0 ? nil : lost
        self.resynchronised = resynchronised
    }
}
