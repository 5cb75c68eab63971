import Records

/// A part of a ledger on its way into a store: a copy, so that another thread can write it while the ledger goes on
/// growing.
///
/// It leaves a store that is whole in itself: names go before what refers to them, new rows in the order of their
/// numbers. Texts come first, then programs and endpoints once no text waits, then records once no name does.
public struct StoreSlice: Sendable {
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
    /// The header's line, for those who read the file instead of a dump.
    let header: [UInt8]?

    /// How many of the ledger's dirty records are in it: the first ones.
    public var recordCount: Int { rows.count }

    init(
        of ledger: borrowing Ledger, after stored: StoredCounts, _ gapsBefore: [Gap], most: Int,
        header: DumpHeader?
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
        after = stored
        self.reached = reached
        gaps = ledger.gaps
        self.gapsBefore = gapsBefore
        self.header = header?.line
    }
}

/// How much of a ledger has been handed to a store: what the next slice begins with.
public struct StoreProgress: Sendable {
    var stored: StoredCounts
    var gaps: [Gap]

    /// For a ledger of which everything is stored, or, with `isStored` false, nothing.
    public init(_ ledger: borrowing Ledger, isStored: Bool = true) {
        stored = isStored ? StoredCounts(ledger) : .none
        gaps = isStored ? ledger.gaps : []
    }

    /// Whether everything in the ledger was handed over.
    public func holds(_ ledger: borrowing Ledger) -> Bool {
        stored.texts == ledger.texts.count && stored.programs == ledger.programs.count - 1
            && stored.endpoints == ledger.endpoints.count - 1 && ledger.dirty.isEmpty
            && ledger.gaps == gaps
    }

    /// Rows of texts, programs, endpoints and records that were not handed over yet.
    public func pending(_ ledger: borrowing Ledger) -> Int {
        ledger.texts.count - stored.texts + ledger.programs.count - 1 - stored.programs
            + ledger.endpoints.count - 1 - stored.endpoints + ledger.dirty.count
    }

    /// Takes the next slice, about `most` rows, and marks its records clean: from now on it is the slice that has
    /// them. Slices must be applied in their order; one that could not be is applied again.
    public mutating func takeSlice(of ledger: inout Ledger, most: Int, header: DumpHeader?) -> StoreSlice {
        let slice = StoreSlice(of: ledger, after: stored, gaps, most: most, header: header)
        stored = slice.reached
        gaps = slice.gaps
        ledger.markClean(slice.recordCount)
        return slice
    }
}

extension RecordStore {
    /// Writes a slice in one transaction, which is on the disk when this returns. On an error nothing is written.
    ///
    /// - Throws: `.replaced` if there is another file, or none, where this store was opened; `.otherLedger` if the
    ///   slice does not continue what the store holds.
    public mutating func apply(_ slice: borrowing StoreSlice) throws(StoreError) {
        guard isLoaded else { throw .notLoaded }
        guard stored.holdsAsMuch(as: slice.after) else { throw .otherLedger }
        try checkPlace()
        try connection.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            statements.count.bind(1, stored.writes)
            try statements.count.run()
            guard changes == 1 else { throw .changedByAnother }
            try statements.stage(slice)
            try connection.execute("COMMIT")
        } catch {
            // A full disk may have rolled back already. Where even that fails, the next BEGIN tells.
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
        let writes = stored.writes + 1
        stored = slice.reached
        stored.writes = writes
        storedGaps = slice.gaps
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
}

extension WriteStatements {
    func stage(_ slice: borrowing StoreSlice) throws(StoreError) {
        try stageNames(slice)
        for row in slice.rows { try stage(row) }
        try stage(slice.gaps, over: slice.gapsBefore)
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
        try dependency.run()
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
