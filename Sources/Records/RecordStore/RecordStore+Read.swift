import CSQLite
import Glibc
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

extension RecordStore {
    /// Reads what a store holds without writing to it; a daemon may be writing meanwhile.
    ///
    /// The header is the one that the daemon stored last; a store that has none gives only its host's id.
    public static func read(_ path: String) throws(StoreError) -> DumpContents {
        var ledger = Ledger()
        let header = try read(path, into: &ledger)
        return DumpContents(header: header, ledger: ledger)
    }

    /// The same into an empty ledger; returns the header. The numbers are those of the store unless that is of an
    /// earlier version.
    public static func read(_ path: String, into ledger: inout Ledger) throws(StoreError) -> DumpHeader {
        let connection = try openForReading(path)
        try connection.execute("PRAGMA busy_timeout = 1000; PRAGMA trusted_schema = OFF")
        let version = try Schema.verify(connection)
        // One transaction, so that all tables are seen at one moment.
        try connection.execute("BEGIN")
        try StoredLedger.load(from: connection, version, into: &ledger)
        let header = try header(connection, ledger)
        try connection.execute("COMMIT")
        return header
    }

    /// A copy that was made without the write-ahead log, perhaps on a medium that cannot be written to,
    /// is read as it is: SQLite would want to make the files beside it.
    private static func openForReading(_ path: String) throws(StoreError) -> Connection {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(call: "stat", code: errno) }
        let hasLog = stat(path + "-wal", &status) == 0 && status.st_size > 0
        return try Connection(path: uri(path, isImmutable: !hasLog), isReading: true)
    }

    package static func uri(_ path: String, isImmutable: Bool) -> String {
        var uri = "file:"
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0..<0x21, 0x7f...:
                uri += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            default: uri.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return isImmutable ? uri + "?immutable=1" : uri
    }

    /// Until when the host was observed by whoever wrote last, nanoseconds since 1970.
    public func lastWritten(_ ledger: borrowing Ledger) throws(StoreError) -> UInt64 {
        try Self.header(connection, ledger).time
    }

    private static func header(
        _ connection: borrowing Connection, _ ledger: borrowing Ledger
    ) throws(StoreError) -> DumpHeader {
        let query = try Statement(connection, "SELECT value FROM meta WHERE name = 'header'")
        if try query.step(), let line = query.withStoredBytes(0, { Array($0) }) {
            do throws(DumpError) {
                return try DumpContents(ndjson: line).header
            } catch { throw .corrupt("the header makes no sense: \(error)") }
        }
        let host = try Statement(connection, "SELECT value FROM meta WHERE name = 'host'")
        var header = DumpHeader()
        if try host.step() { header.hostID = host.text(0) }
        header.time = ledger.records.map(\.last).max() ?? 0
        return header
    }
}
