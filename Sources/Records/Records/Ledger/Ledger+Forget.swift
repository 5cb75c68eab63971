import Text

/// A record that is gone: what it was, and the change at which it went.
public struct Tombstone: Hashable, Sendable {
    /// What made it this dependency.
    public var key: RecordKey
    /// `Ledger.change` at that time.
    public var change: UInt32

    /// Makes a tombstone, for readers of stored forms.
    public init(key: RecordKey, change: UInt32) {
        self.key = key
        self.change = change
    }
}

/// What others than the ledger refer to by number: it stays when what nothing refers to is taken out.
public struct LedgerUses: Sendable {
    /// Texts in use.
    public var texts: [TextID] = []
    /// Programs in use.
    public var programs: [ProgramID] = []

    /// Nothing.
    public init() {}
}

/// Which numbers things have since something was forgotten.
public struct Renumbering: Sendable {
    private let positions: [UInt32]
    private let texts: [UInt32]
    private let programs: [UInt32]

    /// No record is there any more.
    static let gone = UInt32.max

    fileprivate init(positions: [UInt32], texts: [UInt32], programs: [UInt32]) {
        self.positions = positions
        self.texts = texts
        self.programs = programs
    }

    /// How many texts there were.
    public var formerTexts: Int { texts.count }

    /// Where a record stands now; `nil` for one that is gone.
    public func position(_ former: Int) -> Int? {
        positions[former] == Self.gone ? nil : Int(positions[former])
    }

    /// The number of a text; `.none` for one that is gone.
    public func callAsFunction(_ former: TextID) -> TextID { TextID(rawValue: texts[Int(former.rawValue)]) }

    /// The number of a program; `.unknown` for one that is gone.
    public func callAsFunction(_ former: ProgramID) -> ProgramID {
        ProgramID(rawValue: programs[Int(former.rawValue)])
    }
}

extension Ledger {
    /// Tombstones that are kept; beyond that the oldest go.
    public static var mostTombstones: Int { 8192 }

    /// Lets what changes from now on have a greater number than all that was shown so far.
    ///
    /// To be called whenever somebody has seen the records: between two such moments a number need distinguish nothing,
    /// and so no event pays for it.
    public mutating func beginChange() { skipChanges(1) }

    /// The same, leaving numbers out: some may have been shown that no store has.
    public mutating func skipChanges(_ count: UInt32) {
        change = change > .max - count ? .max : change + count
        followed.isNumberUsed = false
    }

    /// Takes over what a store says of changes and of what is gone.
    public mutating func restore(_ tombstones: [Tombstone], after: UInt32, change stored: UInt32) {
        self.tombstones = tombstones
        tombstonesAfter = after
        change = max(change, stored, tombstones.last?.change ?? 0)
    }

    /// Forgets records, and takes out names that nothing refers to any more.
    ///
    /// A tombstone of each is left. Everything gets new numbers, in the order of the former ones, in place: where
    /// memory is short there is no room for a second ledger. Takes time in proportion to the whole of it.
    ///
    /// - Parameters:
    ///   - positions: of the records, rising.
    ///   - uses: what others refer to.
    public mutating func forget(_ positions: [Int], keeping uses: LedgerUses = LedgerUses()) -> Renumbering {
        // Later than all that was seen of these records, and earlier than all that will be: one that comes back has a
        // greater number than its tombstone.
        beginChange()
        addTombstones(at: positions)
        beginChange()
        let newPositions = removeRecords(positions)
        let isUsed = used(uses)
        let programNumbers = reclaimPrograms(isUsed.programs)
        renumberNames(programNumbers)
        let endpointNumbers = reclaimEndpoints(isUsed.endpoints)
        let textNumbers = texts.reclaim(keeping: isUsed.texts)
        for number in programs.indices.dropFirst() { programs[number].renumber(textNumbers) }
        for position in records.indices {
            records[position].key.renumber(textNumbers, programNumbers, endpointNumbers)
        }
        for place in tombstones.indices {
            tombstones[place].key.renumber(textNumbers, programNumbers, endpointNumbers)
        }
        followed.restart(after: change - 1)
        enterAll()
        generation &+= 1
        markAllDirty()
        return Renumbering(positions: newPositions, texts: textNumbers, programs: programNumbers)
    }

    /// Lets all tombstones go, where memory is short: who follows the changes has to begin anew.
    public mutating func dropTombstones() {
        guard let last = tombstones.last else { return }
        tombstonesAfter = last.change
        tombstones = []
        // A store has them all or none.
        generation &+= 1
        markAllDirty()
    }

    /// Keeps whole changes only: half of one is of no use to anybody.
    private mutating func addTombstones(at positions: [Int]) {
        if positions.count > Self.mostTombstones {
            tombstones = []
            tombstonesAfter = change
            return
        }
        let surplus = tombstones.count + positions.count - Self.mostTombstones
        if surplus > 0 {
            tombstonesAfter = tombstones[surplus - 1].change
            let kept = tombstones.firstIndex { $0.change > tombstonesAfter } ?? tombstones.count
            tombstones.removeFirst(kept)
        }
        for position in positions {
            tombstones.append(Tombstone(key: records[position].key, change: change))
        }
    }

