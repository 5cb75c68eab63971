import Text

/// Everything that is known of one host: programs, endpoints, records, gaps.
///
/// Numbers stay as long as nothing is forgotten: `forget` takes records out, and names that nothing refers to any
/// more, closes the holes, and says which number each has then.
public struct Ledger: ~Copyable {
    /// Paths, names and workloads.
    public var texts = TextTree()
    /// Programs by number; the first stands for "not known".
    public internal(set) var programs: [Program] = [Program(executable: .none)]
    /// Endpoints by number; the first stands for "none".
    public internal(set) var endpoints: [Endpoint] = [Endpoint(NetworkAddress(high: 0, low: 0), port: 0)]
    /// Records in the order in which they were first seen.
    public internal(set) var records: [Record] = []
    /// Gaps in the order in which they happened.
    public var gaps: [Gap] = [] { didSet { noteGapsChanged() } }
    /// What programs run with, as far as somebody has read it for a dump.
    public var processes: [ProcessDescription] = []
    /// Positions of records whose `isDirty` is set: in the order in which they became so, so that of the new
    /// ones none stands before an older.
    public internal(set) var dirty: [UInt32] = []
    /// The number that records which change now get. It never falls.
    public internal(set) var change: UInt32 = 1
    /// Which records changed of late, for those who follow the changes.
    var followed = FollowedChanges()
    /// What distinguishes these change numbers from those of other records, such as the ones that a lost store had; 0 until
    /// a daemon has chosen it.
    public internal(set) var numbering: UInt32 = 0
    /// Whatever changed in this run of the daemon has a greater change number; 0 where no run was begun.
    public internal(set) var runAfter: UInt32 = 0
    /// Records that were forgotten or folded of late, the oldest first.
    public internal(set) var tombstones: [Tombstone] = []
    /// Of what went at a later change than this, every tombstone is there.
    public internal(set) var tombstonesAfter: UInt32 = 0
    /// How often numbers have become others: who has stored some must store all anew.
    public internal(set) var generation: UInt32 = 0

    /// Traffic of the records that are connections, by position: rising, so that it can be searched.
    var connections: [(position: UInt32, traffic: Traffic)] = []
    var folds: [UInt32: Fold] = [:]
    /// Names of programs, by their numbers.
    var names: [UInt32: [[UInt8]]] = [:]
    var programIndex = HashIndex<UInt32>()
    var endpointIndex = HashIndex<UInt32>()
    /// Positions plus one.
    var index = HashIndex<UInt32>()
    let hash = SeededHash()

    /// Makes an empty ledger.
    public init() {}

    // MARK: Names

    /// The number of a program, a new one if it was not met before.
    public mutating func intern(_ program: Program) -> ProgramID {
        let hash = hash(program)
        let place = programIndex.search(hash) { programs[Int($0)] == program }
        if place.number != 0 { return ProgramID(rawValue: place.number) }
        let number = UInt32(programs.count)
        programs.append(program)
        programIndex.insert(number, hash, at: place)
        if programIndex.isFull {
            let (programs, hash) = (programs, self.hash)
            programIndex.grow { hash(programs[Int($0)]) }
        }
        return ProgramID(rawValue: number)
    }

    /// The number of a program if it was met; nothing is added.
    public func number(of program: Program) -> ProgramID? {
        let found = programIndex.search(hash(program)) { programs[Int($0)] == program }.number
        return found == 0 ? nil : ProgramID(rawValue: found)
    }

    /// The number of an endpoint if it was met; nothing is added.
    public func number(of endpoint: Endpoint) -> EndpointID? {
        let found = endpointIndex.search(hash(endpoint)) { endpoints[Int($0)] == endpoint }.number
        return found == 0 ? nil : EndpointID(rawValue: found)
    }

    /// The number of an endpoint, a new one if it was not met before.
    public mutating func intern(_ endpoint: Endpoint) -> EndpointID {
        let hash = hash(endpoint)
        let place = endpointIndex.search(hash) { endpoints[Int($0)] == endpoint }
        if place.number != 0 { return EndpointID(rawValue: place.number) }
        let number = UInt32(endpoints.count)
        endpoints.append(endpoint)
        endpointIndex.insert(number, hash, at: place)
        if endpointIndex.isFull {
            let (endpoints, hash) = (endpoints, self.hash)
            endpointIndex.grow { hash(endpoints[Int($0)]) }
        }
        return EndpointID(rawValue: number)
    }

    /// A program by its number.
    public subscript(program: ProgramID) -> Program { programs[Int(program.rawValue)] }

    // MARK: Records

