import CSQLite
import Records

/// The tables of a store. Numbers are those of the ledger; 0 stands for none.
///
/// Byte strings are blobs: SQLite's text must be UTF-8, and paths need not be. No index but the rows'
/// numbers: the store is read whole, once, and written by number.
enum Schema {
    /// `RETN`, in the header of the file for `file`(1) and for us.
    static let applicationID: Int32 = 0x5245_544e
    /// The version of the tables.
    static let version: Int32 = 4

    /// Name and text of each table; the text must come back from the file to the letter.
    static let tables: [String: String] = [
        "meta": "CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID",
        // A row's parent has a smaller number; the text of version 1 was whole: `bytes BLOB NOT NULL`.
        "text": "CREATE TABLE text(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL)",
        "program":
            "CREATE TABLE program(id INTEGER PRIMARY KEY, executable INTEGER NOT NULL, "
            + "script INTEGER NOT NULL, workload INTEGER NOT NULL)",
        "endpoint":
            "CREATE TABLE endpoint(id INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, "
            + "port INTEGER NOT NULL)",
        "dependency":
            "CREATE TABLE dependency(id INTEGER PRIMARY KEY, program INTEGER NOT NULL, "
            + "relation INTEGER NOT NULL, detail INTEGER NOT NULL, object INTEGER NOT NULL, "
            + "remote INTEGER NOT NULL, peer INTEGER NOT NULL, access INTEGER NOT NULL, "
            + "kind INTEGER NOT NULL, evidence INTEGER NOT NULL, count INTEGER NOT NULL, "
            + "first INTEGER NOT NULL, last INTEGER NOT NULL, sent INTEGER NOT NULL, "
            + "received INTEGER NOT NULL, change INTEGER NOT NULL, folded INTEGER, names BLOB, lower_bound INTEGER)",
        // Records that are gone: the key and the change at which they went.
        "tombstone":
            "CREATE TABLE tombstone(id INTEGER PRIMARY KEY, program INTEGER NOT NULL, "
            + "relation INTEGER NOT NULL, detail INTEGER NOT NULL, object INTEGER NOT NULL, "
            + "remote INTEGER NOT NULL, peer INTEGER NOT NULL, change INTEGER NOT NULL)",
        "gap":
            "CREATE TABLE gap(id INTEGER PRIMARY KEY, source TEXT NOT NULL, cause TEXT NOT NULL, "
            + "start INTEGER NOT NULL, stop INTEGER NOT NULL, lost INTEGER NOT NULL, "
            + "resynchronised INTEGER NOT NULL)",
    ]

    /// The tables of version 3: every byte over a connection was counted.
    static let thirdTables: [String: String] = {
        var tables = Schema.tables
        tables["dependency"] = tables["dependency"]?.dropping(", lower_bound INTEGER")
        return tables
    }()

    /// The tables of version 2: nothing was ever forgotten, and no names were kept of what was folded.
    static let secondTables: [String: String] = {
        var tables = Schema.thirdTables
        tables["tombstone"] = nil
        tables["dependency"] = tables["dependency"]?.dropping(", names BLOB")
        return tables
    }()

    /// The tables of version 1: a text was kept whole, and a record had no change number.
    static let firstTables: [String: String] = {
        var tables = Schema.secondTables
        tables["text"] = "CREATE TABLE text(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)"
        tables["dependency"] = tables["dependency"]?.dropping(", change INTEGER NOT NULL, folded INTEGER")
        return tables
    }()

    /// Makes the tables in an empty database, and checks them in any other.
    ///
    /// Nothing is changed before it is clear that the file is a store.
    ///
    /// - Returns: the version of the tables, which may be an earlier one.
    static func prepare(_ connection: borrowing Connection) throws(StoreError) -> Int32 {
        let id = Int32(truncatingIfNeeded: try connection.integer("PRAGMA application_id"))
        let stored = Int32(truncatingIfNeeded: try connection.integer("PRAGMA user_version"))
        let isEmpty = try connection.integer("SELECT count(*) FROM sqlite_schema") == 0
        if isEmpty, id == 0, stored == 0 {
            try create(connection)
            return version
        }
        try check(connection, id: id, version: stored)
        return stored
    }

    /// Checks that the file is a store of a version that is known, and says of which.
    static func verify(_ connection: borrowing Connection) throws(StoreError) -> Int32 {
        let stored = Int32(truncatingIfNeeded: try connection.integer("PRAGMA user_version"))
        try check(
            connection, id: Int32(truncatingIfNeeded: try connection.integer("PRAGMA application_id")),
            version: stored)
        return stored
    }

    private static func check(
        _ connection: borrowing Connection, id: Int32, version stored: Int32
    ) throws(StoreError) {
        guard id == applicationID else { throw .foreign(applicationID: id) }
        guard stored <= version else { throw .newer(version: stored) }
        guard stored >= 1 else { throw .malformedSchema("user_version \(stored)") }
        let earlier = [firstTables, secondTables, thirdTables]
        try check(connection, stored < version ? earlier[Int(stored) - 1] : tables)
    }

    private static func create(_ connection: borrowing Connection) throws(StoreError) {
        try connection.execute("PRAGMA journal_mode = WAL")
        var sql =
            "BEGIN IMMEDIATE; PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version);"
        sql += statements
        do throws(StoreError) {
            try connection.execute(sql + "INSERT INTO meta VALUES('writes', 0); COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    /// What makes the tables.
    private static var statements: String { tables.values.sorted().map { $0 + ";" }.joined() }

    /// Takes out everything but what `meta` holds.
    static let emptying = tables.keys.sorted().filter { $0 != "meta" }.map { "DELETE FROM \($0);" }.joined()

    /// Makes the tables anew in place of those of an earlier version; part of the caller's transaction.
    ///
    /// What `meta` holds stays.
    static func replace(_ connection: borrowing Connection) throws(StoreError) {
        var sql = ""
        for (name, statement) in tables.sorted(by: { $0.key < $1.key }) where name != "meta" {
            sql += "DROP TABLE IF EXISTS \(name); \(statement);"
        }
        try connection.execute(sql + "PRAGMA user_version = \(version)")
    }

    private static func check(
        _ connection: borrowing Connection, _ tables: [String: String]
    ) throws(StoreError) {
        let rows = try Statement(
            connection, "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
        var missing = tables
        while try rows.step() {
            let name = rows.text(0)
            // A trigger or a view that someone added would act in our name.
            guard let expected = missing.removeValue(forKey: name) else {
                throw .malformedSchema("unknown \(name)")
            }
            guard expected == rows.text(1) else { throw .malformedSchema("table \(name) has another form") }
        }
        if let name = missing.keys.min() { throw .malformedSchema("no table \(name)") }
    }
}

extension String {
    /// The same without its last few characters but one, which stays: a table of an earlier version has fewer columns.
    fileprivate func dropping(_ columns: String) -> String {
        precondition(hasSuffix(columns + ")"), "another form than was thought")
        return dropLast(columns.count + 1) + ")"
    }
}

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
            try WriteStatements(connection).stageAll(&ledger)
            try connection.execute("COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
    }
}
