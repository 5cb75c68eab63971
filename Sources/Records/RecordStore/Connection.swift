import CSQLite

/// An open SQLite database; closed when its owner lets it go.
struct Connection: ~Copyable {
    /// SQLite's handle; valid as long as this value lives.
    let handle: OpaquePointer

    /// Opens a file that exists. The corresponding C function is `sqlite3_open_v2`.
    ///
    /// - Parameters:
    ///   - path: of the file, or a URI (sqlite.org/uri.html) that begins with `file:`.
    ///   - isReading: whether nothing shall be written.
    init(path: String, isReading: Bool = false) throws(StoreError) {
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
    borrowing func integer(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try Statement(self, sql)
        guard try statement.step() else { return 0 }
        return statement.integer(0)
    }
}
