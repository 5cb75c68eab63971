/// The tables of a store. Numbers are those of the ledger; 0 stands for none.
///
/// Byte strings are blobs: SQLite's text must be UTF-8, and paths need not be. No index but the rows'
/// numbers: the store is read whole, once, and written by number.
enum Schema {
    /// `RETN`, in the header of the file for `file`(1) and for us.
    static let applicationID: Int32 = 0x5245_544e
    /// The version of the tables.
    static let version: Int32 = 1

    /// Name and text of each table; the text must come back from the file to the letter.
    static let tables: [(name: String, sql: String)] = [
        ("meta", "CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID"),
        ("text", "CREATE TABLE text(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)"),
        (
            "program",
            "CREATE TABLE program(id INTEGER PRIMARY KEY, executable INTEGER NOT NULL, "
                + "script INTEGER NOT NULL, workload INTEGER NOT NULL)"
        ),
        (
            "endpoint",
            "CREATE TABLE endpoint(id INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, "
                + "port INTEGER NOT NULL)"
        ),
        (
            "dependency",
            "CREATE TABLE dependency(id INTEGER PRIMARY KEY, program INTEGER NOT NULL, "
                + "relation INTEGER NOT NULL, detail INTEGER NOT NULL, object INTEGER NOT NULL, "
                + "remote INTEGER NOT NULL, peer INTEGER NOT NULL, access INTEGER NOT NULL, "
                + "kind INTEGER NOT NULL, evidence INTEGER NOT NULL, count INTEGER NOT NULL, "
                + "first INTEGER NOT NULL, last INTEGER NOT NULL, sent INTEGER NOT NULL, "
                + "received INTEGER NOT NULL)"
        ),
        (
            "gap",
            "CREATE TABLE gap(id INTEGER PRIMARY KEY, source TEXT NOT NULL, cause TEXT NOT NULL, "
                + "start INTEGER NOT NULL, stop INTEGER NOT NULL, lost INTEGER NOT NULL, "
                + "resynchronised INTEGER NOT NULL)"
        ),
    ]

    /// Makes the tables in an empty database, and checks them in any other.
    ///
    /// Nothing is changed before it is clear that the file is a store.
    static func prepare(_ connection: borrowing Connection) throws(StoreError) {
        let id = Int32(truncatingIfNeeded: try connection.integer("PRAGMA application_id"))
        let stored = Int32(truncatingIfNeeded: try connection.integer("PRAGMA user_version"))
        let isEmpty = try connection.integer("SELECT count(*) FROM sqlite_schema") == 0
        if isEmpty, id == 0, stored == 0 {
            try create(connection)
            return
        }
        try check(connection, id: id, version: stored)
    }

    /// Checks that the file is a store of a version that is known.
    static func verify(_ connection: borrowing Connection) throws(StoreError) {
        try check(
            connection, id: Int32(truncatingIfNeeded: try connection.integer("PRAGMA application_id")),
            version: Int32(truncatingIfNeeded: try connection.integer("PRAGMA user_version")))
    }

    private static func check(
        _ connection: borrowing Connection, id: Int32, version stored: Int32
    ) throws(StoreError) {
        guard id == applicationID else { throw .foreign(applicationID: id) }
        guard stored <= version else { throw .newer(version: stored) }
        guard stored == version else { throw .malformedSchema("user_version \(stored)") }
        try check(connection)
    }

    private static func create(_ connection: borrowing Connection) throws(StoreError) {
        try connection.execute("PRAGMA journal_mode = WAL")
        var sql =
            "BEGIN IMMEDIATE; PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version);"
        for table in tables { sql += table.sql + ";" }
        do throws(StoreError) {
            try connection.execute(sql + "INSERT INTO meta VALUES('writes', 0); COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private static func check(_ connection: borrowing Connection) throws(StoreError) {
        let rows = try Statement(
            connection, "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
        var missing = Dictionary(uniqueKeysWithValues: tables)
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
