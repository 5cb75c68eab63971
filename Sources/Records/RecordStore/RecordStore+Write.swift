import CSQLite
import Records

extension RecordStore {
    /// Writes what is new or changed in the ledger, in one transaction, and marks clean what it has written.
    ///
    /// On an error nothing is written and nothing is marked: the next call tries the same again.
    ///
    /// `holds` tells when nothing is left; see `StoreSlice` for what stands in a part.
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
