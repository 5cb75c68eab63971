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
    /// Events lost; where the kernel does not count them, one for each time that it said so.
    public var lost: UInt64
    /// When the state was read afresh from /proc and sock_diag; 0 if it was not.
    public var resynchronised: UInt64

    /// Makes a gap that was not yet followed by a resynchronisation.
    public init(
        source: String, cause: String, from: UInt64, to: UInt64, lost: UInt64, resynchronised: UInt64 = 0
    ) {
        self.source = source
        self.cause = cause
        self.from = from
        self.to = to
        self.lost = lost
        self.resynchronised = resynchronised
    }
}
