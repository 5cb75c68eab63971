import Records

/// A part of a ledger on its way into a store: a copy, so that another thread can write it while the ledger goes on
/// growing.
///
/// It leaves a store that is whole in itself: names go before what refers to them, new rows in the order of their
/// numbers. Texts come first, then programs and endpoints once no text waits, then records once no name does.
///
/// When something was forgotten everything has new numbers, and is written anew: slices of one transaction, so that
/// whoever is interrupted leaves the store as it was before.
public struct StoreSlice: Sendable {
    /// What place it has in what is written as one transaction.
    enum Part: Sendable {
        /// A transaction of its own, which adds to what is there.
        case addition
        /// The first, the next and the last of those that write everything anew; or all in one.
        case first, next, last, whole

        /// Whether what is there goes first.
        var isBeginning: Bool { self == .first || self == .whole }
        /// Whether it is on the disk behind this one.
        var isEnd: Bool { self != .first && self != .next }
    }

    struct Text: Sendable {
        var parent: UInt32
        /// Where its name stands in `names`.
        var name: Range<Int>
    }

    struct Row: Sendable {
        var position: Int
        var record: Record
        var traffic: Traffic
        var fold: Fold?
    }

    /// What the store has before, and what it has then.
    let after: StoredCounts
    let reached: StoredCounts
    var names: [UInt8] = []
    var texts: [Text] = []
    var programs: [Program] = []
    var endpoints: [Endpoint] = []
    var rows: [Row] = []
    let gaps: [Gap]
    let gapsBefore: [Gap]
    /// All there are, once the store has their names; before, and when it has them, none.
    var tombstones: [Tombstone] = []
    let tombstonesAfter: UInt32
    let change: UInt32
    let numbering: UInt32
    let generation: UInt32
    var part: Part
    /// The header's line, for those who read the file instead of a dump.
    let header: [UInt8]?

    /// How many of the ledger's dirty records are in it: the first ones.
    public var recordCount: Int { rows.count }

    init(
        of ledger: borrowing Ledger, after stored: StoredCounts, _ gapsBefore: [Gap], most: Int,
        header: DumpHeader?, part: Part = .addition
    ) {
        precondition(most > 0, "a slice of nothing never ends")
        var room = most
        func advance(_ count: Int, to end: Int) -> Int {
            let step = min(room, end - count)
            room -= step
            return count + step
        }
        var reached = stored
        reached.writes += 1
        reached.gaps = ledger.gaps.count
        reached.texts = advance(stored.texts, to: ledger.texts.count)
        // With no room left these stay where they are.
        reached.programs = advance(stored.programs, to: ledger.programs.count - 1)
        reached.endpoints = advance(stored.endpoints, to: ledger.endpoints.count - 1)
        for number in stride(from: stored.texts + 1, through: reached.texts, by: 1) {
            let node = TextID(rawValue: UInt32(number))
            let start = names.count
            let name = ledger.texts.withName(of: node) { Array($0) }
            names += name
            texts.append(Text(parent: ledger.texts.parent(of: node).rawValue, name: start..<names.count))
        }
        for number in stride(from: stored.programs + 1, through: reached.programs, by: 1) {
            programs.append(ledger.programs[number])
        }
        for number in stride(from: stored.endpoints + 1, through: reached.endpoints, by: 1) {
            endpoints.append(ledger.endpoints[number])
        }
        for position in ledger.dirty[..<min(room, ledger.dirty.count)] {
            let position = Int(position)
            reached.records = max(reached.records, position + 1)
            rows.append(
                Row(
                    position: position, record: ledger.records[position],
                    traffic: ledger.traffic(of: position), fold: ledger.fold(of: position)))
        }
        if reached.holdsNames(of: ledger), stored.tombstones == 0 {
            tombstones = ledger.tombstones
            reached.tombstones = tombstones.count
        }
        // Until they are there nothing is promised.
        tombstonesAfter =
            reached.tombstones == ledger.tombstones.count ? ledger.tombstonesAfter : ledger.change
        change = ledger.change
        numbering = ledger.numbering
        generation = ledger.generation
        self.part = part
        after = stored
        self.reached = reached
        gaps = ledger.gaps
        self.gapsBefore = gapsBefore
        // Only a dump is all of one moment.
        var header = header
        header?.changes = nil
        self.header = header?.line
    }
}

/// How much of a ledger has been handed to a store: what the next slice begins with.
public struct StoreProgress: Sendable {
    var stored: StoredCounts
    var gaps: [Gap]
    /// Of the ledger whose numbers these are.
    private var generation: UInt32
    /// Whether everything is being written anew, and not all of it was handed over yet.
    public private(set) var isRewriting = false

    /// For a ledger of which everything is stored, or, with `isStored` false, nothing.
    public init(_ ledger: borrowing Ledger, isStored: Bool = true) {
        stored = isStored ? StoredCounts(ledger) : .none
        gaps = isStored ? ledger.gaps : []
        generation = ledger.generation
    }

