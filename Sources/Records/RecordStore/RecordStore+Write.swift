import CSQLite
import Records

extension RecordStore {
    /// Writes what is new or changed in the ledger, in one transaction, and marks clean what it has written.
    ///
    /// On an error nothing is written and nothing is marked: the next call tries the same again.
    ///
    /// `holds` says when nothing is left; see `StoreSlice` for what stands in a part.
    ///
    /// - Parameters:
    ///   - most: rows of texts, programs, endpoints and records to write at most.
    ///   - ledger: the one that `load` filled, or for a new store an empty one to begin with.
    ///   - header: what a dump's first line would say now, for those who read the file instead of a dump.
    /// - Returns: how many dependency records were written.
    @discardableResult
    public mutating func write(
        _ ledger: inout Ledger, header: DumpHeader? = nil, most: Int = .max
    ) throws(StoreError) -> Int {
        guard isLoaded else { throw .notLoaded }
        if ledger.generation != generation {
            // Numbers have become others: all of it, in one transaction.
            let slice = StoreSlice(of: ledger, after: .none, [], most: .max, header: header, part: .whole)
            try apply(slice)
            ledger.markClean(slice.recordCount)
            return slice.recordCount
        }
        guard ledger.texts.count >= stored.texts, ledger.programs.count > stored.programs,
            ledger.endpoints.count > stored.endpoints, ledger.records.count >= stored.records
        else { throw .otherLedger }
        if holds(ledger) { return 0 }
        let slice = StoreSlice(of: ledger, after: stored, storedGaps, most: most, header: header)
        try apply(slice)
        ledger.markClean(slice.recordCount)
        return slice.recordCount
    }

    /// Whether everything in the ledger is written.
    public func holds(_ ledger: borrowing Ledger) -> Bool {
        generation == ledger.generation && stored.holdsNames(of: ledger) && ledger.dirty.isEmpty
            && stored.tombstones == ledger.tombstones.count && ledger.gaps == storedGaps
    }

    /// Rows of texts, programs, endpoints and records that are not written yet.
    public func pending(_ ledger: borrowing Ledger) -> Int {
        (generation == ledger.generation ? stored : .none).pending(ledger)
    }

    /// Rows that the last statement has changed.
    var changes: Int32 { sqlite3_changes(connection.handle) }
}

/// The statements of a write, prepared once.
struct WriteStatements: ~Copyable {
    let text: Statement
    let program: Statement
    let endpoint: Statement
    let dependency: Statement
    let gap: Statement
    let tombstone: Statement
    let number: Statement
    let forgetGaps: Statement
    let count: Statement
    let header: Statement

    init(_ connection: borrowing Connection) throws(StoreError) {
        let text = try Statement(connection, "INSERT INTO text VALUES(?1, ?2, ?3)")
        let program = try Statement(connection, "INSERT INTO program VALUES(?1, ?2, ?3, ?4)")
        let endpoint = try Statement(connection, "INSERT INTO endpoint VALUES(?1, ?2, ?3, ?4)")
        let dependency = try Statement(
            connection,
            "REPLACE INTO dependency VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                + "?16, ?17, ?18, ?19)"
        )
        let gap = try Statement(connection, "REPLACE INTO gap VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        let tombstone = try Statement(
            connection, "INSERT INTO tombstone VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
        let number = try Statement(
            connection,
            "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value "
                + "WHERE value <> excluded.value")
        let forgetGaps = try Statement(connection, "DELETE FROM gap WHERE id > ?1")
        let count = try Statement(
            connection, "UPDATE meta SET value = value + 1 WHERE name = 'writes' AND value = ?1")
        let header = try Statement(connection, "REPLACE INTO meta VALUES('header', ?1)")
        // Only now: what is not copyable must be whole before an error could leave it half made.
        self.text = text
        self.program = program
        self.endpoint = endpoint
        self.dependency = dependency
        self.gap = gap
        self.tombstone = tombstone
        self.number = number
        self.forgetGaps = forgetGaps
        self.count = count
        self.header = header
    }
}

extension WriteStatements {
    /// Writes a whole ledger into empty tables.
    func stageAll(_ ledger: inout Ledger) throws(StoreError) {
        ledger.markAllDirty()
        try stage(StoreSlice(of: ledger, after: .none, [], most: .max, header: nil))
        ledger.markAllClean()
    }

    /// Writes gaps where they differ from those that are stored.
    func stage(_ gaps: [Gap], over storedGaps: [Gap]) throws(StoreError) {
        for (index, gap) in gaps.enumerated() where index >= storedGaps.count || storedGaps[index] != gap {
            self.gap.bind(1, Int64(index) + 1)
            try self.gap.bind(2, text: gap.source)
            try self.gap.bind(3, text: gap.cause)
            self.gap.bind(4, gap.from)
            self.gap.bind(5, gap.to)
            // The column takes no NULL: 0 stands for what nobody can know.
            self.gap.bind(6, gap.lost ?? 0)
            self.gap.bind(7, gap.resynchronised)
            try self.gap.run()
        }
        if gaps.count < storedGaps.count {
            forgetGaps.bind(1, Int64(gaps.count))
            try forgetGaps.run()
        }
    }
}