    private mutating func removeRecords(_ positions: [Int]) -> [UInt32] {
        var numbers = [UInt32](repeating: 0, count: records.count)
        for position in positions { numbers[position] = Renumbering.gone }
        var kept = 0
        for position in records.indices where numbers[position] != Renumbering.gone {
            numbers[position] = UInt32(kept)
            records[kept] = records[position]
            kept += 1
        }
        records.removeLast(records.count - kept)
        records.trim()
        connections = connections.compactMap { entry in
            let number = numbers[Int(entry.position)]
            return number == Renumbering.gone ? nil : (number, entry.traffic)
        }
        let former = folds
        folds = [:]
        for (position, fold) in former where numbers[Int(position)] != Renumbering.gone {
            folds[numbers[Int(position)]] = fold
        }
        return numbers
    }

    /// What records, tombstones and others refer to, by number.
    private func used(_ uses: LedgerUses) -> (texts: [Bool], programs: [Bool], endpoints: [Bool]) {
        var isText = [Bool](repeating: false, count: texts.count + 1)
        var isProgram = [Bool](repeating: false, count: programs.count)
        var isEndpoint = [Bool](repeating: false, count: endpoints.count)
        isProgram[0] = true
        isEndpoint[0] = true
        func mark(_ key: RecordKey) {
            isProgram[Int(key.program.rawValue)] = true
            isProgram[Int(key.peer.rawValue)] = true
            switch key.relation {
            case .file, .ipc: isText[Int(key.object)] = true
            case .spawn: isProgram[Int(key.object)] = true
            case .connect, .accept, .listen:
                isEndpoint[Int(key.object)] = true
                isEndpoint[Int(key.remote)] = true
            }
        }
        for record in records { mark(record.key) }
        for tombstone in tombstones { mark(tombstone.key) }
        for text in uses.texts { isText[Int(text.rawValue)] = true }
        for program in uses.programs { isProgram[Int(program.rawValue)] = true }
        for (number, program) in programs.enumerated() where isProgram[number] {
            isText[Int(program.executable.rawValue)] = true
            isText[Int(program.script.rawValue)] = true
            isText[Int(program.workload.rawValue)] = true
        }
        return (isText, isProgram, isEndpoint)
    }

    private mutating func reclaimPrograms(_ isKept: [Bool]) -> [UInt32] {
        let numbers = Self.numbers(of: isKept)
        for (number, isKept) in isKept.enumerated() where isKept {
            programs[Int(numbers[number])] = programs[number]
        }
        programs.removeLast(isKept.count { !$0 })
        programs.trim()
        return numbers
    }

    private mutating func reclaimEndpoints(_ isKept: [Bool]) -> [UInt32] {
        let numbers = Self.numbers(of: isKept)
        for (number, isKept) in isKept.enumerated() where isKept {
            endpoints[Int(numbers[number])] = endpoints[number]
        }
        endpoints.removeLast(isKept.count { !$0 })
        endpoints.trim()
        return numbers
    }

    /// The numbers that those that are kept get; 0 for the others.
    private static func numbers(of isKept: [Bool]) -> [UInt32] {
        var next: UInt32 = 0
        return isKept.map { isKept in
            defer { if isKept { next += 1 } }
            return isKept ? next : 0
        }
    }

    private mutating func enterAll() {
        programIndex.removeAll()
        programIndex.reserve(programs.count) { _ in 0 }
        for number in programs.indices.dropFirst() {
            let hash = hash(programs[number])
            programIndex.insert(UInt32(number), hash, at: programIndex.search(hash) { _ in false })
        }
        endpointIndex.removeAll()
        endpointIndex.reserve(endpoints.count) { _ in 0 }
        for number in endpoints.indices.dropFirst() {
            let hash = hash(endpoints[number])
            endpointIndex.insert(UInt32(number), hash, at: endpointIndex.search(hash) { _ in false })
        }
        index.removeAll()
        index.reserve(records.count + 1) { _ in 0 }
        for position in records.indices {
            let hash = hash(records[position].key)
            index.insert(UInt32(position + 1), hash, at: index.search(hash) { _ in false })
        }
    }
}

extension Program {
    fileprivate mutating func renumber(_ texts: [UInt32]) {
        executable = TextID(rawValue: texts[Int(executable.rawValue)])
        script = TextID(rawValue: texts[Int(script.rawValue)])
        workload = TextID(rawValue: texts[Int(workload.rawValue)])
    }
}

extension RecordKey {
    fileprivate mutating func renumber(_ texts: [UInt32], _ programs: [UInt32], _ endpoints: [UInt32]) {
        program = ProgramID(rawValue: programs[Int(program.rawValue)])
        peer = ProgramID(rawValue: programs[Int(peer.rawValue)])
        switch relation {
        case .file, .ipc: object = texts[Int(object)]
        case .spawn: object = programs[Int(object)]
        case .connect, .accept, .listen:
            object = endpoints[Int(object)]
            remote = endpoints[Int(remote)]
        }
    }
}
