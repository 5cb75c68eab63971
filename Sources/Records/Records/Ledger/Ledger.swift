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
    /// Positions of records whose `isDirty` is set: in the order in which they became so, so that of the new
    /// ones none stands before an older.
    public private(set) var dirty: [UInt32] = []

    private var programNumbers: [Program: UInt32] = [:]
    private var endpointNumbers: [Endpoint: UInt32] = [:]
    private var index = RecordIndex()

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
    public func position(of key: RecordKey) -> Int? { index.position(of: key, in: records) }

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
        guard let position = position(of: key) else {
            var record = Record(key, evidence: evidence, time: time)
            record.access = access
            record.kind = kind
            record.count = max(count, 1)
            return append(record)
        }
        var changed = count != 0
        records[position].count = records[position].count.addingUpToMaximum(count)
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
        records[position].sent = records[position].sent.addingUpToMaximum(sent)
        records[position].received = records[position].received.addingUpToMaximum(received)
        markDirty(position)
    }

    /// Puts in a record read back from a store, marked clean; joined with an existing one of the same key.
    public mutating func restore(_ record: Record) {
        if let position = position(of: record.key) {
            records[position].count = records[position].count.addingUpToMaximum(record.count)
            records[position].first = min(records[position].first, record.first)
            records[position].last = max(records[position].last, record.last)
            records[position].access.formUnion(record.access)
            records[position].evidence = max(records[position].evidence, record.evidence)
            records[position].sent = records[position].sent.addingUpToMaximum(record.sent)
            records[position].received = records[position].received.addingUpToMaximum(record.received)
            markDirty(position)
            return
        }
        var clean = record
        clean.isDirty = false
        records.append(clean)
        index.insertLast(of: records)
    }

    /// Tells that the store has taken every dirty record.
    public mutating func markAllClean() { markClean(dirty.count) }

    /// Tells that the store has taken the first so many of the dirty records.
    public mutating func markClean(_ count: Int) {
        for position in dirty[..<count] { records[Int(position)].isDirty = false }
        if count == dirty.count {
            dirty.removeAll(keepingCapacity: dirty.capacity <= 4096)
        } else {
            dirty.removeFirst(count)
        }
    }

    /// Bytes of memory in use by the tables, for `status`.
    public var footprint: Int {
        texts.footprint + records.capacity * MemoryLayout<Record>.stride
            + dirty.capacity * 4 + index.footprint
            + programs.capacity * 2 * MemoryLayout<Program>.stride
            + endpoints.capacity * 2 * MemoryLayout<Endpoint>.stride
    }

    private mutating func append(_ record: Record) -> Int {
        let position = records.count
        records.append(record)
        index.insertLast(of: records)
        dirty.append(UInt32(position))
        return position
    }

    private mutating func markDirty(_ position: Int) {
        if records[position].isDirty { return }
        records[position].isDirty = true
        dirty.append(UInt32(position))
    }
}

extension UInt64 {
    /// The sum, or the largest number there is: a count from a stored form may be anything.
    fileprivate func addingUpToMaximum(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
