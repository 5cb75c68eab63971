import CSQLite
import Records

extension RecordStore {
    /// Brings the tables of an earlier version into the present form, in one transaction: whoever is interrupted
    /// leaves the store as it was. What is stored means the same behind it; the numbers of texts are new ones.
    static func migrate(_ connection: borrowing Connection, from version: Int32) throws(StoreError) {
        var ledger = Ledger()
        try connection.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            try StoredLedger.load(from: connection, version, into: &ledger)
            try Schema.replace(connection)
            // Made for the new tables, and gone before the transaction ends.
            try WriteStatements(connection).stageAll(ledger)
            try connection.execute("COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
    }
}
