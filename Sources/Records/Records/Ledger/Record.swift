public import Text

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

    /// connect, accept: whether more bytes went over than `Traffic` says, since some were not counted.
    @inline(__always)
    public var isLowerBound: Bool {
        get { flags & 4 != 0 }
        set { set(4, newValue) }
    }

    @inline(__always)
    private mutating func set(_ bit: UInt8, _ value: Bool) { flags = value ? flags | bit : flags & ~bit }
}

/// Payload bytes that went over connections that have ended or were scanned.
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

/// What makes two observations the same dependency. Which fields are used depends on the relation.
public struct RecordKey: Hashable, Sendable {
    /// The program that depends.
    public var program: ProgramID
    /// file: path (`TextID`); spawn: child (`ProgramID`); connect: remote endpoint; accept and
    /// listen: local endpoint; ipc: name (`TextID`).
    public var object: UInt32
    /// accept: the remote address, an endpoint with port 0; else 0.
    public var remote: UInt32
    /// connect, accept, ipc: the program at the other end, if it is known.
    public var peer: ProgramID
    // What is small stands last: the record puts its own small fields behind it.
    /// How it depends.
    public var relation: Relation
    /// `Transport` (connect, accept, listen) or `Mechanism` (ipc) as a raw value; else 0.
    public var detail: UInt8

    /// For the factories below and for the store, which checks what it has read.
    package init(
        _ program: ProgramID, _ relation: Relation, detail: UInt8 = 0, object: UInt32, remote: UInt32 = 0,
        peer: ProgramID = .unknown
    ) {
        self.program = program
        self.relation = relation
        self.detail = detail
        self.object = object
        self.remote = remote
        self.peer = peer
    }

    /// A file at a path.
    public static func file(_ program: ProgramID, path: TextID) -> RecordKey {
        RecordKey(program, .file, object: path.rawValue)
    }
    /// A program started.
    public static func spawn(_ program: ProgramID, child: ProgramID) -> RecordKey {
        RecordKey(program, .spawn, object: child.rawValue)
    }
    /// A connection made.
    public static func connect(
        _ program: ProgramID, _ transport: Transport, remote: EndpointID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(program, .connect, detail: transport.rawValue, object: remote.rawValue, peer: peer)
    }
    /// A connection taken; `remote` is an endpoint with port 0.
    public static func accept(
        _ program: ProgramID, _ transport: Transport, local: EndpointID, remote: EndpointID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(
            program, .accept, detail: transport.rawValue, object: local.rawValue, remote: remote.rawValue,
            peer: peer)
    }
    /// An address waited on.
    public static func listen(_ program: ProgramID, _ transport: Transport, local: EndpointID) -> RecordKey {
        RecordKey(program, .listen, detail: transport.rawValue, object: local.rawValue)
    }
    /// An object of inter-process communication shared.
    public static func ipc(
        _ program: ProgramID, _ mechanism: Mechanism, name: TextID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(program, .ipc, detail: mechanism.rawValue, object: name.rawValue, peer: peer)
    }
}

/// The number of a program in a ledger; 0 stands for "not known".
public struct ProgramID: QuickKey, Sendable {
    /// Position in the ledger's list of programs.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The hash for tables.
    @inlinable public func hash(with hash: SeededHash) -> UInt64 { hash(UInt64(rawValue)) }
    /// A program that is not known.
    public static let unknown = ProgramID(rawValue: 0)
}

/// An executable; for an interpreter also the script; with the workload that it runs in.
public struct Program: Hashable, Sendable {
    /// Path of the executable, as seen from the daemon's mount namespace.
    public var executable: TextID
    /// Path of the script that an interpreter runs, if it is one.
    public var script: TextID
    /// Control group below the root (`system.slice/a.service`), if there is one.
    public var workload: TextID

    /// Makes a program.
    public init(executable: TextID, script: TextID = .none, workload: TextID = .none) {
        self.executable = executable
        self.script = script
        self.workload = workload
    }
}

/// The number of an endpoint in a ledger; 0 stands for "none".
public struct EndpointID: Hashable, Sendable {
    /// Position in the ledger's list of endpoints.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}
