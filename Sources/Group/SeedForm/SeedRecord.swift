import Records

/// One of the five calls that the published method records.
public enum SeedCall: UInt8, Sendable, CaseIterable {
    case open, fork, exec, accept, connect
}

/// How a file was opened.
public enum SeedAccess: UInt8, Sendable, CaseIterable {
    /// `r`: to read only.
    case read
    /// `rw`: to write as well, or to write only.
    case readWrite
}

/// One call as it was recorded on one machine: what a line of the seed form holds.
///
/// This form owns its path. Building a list from millions of lines does not pass through it; see
/// ``DependencyListBuilder``.
public struct SeedRecord: Hashable, Sendable {
    /// The call and what was recorded of it. A pid is that of the process at this moment: it may be
    /// another's later.
    public enum Event: Hashable, Sendable {
        /// A process opened a file.
        case open(pid: UInt32, path: [UInt8], access: SeedAccess)
        /// A process made another.
        case fork(parent: UInt32, child: UInt32)
        /// A process became the program at a path.
        case exec(pid: UInt32, path: [UInt8])
        /// A process took a connection.
        case accept(pid: UInt32, server: Endpoint, client: Endpoint)
        /// A process made a connection.
        case connect(pid: UInt32, client: Endpoint, server: Endpoint)
    }

    /// The largest pid (`pid_t` has a sign).
    public static let largestPID = UInt32(Int32.max)
    /// The largest time: the year 2262.
    public static let largestTime = UInt64(Int64.max)
    /// Bytes of the longest record, without the end of the line.
    public static let longest = 65_536

    /// What happened.
    public var event: Event
    /// When: nanoseconds since 1970; `nil` where it was not recorded.
    public var time: UInt64?

    /// Makes a record.
    public init(_ event: Event, time: UInt64? = nil) {
        self.event = event
        self.time = time
    }
}
