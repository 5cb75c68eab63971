import CSQLite
import Glibc

/// Why the store could not do what was asked: a sentence says what to do about it.
public enum StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file is something else than an SQLite database.
    case notADatabase
    /// Pages or rows contradict each other.
    case corrupt(String)
    /// The tables are not those of a store.
    case malformedSchema(String)
    /// An SQLite database of another application (its `application_id`).
    case foreign(applicationID: Int32)
    /// A store of a later version of this program (its `user_version`).
    case newer(version: Int32)
    /// The store of another host: the state of one machine was copied to another.
    case otherHost(String)
    /// Another process has written to the store since it was opened.
    case changedByAnother
    /// Writing to a store whose contents were not loaded first.
    case notLoaded
    /// The ledger has fewer entries than were stored, so it is not the one that was loaded.
    case otherLedger
    /// Another file, or none, has taken the place of the store that is open.
    case replaced
    /// No space is left on the device, or a quota is reached.
    case full
    /// Another process holds the store's lock.
    case busy
    /// Anything else that SQLite reports: its extended result code (sqlite.org/rescode.html) and its words.
    case sqlite(operation: String, code: Int32, message: String)
    /// A system call that failed, with the value of `errno`.
    case system(call: String, code: Int32)

    /// Whether what is stored is beyond use, so that `RecordStore.setAside` and a fresh start are the answer.
    ///
    /// A foreign, newer or other host's store is not damaged: a person must decide about it.
    public var isDamage: Bool {
        switch self {
        case .notADatabase, .corrupt, .malformedSchema: true
        default: false
        }
    }

    /// Whether a person has to decide what becomes of the store.
    public var needsDecision: Bool {
        switch self {
        case .foreign, .newer, .otherHost: true
        default: false
        }
    }

    /// A sentence for a log.
    public var description: String {
        switch self {
        case .notADatabase: "the store is not a database"
        case .corrupt(let what): "the store is damaged: \(what)"
        case .malformedSchema(let what): "the store's tables are not as they should be: \(what)"
        case .foreign(let id): "the store belongs to another application (application_id \(id)); move it away"
        case .newer(let version):
            "the store was written by a later version (schema \(version)); update, or move it away"
        case .otherHost(let host):
            "the store is that of another host, \(host); move it away, or restore the machine id"
        case .changedByAnother: "another process has written to the store; two daemons must not share one"
        case .notLoaded: "the store holds records that were not loaded; nothing was written over them"
        case .otherLedger: "the ledger is not the one that the store holds"
        case .replaced: "the store's file was removed or replaced"
        case .full: "no space left for the store"
        case .busy: "another process holds the store's lock"
        case .sqlite(let operation, let code, let message): "\(operation): \(message) (SQLite \(code))"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        }
    }

    /// What a result code of SQLite means for the store.
    static func from(_ code: Int32, _ database: OpaquePointer?, _ operation: String) -> StoreError {
        let message =
            sqlite3_errmsg(database).map { String(cString: $0) } ?? String(cString: sqlite3_errstr(code))
        switch code & 0xff {
        case SQLITE_NOTADB: return .notADatabase
        // SQLite says both with one code; only the words distinguish the tables' text from the pages.
        case SQLITE_CORRUPT where message.hasPrefix("malformed database schema"):
            return .malformedSchema(message)
        case SQLITE_CORRUPT: return .corrupt(message)
        case SQLITE_FULL: return .full
        case SQLITE_BUSY, SQLITE_LOCKED: return .busy
        default: return .sqlite(operation: operation, code: code, message: message)
        }
    }
}
