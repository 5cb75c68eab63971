import Records

extension RecordStore {
    /// Restores everything into an empty ledger, with the same numbers as when it was written.
    ///
    /// On an error the ledger is left empty.
    public mutating func load(into ledger: inout Ledger) throws(StoreError) {
        precondition(
            ledger.texts.count == 0 && ledger.programs.count == 1 && ledger.endpoints.count == 1
                && ledger.records.isEmpty && ledger.gaps.isEmpty,
            "numbers can be kept only in an empty ledger")
        var loaded = Ledger()
        // One transaction, so that all tables are seen at one moment.
        try connection.execute("BEGIN")
        do throws(StoreError) {
            try StoredLedger.load(from: connection, into: &loaded)
            stored = try StoredCounts(connection)
            try connection.execute("COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
        storedGaps = loaded.gaps
        isLoaded = true
        generation = loaded.generation
        ledger = loaded
    }
}
