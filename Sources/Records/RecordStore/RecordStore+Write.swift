import CSQLite
import Records

extension RecordStore {
    /// Writes what is new or changed in the ledger, in one transaction, and marks clean what it has written.
    ///
    /// On an error nothing is written and nothing is marked: the next call tries the same again.
    ///
    /// A slice (`most`) leaves a store that is whole in itself: names go before what refers to them, new rows
    /// in the order of their numbers. Texts come first, then programs and endpoints once no text waits, then
    /// records once no name does. `holds` tells when nothing is left.
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
        guard ledger.texts.count >= stored.texts, ledger.programs.count > stored.programs,
            ledger.endpoints.count > stored.endpoints, ledger.records.count >= stored.records
        else { throw .otherLedger }
        if holds(ledger) { return 0 }
        let (reached, written) = slice(of: ledger, most)

        try connection.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            try stage(ledger, upTo: reached, written)
            if let header { try stage(header) }
            try connection.execute("COMMIT")
        } catch {
            // A full disk may have rolled back already. Where even that fails, the next BEGIN tells.
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
        stored = reached
        storedGaps = ledger.gaps
        ledger.markClean(written)
        return written
    }

    /// Whether everything in the ledger is written.
    public func holds(_ ledger: borrowing Ledger) -> Bool {
        stored.texts == ledger.texts.count && stored.programs == ledger.programs.count - 1
            && stored.endpoints == ledger.endpoints.count - 1 && ledger.dirty.isEmpty
            && ledger.gaps == storedGaps
    }

    /// Rows of texts, programs, endpoints and records that are not written yet.
    public func pending(_ ledger: borrowing Ledger) -> Int {
        ledger.texts.count - stored.texts + ledger.programs.count - 1 - stored.programs
            + ledger.endpoints.count - 1 - stored.endpoints + ledger.dirty.count
    }

    /// What the next transaction shall reach, and how many of the dirty records go into it.
    func slice(
        of ledger: borrowing Ledger, _ most: Int = .max
    ) -> (reached: StoredCounts, records: Int) {
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
        let records = min(room, ledger.dirty.count)
        for position in ledger.dirty[..<records] { reached.records = max(reached.records, Int(position) + 1) }
        return (reached, records)
    }

    /// What stands between BEGIN and COMMIT.
    func stage(
        _ ledger: borrowing Ledger, upTo reached: StoredCounts, _ records: Int
    ) throws(StoreError) {
        statements.count.bind(1, stored.writes)
        try statements.count.run()
        guard sqlite3_changes(connection.handle) == 1 else { throw .changedByAnother }
        try statements.stageNames(ledger, after: stored, upTo: reached)
        for position in ledger.dirty[..<records] { try statements.stage(ledger, Int(position)) }
        try statements.stage(ledger.gaps, over: storedGaps)
    }

    private func stage(_ header: DumpHeader) throws(StoreError) {
        var failure: StoreError?
        header.line.withUnsafeBytes { bytes in
            do throws(StoreError) {
                try statements.header.bind(1, bytes: bytes)
            } catch { failure = error }
        }
        if let failure { throw failure }
        try statements.header.run()
    }
}
