/// The number of a program in a ledger; 0 stands for "not known".
public struct ProgramID: Hashable, Sendable {
    /// Position in the ledger's list of programs.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
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

/// What makes two observations the same dependency. Which fields are used depends on the relation.
public struct RecordKey: Hashable, Sendable {
    /// The program that depends.
    public var program: ProgramID
    /// How it depends.
    public var relation: Relation
    /// `Transport` (connect, accept, listen) or `Mechanism` (ipc) as a raw value; else 0.
    public var detail: UInt8
    /// file: path (`TextID`); spawn: child (`ProgramID`); connect: remote endpoint; accept and
    /// listen: local endpoint; ipc: name (`TextID`).
    public var object: UInt32
    /// accept: the remote address, an endpoint with port 0; else 0.
    public var remote: UInt32
    /// connect, accept, ipc: the program at the other end, if it is known.
    public var peer: ProgramID

    fileprivate init(
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

/// The number of an endpoint in a ledger; 0 stands for "none".
public struct EndpointID: Hashable, Sendable {
    /// Position in the ledger's list of endpoints.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

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

/// Everything that is known of one host: programs, endpoints, records, gaps. Grows, never forgets.
public struct Ledger: ~Copyable {
    /// Paths, names and workloads.
    public var texts = ByteInterner()
    /// Programs by number; the first stands for "not known".
    public private(set) var programs: [Program] = [Program(executable: .none)]
    /// Endpoints by number; the first stands for "none".
    public private(set) var endpoints: [Endpoint] = [Endpoint(NetworkAddress(high: 0, low: 0), port: 0)]
    /// Records in the order in which they were first seen.
    public private(set) var records: [Record] = []
    /// Gaps in the order in which they happened.
    public var gaps: [Gap] = []
    /// Positions of records whose `isDirty` is set.
    public private(set) var dirty: [UInt32] = []

    private var programNumbers: [Program: UInt32] = [:]
    private var endpointNumbers: [Endpoint: UInt32] = [:]
    private var positions: [RecordKey: UInt32] = [:]

    /// Makes an empty ledger.
    public init() {}

    /// The number of a program, a new one if it was not met before.
    public mutating func intern(_ program: Program) -> ProgramID {
        if let number = programNumbers[program] { return ProgramID(rawValue: number) }
        let number = UInt32(programs.count)
        programs.append(program)
        programNumbers[program] = number
        return ProgramID(rawValue: number)
    }

    /// The number of an endpoint, a new one if it was not met before.
    public mutating func intern(_ endpoint: Endpoint) -> EndpointID {
        if let number = endpointNumbers[endpoint] { return EndpointID(rawValue: number) }
        let number = UInt32(endpoints.count)
        endpoints.append(endpoint)
        endpointNumbers[endpoint] = number
        return EndpointID(rawValue: number)
    }

    /// A program by its number.
    public subscript(program: ProgramID) -> Program { programs[Int(program.rawValue)] }

    /// Position of a record, if there is one.
    public func position(of key: RecordKey) -> Int? { positions[key].map(Int.init) }

    /// Notes an observation of a dependency.
    ///
    /// - Parameters:
    ///   - time: nanoseconds since 1970.
    ///   - count: how many observations this stands for; 0 leaves count and times of an existing
    ///     record alone (more is learnt of something already counted).
    /// - Returns: the position of the record.
    @discardableResult
    public mutating func note(
        _ key: RecordKey, access: Access = [], kind: FileKind = .regular, evidence: Evidence, time: UInt64,
        count: UInt64 = 1
    ) -> Int {
        guard let found = positions[key] else {
            var record = Record(key, evidence: evidence, time: time)
            record.access = access
            record.kind = kind
            record.count = max(count, 1)
            return append(record)
        }
        let position = Int(found)
        var changed = count != 0
        records[position].count += count
        if count != 0 {
            records[position].first = min(records[position].first, time)
            records[position].last = max(records[position].last, time)
        }
        if !records[position].access.isSuperset(of: access) {
            records[position].access.formUnion(access)
            changed = true
        }
        if records[position].evidence < evidence {
            records[position].evidence = evidence
            changed = true
        }
        if changed { markDirty(position) }
        return position
    }

    /// Adds bytes that went over a connection to its record.
    public mutating func addTraffic(at position: Int, sent: UInt64, received: UInt64) {
        guard sent != 0 || received != 0 else { return }
        records[position].sent &+= sent
        records[position].received &+= received
        markDirty(position)
    }

    /// Puts in a record read back from a store, marked clean; joined with an existing one of the same key.
    public mutating func restore(_ record: Record) {
        if let found = positions[record.key] {
            let position = Int(found)
            records[position].count += record.count
            records[position].first = min(records[position].first, record.first)
            records[position].last = max(records[position].last, record.last)
            records[position].access.formUnion(record.access)
            records[position].evidence = max(records[position].evidence, record.evidence)
            records[position].sent &+= record.sent
            records[position].received &+= record.received
            markDirty(position)
            return
        }
        var clean = record
        clean.isDirty = false
        positions[record.key] = UInt32(records.count)
        records.append(clean)
    }

    /// Tells that the store has taken every dirty record.
    public mutating func markAllClean() {
        for position in dirty { records[Int(position)].isDirty = false }
        dirty.removeAll(keepingCapacity: dirty.capacity <= 4096)
    }

    /// Bytes of memory in use by the tables, for `status`.
    public var footprint: Int {
        texts.footprint + records.capacity * MemoryLayout<Record>.stride
            + positions.capacity * (MemoryLayout<RecordKey>.stride + 4)
            + programs.capacity * 2 * MemoryLayout<Program>.stride
            + endpoints.capacity * 2 * MemoryLayout<Endpoint>.stride
    }

    private mutating func append(_ record: Record) -> Int {
        let position = records.count
        positions[record.key] = UInt32(position)
        records.append(record)
        dirty.append(UInt32(position))
        return position
    }

    private mutating func markDirty(_ position: Int) {
        if records[position].isDirty { return }
        records[position].isDirty = true
        dirty.append(UInt32(position))
    }
}
