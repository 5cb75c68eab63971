/// A dependency, deduplicated: its key and what was seen of it.
public struct Record: Sendable {
    /// What makes it this dependency.
    public var key: RecordKey
    /// file: the letters seen; else empty.
    public var access: Access = []
    /// file: the type of the file.
    public var kind: FileKind = .regular
    /// The strongest evidence seen.
    public var evidence: Evidence
    /// Set when the record has changed since the store last took it.
    public var isDirty = true
    /// Observations. The kernel merges like events that wait together, so for files this is a lower bound.
    public var count: UInt64 = 0
    /// First observation, nanoseconds since 1970.
    public var first: UInt64
    /// Last observation, nanoseconds since 1970.
    public var last: UInt64
    /// connect, accept: payload bytes that the program sent over connections that have ended or were
    /// looked at.
    public var sent: UInt64 = 0
    /// connect, accept: payload bytes received, likewise.
    public var received: UInt64 = 0

    /// Makes a record that was not yet observed.
    public init(_ key: RecordKey, evidence: Evidence, time: UInt64) {
        self.key = key
        self.evidence = evidence
        first = time
        last = time
    }
}
