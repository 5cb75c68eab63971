import CSQLite

/// An open SQLite database; closed when its owner lets it go.
package struct Connection: ~Copyable {
    /// SQLite's handle; valid as long as this value lives.
    package let handle: OpaquePointer

    /// Opens a file that exists. The corresponding C function is `sqlite3_open_v2`.
    ///
    /// - Parameters:
    ///   - path: of the file, or a URI (sqlite.org/uri.html) that begins with `file:`.
    ///   - isReading: whether nothing shall be written.
    package init(path: String, isReading: Bool = false) throws(StoreError) {
        var opened: OpaquePointer?
        // One thread uses it, so SQLite's own locks are left out.
        let access = isReading ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let error = StoreError.from(code, opened, "open")
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
    }

    // Waits for statements that are still to be finalised, in whatever order owners let go.
    deinit { sqlite3_close_v2(handle) }

    /// Whether no transaction is open.
    var isIdle: Bool { sqlite3_get_autocommit(handle) != 0 }

    /// Runs statements that give no rows, or whose rows do not matter.
    borrowing func execute(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw StoreError.from(code, handle, sql) }
    }

    /// Runs a statement that gives one number.
    package borrowing func integer(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try Statement(self, sql)
        guard try statement.step() else { return 0 }
        return statement.integer(0)
    }
}

/// A prepared statement; finalised when its owner lets it go.
package struct Statement: ~Copyable {
    private let handle: OpaquePointer
    private let database: OpaquePointer

    /// Prepares a statement. The corresponding C function is `sqlite3_prepare_v3`.
    package init(_ connection: borrowing Connection, _ sql: String) throws(StoreError) {
        database = connection.handle
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(database, sql, -1, 0, &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw StoreError.from(code, database, sql) }
        handle = prepared
    }

    deinit { sqlite3_finalize(handle) }

    /// Goes to the next row; `false` behind the last, when the statement is ready to run again.
    package borrowing func step() throws(StoreError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        // The message belongs to the step; reset would repeat its code.
        let error = code == SQLITE_DONE ? nil : StoreError.from(code, database, sql)
        sqlite3_reset(handle)
        if let error { throw error }
        return false
    }

    /// Runs a statement that gives no rows.
    borrowing func run() throws(StoreError) { while try step() {} }

    /// Leaves the rows that are still to come, so that no lock is held for them.
    borrowing func reset() { sqlite3_reset(handle) }

    /// Sets a parameter, counted from 1. The parameters of one run are set before its first step.
    package borrowing func bind(_ parameter: Int32, _ value: Int64) {
        precondition(sqlite3_bind_int64(handle, parameter, value) == SQLITE_OK, "no such parameter")
    }

    /// Sets a parameter to a number of which the store keeps the 64 bits; SQLite knows no unsigned ones.
    borrowing func bind(_ parameter: Int32, _ value: UInt64) { bind(parameter, Int64(bitPattern: value)) }

    /// Sets a parameter to nothing at all.
    borrowing func bindNull(_ parameter: Int32) { sqlite3_bind_null(handle, parameter) }

    /// Whether a column of the row holds nothing at all.
    borrowing func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    /// Sets a parameter to bytes, which are copied.
    borrowing func bind(_ parameter: Int32, bytes: UnsafeRawBufferPointer) throws(StoreError) {
        // No pointer would mean NULL.
        let code =
            bytes.isEmpty
            ? sqlite3_bind_zeroblob(handle, parameter, 0)
            : sqlite3_bind_blob64(
                handle, parameter, bytes.baseAddress, UInt64(bytes.count), Self.transient)
        guard code == SQLITE_OK else { throw StoreError.from(code, database, sql) }
    }

    /// Sets a parameter to text, which Swift vouches is UTF-8.
    borrowing func bind(_ parameter: Int32, text: String) throws(StoreError) {
        var text = text
        let code = text.withUTF8 { text in
            text.withMemoryRebound(to: CChar.self) {
                // No pointer would mean NULL.
                text.isEmpty
                    ? sqlite3_bind_text(handle, parameter, "", 0, Self.transient)
                    : sqlite3_bind_text64(
                        handle, parameter, $0.baseAddress, UInt64($0.count), Self.transient,
                        UInt8(SQLITE_UTF8))
            }
        }
        guard code == SQLITE_OK else { throw StoreError.from(code, database, sql) }
    }

    /// A column of the row as a number.
    package borrowing func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    /// A column as a number, if that is what is stored.
    borrowing func storedInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_INTEGER ? integer(column) : nil
    }

    /// Lends a column's bytes, if bytes are what is stored.
    package borrowing func withStoredBytes<Result>(
        _ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result? {
        guard sqlite3_column_type(handle, column) == SQLITE_BLOB else { return nil }
        // First the pointer, then the count: the order that SQLite asks for.
        let start = sqlite3_column_blob(handle, column)
        return body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    /// A column as text; what is not UTF-8 is repaired.
    borrowing func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    private var sql: String { sqlite3_sql(handle).map { String(cString: $0) } ?? "" }

    /// SQLITE_TRANSIENT, a cast that Swift does not import: SQLite makes its own copy.
    private static var transient: sqlite3_destructor_type {
        unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }
}