    /// Whether everything in the ledger was handed over.
    public func holds(_ ledger: borrowing Ledger) -> Bool {
        hasForgotten(ledger) && stored.holdsNames(of: ledger) && ledger.dirty.isEmpty
            && stored.tombstones == ledger.tombstones.count && ledger.gaps == gaps
    }

    /// Whether all that the ledger has forgotten was handed over as such, to the end of a transaction.
    public func hasForgotten(_ ledger: borrowing Ledger) -> Bool {
        generation == ledger.generation && !isRewriting
    }

    /// Whether everything has to be written anew, since the ledger has forgotten something.
    public func mustRewrite(_ ledger: borrowing Ledger) -> Bool {
        isRewriting || generation != ledger.generation
    }

    /// Rows of texts, programs, endpoints and records that were not handed over yet.
    public func pending(_ ledger: borrowing Ledger) -> Int {
        (generation == ledger.generation ? stored : .none).pending(ledger)
    }

    /// Takes the next slice, about `most` rows, and marks its records clean: from now on it is the slice that has
    /// them. Slices must be applied in their order; one that could not be is applied again.
    public mutating func takeSlice(of ledger: inout Ledger, most: Int, header: DumpHeader?) -> StoreSlice {
        let isBeginning = generation != ledger.generation
        if isBeginning {
            stored = .none
            gaps = []
            generation = ledger.generation
            isRewriting = true
        }
        var slice = StoreSlice(of: ledger, after: stored, gaps, most: most, header: header)
        stored = slice.reached
        gaps = slice.gaps
        ledger.markClean(slice.recordCount)
        if isRewriting {
            let isEnd = stored.holdsNames(of: ledger) && ledger.dirty.isEmpty
            slice.part = isBeginning ? (isEnd ? .whole : .first) : isEnd ? .last : .next
            isRewriting = !isEnd
        }
        // The store's file can be read: what changes from now on is later.
        ledger.beginChange()
        return slice
    }

    /// Begins writing everything anew once more, since a slice of it could not be written: the ones before went with it.
    ///
    /// - Returns: whether there was something to begin anew; else that slice is to be tried again.
    public mutating func restart(_ slice: borrowing StoreSlice, _ ledger: inout Ledger) -> Bool {
        guard slice.part != .addition, slice.part != .whole || generation != ledger.generation else {
            return false
        }
        generation = ledger.generation &- 1
        isRewriting = false
        ledger.markAllDirty()
        return true
    }
}

extension RecordStore {
    /// Writes a slice in one transaction, which is on the disk when this returns. On an error nothing is written.
    ///
    /// - Throws: `.replaced` if there is another file, or none, where this store was opened; `.otherLedger` if the
    ///   slice does not continue what the store holds.
    public mutating func apply(_ slice: borrowing StoreSlice) throws(StoreError) {
        guard isLoaded else { throw .notLoaded }
        if slice.part.isBeginning {
            rollBack()
        } else {
            guard stored.holdsAsMuch(as: slice.after) else { throw .otherLedger }
        }
        try checkPlace()
        let writes = committed?.writes ?? stored.writes
        do throws(StoreError) {
            if connection.isIdle {
                guard slice.part != .next, slice.part != .last else { throw .otherLedger }
                try connection.execute("BEGIN IMMEDIATE")
                statements.count.bind(1, writes)
                try statements.count.run()
                guard changes == 1 else { throw .changedByAnother }
            }
            if slice.part.isBeginning {
                committed = stored
                try connection.execute(Schema.emptying)
            }
            try statements.stage(slice)
            if slice.part.isEnd { try connection.execute("COMMIT") }
        } catch {
            rollBack()
            throw error
        }
        stored = slice.reached
        stored.writes = writes + (slice.part.isEnd ? 1 : 0)
        storedGaps = slice.gaps
        generation = slice.generation
        if slice.part.isEnd { committed = nil }
    }

    /// Leaves the file as it was before the transaction. Where even that fails, the next BEGIN shows it; a full disk may
    /// have done it already.
    private mutating func rollBack() {
        if !connection.isIdle { try? connection.execute("ROLLBACK") }
        if let before = committed.take() { stored = before }
    }

    /// Says that everything of a ledger that was read without writing is what this store holds, if it does.
    public mutating func resume(_ progress: StoreProgress) throws(StoreError) {
        guard stored.holdsAsMuch(as: progress.stored) else { throw .otherLedger }
        storedGaps = progress.gaps
        isLoaded = true
    }
}

extension StoredCounts {
    /// Whether there are as many rows, whoever wrote how often.
    func holdsAsMuch(as other: StoredCounts) -> Bool {
        texts == other.texts && programs == other.programs && endpoints == other.endpoints
            && records == other.records
    }

