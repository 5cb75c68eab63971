/// A dependency, deduplicated: its key and what was seen of it, in 48 bytes.
///
/// What only few records have (bytes over a connection, what was folded) stands in the ledger, by position.
public struct Record: Sendable {
    /// What makes it this dependency.
    public var key: RecordKey
    /// Access (bits 0 to 2), kind (3 to 5), evidence (6 and 7).
    private var seen: UInt8 = 0
    private var flags: UInt8 = 0
    /// The ledger's change number when the record last changed (`Ledger.change`).
    public var change: UInt32 = 0
    /// Observations. The kernel merges like events that wait together, so for files this is a lower bound.
    public var count: UInt64 = 0
    /// First observation, nanoseconds since 1970.
    public var first: UInt64
    /// Last observation, nanoseconds since 1970.
    public var last: UInt64

    /// Makes a record that was not yet observed.
    public init(_ key: RecordKey, evidence: Evidence, time: UInt64) {
        self.key = key
        first = time
        last = time
        self.evidence = evidence
        isDirty = true
    }

    /// file: the letters seen; else empty.
    @inline(__always)
    public var access: Access {
        get { Access(rawValue: seen & 7) }
        set { seen = seen & ~7 | newValue.rawValue & 7 }
    }

    /// file: the type of the file.
    @inline(__always)
    public var kind: FileKind {
        get { FileKind(rawValue: seen >> 3 & 7) ?? .regular }
        set { seen = seen & ~0x38 | newValue.rawValue << 3 }
    }

    /// The strongest evidence seen.
    @inline(__always)
    public var evidence: Evidence {
        get { Evidence(rawValue: seen >> 6) ?? .inferred }
        set { seen = seen & 0x3f | newValue.rawValue << 6 }
    }

    /// Set when the record has changed since the store last took it.
    @inline(__always)
    public var isDirty: Bool {
        get { flags & 1 != 0 }
        set { set(1, newValue) }
    }

    /// file: whether it stands for paths below its own as well (`Ledger.fold(at:)` says how many).
    @inline(__always)
    public var isFolded: Bool {
        get { flags & 2 != 0 }
        set { set(2, newValue) }
    }

    @inline(__always)
    private mutating func set(_ bit: UInt8, _ value: Bool) { flags = value ? flags | bit : flags & ~bit }
}

/// Payload bytes that went over connections that have ended or were looked at.
public struct Traffic: Hashable, Sendable {
    /// Bytes that the program sent.
    public var sent: UInt64
    /// Bytes that it received.
    public var received: UInt64

    /// Makes numbers.
    public init(sent: UInt64 = 0, received: UInt64 = 0) {
        self.sent = sent
        self.received = received
    }

    /// Adds bytes, up to the largest number there is.
    mutating func add(_ other: Traffic) {
        sent = sent.addingUpToMaximum(other.sent)
        received = received.addingUpToMaximum(other.received)
    }
}

/// The paths that one folded record stands for, beside its own.
public struct Fold: Hashable, Sendable {
    /// How many paths there are at least.
    public var paths: UInt64
    /// Some of those that were written, below the record's own path.
    public private(set) var names: [[UInt8]] = []

    /// Names that are kept.
    public static let mostNames = 16
    /// Bytes of the longest name that is kept.
    public static let longestName = 1024

    /// Makes a fold.
    public init(paths: UInt64 = 0, names: [[UInt8]] = []) {
        self.paths = paths
        for name in names { add(name) }
    }

    /// Keeps a name, if there is room for it.
    public mutating func add(_ name: [UInt8]) {
        guard names.count < Self.mostNames, !name.isEmpty, name.count <= Self.longestName,
            !names.contains(name)
        else { return }
        names.append(name)
    }
}

extension UInt64 {
    /// The sum, or the largest number there is: a count from a stored form may be anything.
    func addingUpToMaximum(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
