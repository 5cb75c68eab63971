import CSQLite
import Glibc
import Records

/// The ledger on disk: an SQLite database that survives the daemon's end, however it ends.
///
/// Numbers of texts, programs and endpoints are stored as they are, so that they mean the same after a
/// restart. A write is one transaction in write-ahead mode, which waits for the disk: a process that dies, or a
/// machine that loses power, loses at most what was not yet written, and never what was.
///
/// One thread uses a store. Another process may read the file meanwhile.
public struct RecordStore: ~Copyable {
    let connection: Connection
    let statements: WriteStatements
    /// What the file holds, so that the next write knows what is new; while everything is written anew, what it will
    /// hold when that is committed.
    var stored: StoredCounts
    /// What it holds for certain while everything is written anew; else `nil`.
    var committed: StoredCounts?
    /// Of the ledger whose numbers are stored.
    var generation: UInt32 = 0
    /// The gaps as they are in the file; a gap changes after it was noted.
    var storedGaps: [Gap] = []
    var isLoaded: Bool
    private let path: String
    /// Device and inode of the file that was opened.
    private let place: (device: UInt64, inode: UInt64)

    /// Up to this size a file is checked whole at opening.
    ///
    /// `PRAGMA quick_check` reads every page, some 300 MB a second from the page cache but as slow as the
    /// disk without it. Loading reads nearly every page too and checks each row, so that damage in a larger
    /// file comes out there; what remains unseen is damage in pages that hold nothing.
    static let quickCheckLimit: Int64 = 16 << 20

    /// Opens a store, or makes one with mode 0600 where there is no file or an empty one.
    ///
    /// - Parameters:
    ///   - path: of the database; `-wal` and `-shm` files stand beside it.
    ///   - host: the host's id, written to a new store and compared with an old one; empty: not compared.
    public init(path: String, host: String = "") throws(StoreError) {
        try Self.createFile(path)
        let connection = try Connection(path: path)
        try connection.execute("PRAGMA busy_timeout = 1000; PRAGMA trusted_schema = OFF")
        let version = try Schema.prepare(connection)
        try connection.execute(
            // What is forgotten is overwritten: it was to be gone.
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512; "
                + "PRAGMA secure_delete = ON; "
                + "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304")
        try Self.quickCheck(connection)
        if !host.isEmpty { try Self.checkHost(connection, host) }
        if version < Schema.version { try Self.migrate(connection, from: version) }

        let stored = try StoredCounts(connection)
        let statements = try WriteStatements(connection)
        let place = try Self.place(path)
        self.path = path
        self.place = place
        self.statements = statements
        isLoaded = stored.isEmpty
        self.stored = stored
        self.connection = connection
    }

    // The write-ahead log goes into the database, so that a copy of that one file is whole.
    deinit { sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil) }

    private static func place(_ path: String) throws(StoreError) -> (device: UInt64, inode: UInt64) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(call: "stat", code: errno) }
        return (UInt64(status.st_dev), UInt64(status.st_ino))
    }

    /// Whoever removes or replaces the file leaves the store writing where nobody looks.
    func checkPlace() throws(StoreError) {
        guard let now = try? Self.place(path), now == place else { throw .replaced }
    }

    /// Bytes of the database that are in use, its write-ahead log not counted.
    public var size: Int64 {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return (try? connection.integer(sql)) ?? 0
    }

    /// SQLite would make the file readable for all, and gives the files beside it the same mode.
    private static func createFile(_ path: String) throws(StoreError) {
        let number = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if number >= 0 {
            close(number)
        } else if errno != EEXIST {
            throw .system(call: "open", code: errno)
        } else if chmod(path, 0o600) != 0 {
            // Not by a descriptor: closing one would drop the locks that this process may hold on the file.
            throw .system(call: "chmod", code: errno)
        }
    }

    private static func quickCheck(_ connection: borrowing Connection) throws(StoreError) {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        guard try connection.integer(sql) <= quickCheckLimit else { return }
        let check = try Statement(connection, "PRAGMA quick_check(1)")
        guard try check.step() else { return }
        let answer = check.text(0)
        check.reset()
        guard answer == "ok" else { throw .corrupt(answer) }
    }

    private static func checkHost(_ connection: borrowing Connection, _ host: String) throws(StoreError) {
        let query = try Statement(connection, "SELECT value FROM meta WHERE name = 'host'")
        if try query.step() {
            let stored = query.text(0)
            query.reset()
            guard stored == host else { throw .otherHost(stored) }
            return
        }
        let insert = try Statement(connection, "INSERT INTO meta VALUES('host', ?1)")
        try insert.bind(1, text: host)
        try insert.run()
    }
}

/// How much of a ledger a file holds.
struct StoredCounts: Equatable {
    var texts: Int
    var programs: Int
    var endpoints: Int
    var records: Int
    var gaps: Int
    var tombstones: Int
    /// Transactions written so far, by whom ever.
    var writes: Int64

    init(_ connection: borrowing Connection) throws(StoreError) {
        // The largest number is found at once where counting would read all; loading finds what is missing.
        texts = Int(try connection.integer("SELECT max(id) FROM text"))
        programs = Int(try connection.integer("SELECT max(id) FROM program"))
        endpoints = Int(try connection.integer("SELECT max(id) FROM endpoint"))
        records = Int(try connection.integer("SELECT max(id) FROM dependency"))
        gaps = Int(try connection.integer("SELECT max(id) FROM gap"))
        tombstones = Int(try connection.integer("SELECT max(id) FROM tombstone"))
        writes = try connection.integer("SELECT value FROM meta WHERE name = 'writes'")
    }

    /// Nothing stored.
    static let none = StoredCounts(
        texts: 0, programs: 0, endpoints: 0, records: 0, gaps: 0, tombstones: 0, writes: 0)

    /// What a whole ledger holds.
    init(_ ledger: borrowing Ledger) {
        self.init(
            texts: ledger.texts.count, programs: ledger.programs.count - 1,
            endpoints: ledger.endpoints.count - 1, records: ledger.records.count, gaps: ledger.gaps.count,
            tombstones: ledger.tombstones.count, writes: 0)
    }

    private init(
        texts: Int, programs: Int, endpoints: Int, records: Int, gaps: Int, tombstones: Int, writes: Int64
    ) {
        self.texts = texts
        self.programs = programs
        self.endpoints = endpoints
        self.records = records
        self.gaps = gaps
        self.tombstones = tombstones
        self.writes = writes
    }

    var isEmpty: Bool { texts == 0 && programs == 0 && endpoints == 0 && records == 0 && gaps == 0 }
}

extension RecordStore {
    /// Renames a damaged store, with the files beside it, to `<name>.damaged-<UTC time>`, so that a new one
    /// can be made and nothing is thrown away. No store may be open at the path.
    ///
    /// - Returns: the new path of the database.
    public static func setAside(_ path: String) throws(StoreError) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let time = Timestamp.compactText(UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec))
        var target = "\(path).damaged-\(time)"
        var attempt = 1
        while access(target, F_OK) == 0 {
            attempt += 1
            target = "\(path).damaged-\(time)-\(attempt)"
        }
        // The log first: one that stayed behind would be taken for the new database's.
        for suffix in ["-wal", "-shm", ""] {
            if rename(path + suffix, target + suffix) != 0, errno != ENOENT || suffix.isEmpty {
                throw .system(call: "rename", code: errno)
            }
        }
        return target
    }
}
