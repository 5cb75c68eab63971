import Glibc
import PackageFiles
import RecordStore
import Synchronization
import SystemCalls

/// The table of headers of rpm's database in its SQLite form, which is read without leaving anything on the host.
///
/// SQLite wants to write beside a database that has a log (`-wal`), as rpm leaves it: it is read from a copy then. Without
/// one it is read as it lies.
final class RPMRows: Sendable {
    private let connection: Mutex<Connection>

    /// Opens it.
    ///
    /// - Parameter path: where it lies on this machine.
    init(_ path: String) throws(StoreError) {
        connection = Mutex(try Self.open(path))
    }

    private static func open(_ path: String) throws(StoreError) -> Connection {
        var status = stat()
        guard stat(path + "-wal", &status) == 0, status.st_size > 0 else {
            return try Connection(path: RecordStore.uri(path, isImmutable: true), isReading: true)
        }
        var template = Array("/var/tmp/retinue-rpm-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .system(call: "mkdtemp", code: errno) }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let copy = folder + "/rpmdb.sqlite"
        // Nothing stays, not even where the program is killed: what is open needs no name.
        defer {
            for name in [copy, copy + "-wal", copy + "-shm"] { unlink(name) }
            rmdir(folder)
        }
        for attempt in 1... {
            let before = Moment(path)
            for suffix in ["", "-wal"] { try Self.copy(path + suffix, to: copy + suffix) }
            // Between the two copies rpm may have moved the log into the database.
            if before == Moment(path) || attempt == 3 { break }
        }
        let connection = try Connection(path: RecordStore.uri(copy, isImmutable: false), isReading: true)
        // Opens the log.
        _ = try connection.integer("SELECT count(*) FROM sqlite_master")
        return connection
    }

    private static func copy(_ path: String, to place: String) throws(StoreError) {
        do throws(SystemError) {
            let bytes = Array(path.utf8) + [0]
            let source = try FileDescriptor.open(bytes: bytes, O_RDONLY)
            let target = try FileDescriptor.open(
                bytes: Array(place.utf8) + [0], O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
            defer { buffer.deallocate() }
            while let count = try source.read(into: buffer), count > 0 {
                var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                while !rest.isEmpty {
                    let number = target.number
                    let part = rest
                    let written = try systemCall("write") { write(number, part.baseAddress, part.count) }
                    rest = UnsafeRawBufferPointer(rebasing: rest[Int(written)...])
                }
            }
        } catch { throw .system(call: "copying \(path): \(error.call)", code: error.code) }
    }

    /// Gives every header, with its number, in the order of the numbers, which is that of installation.
    func forEach(_ body: (Int64, [UInt8]) -> Void) throws(StoreError) {
        try withConnection { connection throws(StoreError) in
            let statement = try Statement(connection, "SELECT hnum, blob FROM Packages ORDER BY hnum")
            while try statement.step() {
                let bytes = statement.withStoredBytes(1) { Array($0) }
                body(statement.integer(0), bytes ?? [])
            }
        }
    }

    /// The header of a number.
    func header(_ number: Int64) throws(StoreError) -> [UInt8]? {
        try withConnection { connection throws(StoreError) in
            let statement = try Statement(connection, "SELECT blob FROM Packages WHERE hnum = ?1")
            statement.bind(1, number)
            guard try statement.step() else { return nil }
            return statement.withStoredBytes(0) { Array($0) }
        }
    }

    private func withConnection<Result: Sendable>(
        _ body: (borrowing Connection) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try connection.withLock { connection throws(StoreError) in try body(connection) }
    }

    /// What shows that rpm has written.
    struct Moment: Equatable {
        private let numbers: [[Int]]

        init(_ path: String) {
            numbers = ["", "-wal"].map { suffix in
                var status = stat()
                guard stat(path + suffix, &status) == 0 else { return [] }
                return [
                    Int(status.st_ino), Int(status.st_size), Int(status.st_mtim.tv_sec),
                    Int(status.st_mtim.tv_nsec),
                ]
            }
        }
    }
}
