import CSQLite
import Glibc
import Records

extension RecordStore {
    /// Reads what a store holds without writing to it; a daemon may be writing meanwhile.
    ///
    /// The header is the one that the daemon stored last; a store that has none tells only its host's id.
    public static func read(_ path: String) throws(StoreError) -> DumpContents {
        let connection = try openForReading(path)
        try connection.execute("PRAGMA busy_timeout = 1000; PRAGMA trusted_schema = OFF")
        let version = try Schema.verify(connection)
        var ledger = Ledger()
        // One transaction, so that all tables are seen at one moment.
        try connection.execute("BEGIN")
        try StoredLedger.load(from: connection, version, into: &ledger)
        let header = try header(connection, ledger)
        try connection.execute("COMMIT")
        return DumpContents(header: header, ledger: ledger)
    }

    /// A copy that was made without the write-ahead log, perhaps on a medium that cannot be written to,
    /// is read as it is: SQLite would want to make the files beside it.
    private static func openForReading(_ path: String) throws(StoreError) -> Connection {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(call: "stat", code: errno) }
        let hasLog = stat(path + "-wal", &status) == 0 && status.st_size > 0
        return try Connection(path: uri(path, isImmutable: !hasLog), isReading: true)
    }

    private static func uri(_ path: String, isImmutable: Bool) -> String {
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