    /// Position of a record, if there is one.
    public func position(of key: RecordKey) -> Int? {
        let number = index.search(hash(key)) { records[Int($0) - 1].key == key }.number
        return number == 0 ? nil : Int(number) - 1
    }

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
        let hash = hash(key)
        let place = index.search(hash) { records[Int($0) - 1].key == key }
        guard place.number != 0 else {
            var record = Record(key, evidence: evidence, time: time)
            record.access = access
            record.kind = kind
            record.count = max(count, 1)
            let position = append(record, hash, place)
            dirty.makeRoom(for: 1)
            dirty.append(UInt32(position))
            return position
        }
        let position = Int(place.number) - 1
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
        if changed { markChanged(position) }
        return position
    }

    /// Bytes that went over the connections of a record; none for a record that is no connection.
    public func traffic(of position: Int) -> Traffic {
        connection(position).map { connections[$0].traffic } ?? Traffic()
    }

    /// Adds bytes that went over a connection to its record.
    public mutating func addTraffic(at position: Int, sent: UInt64, received: UInt64) {
        guard sent != 0 || received != 0, let place = connection(position) else { return }
        connections[place].traffic.add(Traffic(sent: sent, received: received))
        markChanged(position)
    }

    /// Puts this in place of what was counted.
    mutating func set(_ traffic: Traffic, at position: Int) {
        if let place = connection(position) { connections[place].traffic = traffic }
    }

    /// Says of a connection's record that not all bytes that went over were counted.
    public mutating func noteLowerBound(at position: Int) {
        guard !records[position].isLowerBound else { return }
        records[position].isLowerBound = true
        markChanged(position)
    }

    /// Puts in a record read back from a store, marked clean; joined with an existing one of the same key.
    public mutating func restore(_ record: Record, traffic: Traffic = Traffic(), fold: Fold? = nil) {
        let hash = hash(record.key)
        let place = index.search(hash) { records[Int($0) - 1].key == record.key }
        guard place.number == 0 else {
            let position = Int(place.number) - 1
            records[position].count = records[position].count.addingUpToMaximum(record.count)
            records[position].first = min(records[position].first, record.first)
            records[position].last = max(records[position].last, record.last)
            records[position].access.formUnion(record.access)
            records[position].evidence = max(records[position].evidence, record.evidence)
            if let place = connection(position) { connections[place].traffic.add(traffic) }
            if record.isLowerBound { records[position].isLowerBound = true }
            if let fold { join(fold, position) }
            markChanged(position)
            return
        }
        var clean = record
        clean.isDirty = false
        clean.isFolded = false
        let position = append(clean, hash, place)
        if let fold { join(fold, position) }
        if let place = connection(position) { connections[place].traffic = traffic }
        change = max(change, record.change)
    }

    /// Puts in records as `restore` does one after another. The index is looked at ahead for all of them, so that the
    /// misses of the processor's caches overlap.
    ///
    /// - Parameter seen: takes what was looked at, so that looking is not left out.
    mutating func restore(_ records: UnsafeMutableBufferPointer<Record>, seen: inout UInt64) {
        for record in records { seen ^= UInt64(index.peek(hash(record.key))) }
        for record in records { restore(record) }
    }

    /// Makes room for so many records in all, where that many are sure to come: growing by and by copies what is there,
    /// and hashes it anew.
    mutating func reserve(records wanted: Int) {
        records.reserve(wanted)
        let (records, hash) = (records, self.hash)
        index.reserve(wanted) { hash(records[Int($0) - 1].key) }
    }

    /// Says that no store has any of the records.
    public mutating func markAllDirty() {
        for position in records.indices { records[position].isDirty = true }
        dirty = records.indices.map { UInt32($0) }
    }

    /// Notes that the store has taken every dirty record.
    public mutating func markAllClean() { markClean(dirty.count) }

    /// Notes that the store has taken the first so many of the dirty records.
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
            + connections.capacity * MemoryLayout<(UInt32, Traffic)>.stride
            + folds.capacity * MemoryLayout<(UInt32, Fold)>.stride
            + tombstones.capacity * MemoryLayout<Tombstone>.stride
            + programs.capacity * MemoryLayout<Program>.stride + programIndex.footprint
            + endpoints.capacity * MemoryLayout<Endpoint>.stride + endpointIndex.footprint
    }

    private mutating func append(
        _ record: Record, _ hash: UInt64, _ place: HashIndex<UInt32>.Place
    ) -> Int {
        let position = records.count
        records.makeRoom(for: 1)
        records.append(record)
        if record.change == 0 {
            records[position].change = change
            followed.note(position, change)
        }
        index.insert(UInt32(position + 1), hash, at: place)
        if index.isFull {
            let (records, hash) = (records, self.hash)
            index.grow { hash(records[Int($0) - 1].key) }
        }
        if record.key.relation == .connect || record.key.relation == .accept {
            connections.append((UInt32(position), Traffic()))
        }
        return position
    }

    @inline(__always)
    mutating func markChanged(_ position: Int) {
        if records[position].change != change {
            records[position].change = change
            followed.note(position, change)
        }
        if records[position].isDirty { return }
        records[position].isDirty = true
        dirty.append(UInt32(position))
    }

    /// Where a record's traffic stands.
    private func connection(_ position: Int) -> Int? {
        var range = 0..<connections.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let found = connections[middle].position
            if found == UInt32(position) { return middle }
            range = found < UInt32(position) ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }
}

extension SeededHash {
    @inline(__always)
    func callAsFunction(_ key: RecordKey) -> UInt64 {
        self(
            UInt64(key.program.rawValue) << 32 | UInt64(key.object),
            UInt64(key.remote) << 32 | UInt64(key.peer.rawValue),
            UInt64(key.relation.rawValue) << 8 | UInt64(key.detail))
    }

    func callAsFunction(_ program: Program) -> UInt64 {
        self(
            UInt64(program.executable.rawValue) << 32 | UInt64(program.script.rawValue),
            UInt64(program.workload.rawValue))
    }

    func callAsFunction(_ endpoint: Endpoint) -> UInt64 {
        self(endpoint.address.high, endpoint.address.low, UInt64(endpoint.port))
    }
}