    /// Whether nothing that records refer to is missing.
    func holdsNames(of ledger: borrowing Ledger) -> Bool {
        texts == ledger.texts.count && programs == ledger.programs.count - 1
            && endpoints == ledger.endpoints.count - 1
    }

    /// Rows of texts, programs, endpoints and records that are missing.
    func pending(_ ledger: borrowing Ledger) -> Int {
        ledger.texts.count - texts + ledger.programs.count - 1 - programs
            + ledger.endpoints.count - 1 - endpoints + ledger.dirty.count
    }
}

extension WriteStatements {
    func stage(_ slice: borrowing StoreSlice) throws(StoreError) {
        try stageNames(slice)
        for row in slice.rows { try stage(row) }
        try stage(slice.gaps, over: slice.gapsBefore)
        for (index, tombstone) in slice.tombstones.enumerated() { try stage(tombstone, index) }
        try stage("change", slice.change)
        if slice.numbering != 0 { try stage("numbering", slice.numbering) }
        try stage("tombstones_after", slice.tombstonesAfter)
        guard let header = slice.header else { return }
        try bind(self.header, 1, header[...])
        try self.header.run()
    }

    private func stageNames(_ slice: borrowing StoreSlice) throws(StoreError) {
        for (index, row) in slice.texts.enumerated() {
            text.bind(1, Int64(slice.after.texts + index + 1))
            text.bind(2, Int64(row.parent))
            try bind(text, 3, slice.names[row.name])
            try text.run()
        }
        for (index, row) in slice.programs.enumerated() {
            program.bind(1, Int64(slice.after.programs + index + 1))
            program.bind(2, Int64(row.executable.rawValue))
            program.bind(3, Int64(row.script.rawValue))
            program.bind(4, Int64(row.workload.rawValue))
            try program.run()
        }
        for (index, row) in slice.endpoints.enumerated() {
            endpoint.bind(1, Int64(slice.after.endpoints + index + 1))
            endpoint.bind(2, row.address.high)
            endpoint.bind(3, row.address.low)
            endpoint.bind(4, Int64(row.port))
            try endpoint.run()
        }
    }

    private func stage(_ row: StoreSlice.Row) throws(StoreError) {
        let key = row.record.key
        // Rows are numbered from 1, as everything in the store.
        dependency.bind(1, Int64(row.position) + 1)
        dependency.bind(2, Int64(key.program.rawValue))
        dependency.bind(3, Int64(key.relation.rawValue))
        dependency.bind(4, Int64(key.detail))
        dependency.bind(5, Int64(key.object))
        dependency.bind(6, Int64(key.remote))
        dependency.bind(7, Int64(key.peer.rawValue))
        dependency.bind(8, Int64(row.record.access.rawValue))
        dependency.bind(9, Int64(row.record.kind.rawValue))
        dependency.bind(10, Int64(row.record.evidence.rawValue))
        dependency.bind(11, row.record.count)
        dependency.bind(12, row.record.first)
        dependency.bind(13, row.record.last)
        dependency.bind(14, row.traffic.sent)
        dependency.bind(15, row.traffic.received)
        dependency.bind(16, Int64(row.record.change))
        // Nothing where the record is not folded.
        if let fold = row.fold { dependency.bind(17, fold.paths) } else { dependency.bindNull(17) }
        if let names = row.fold?.names, !names.isEmpty {
            // No name has a NUL byte.
            let joined = Array(names.joined(separator: [0]))
            try bind(dependency, 18, joined[...])
        } else {
            dependency.bindNull(18)
        }
        // Nothing where every byte was counted.
        if row.record.isLowerBound { dependency.bind(19, Int64(1)) } else { dependency.bindNull(19) }
        try dependency.run()
    }

    private func stage(_ tombstone: Tombstone, _ index: Int) throws(StoreError) {
        let key = tombstone.key
        self.tombstone.bind(1, Int64(index) + 1)
        self.tombstone.bind(2, Int64(key.program.rawValue))
        self.tombstone.bind(3, Int64(key.relation.rawValue))
        self.tombstone.bind(4, Int64(key.detail))
        self.tombstone.bind(5, Int64(key.object))
        self.tombstone.bind(6, Int64(key.remote))
        self.tombstone.bind(7, Int64(key.peer.rawValue))
        self.tombstone.bind(8, Int64(tombstone.change))
        try self.tombstone.run()
    }

    private func stage(_ name: String, _ number: UInt32) throws(StoreError) {
        try self.number.bind(1, text: name)
        self.number.bind(2, Int64(number))
        try self.number.run()
    }

    /// The loan's closure cannot carry a typed error.
    private func bind(
        _ statement: borrowing Statement, _ parameter: Int32, _ bytes: ArraySlice<UInt8>
    ) throws(StoreError) {
        var failure: StoreError?
        bytes.withUnsafeBytes { bytes in
            do throws(StoreError) { try statement.bind(parameter, bytes: bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
