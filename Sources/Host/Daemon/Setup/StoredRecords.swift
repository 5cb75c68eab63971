import Records
import RecordStore

/// What the store held at the start, and the store itself if it can be written.
struct StoredRecords: ~Copyable {
    private var ledger: Ledger?
    private var store: RecordStore?
    /// Why it cannot be written for now; what it holds was read all the same, if anything could be.
    private(set) var problem: String?
    /// Until when the host was observed, nanoseconds since 1970; `nil` for a new store.
    private(set) var lastWritten: UInt64?

    /// Whether it can be written.
    var isOpen: Bool {
        switch store {
        case .some: true
        case .none: false
        }
    }

    mutating func takeLedger() -> Ledger { ledger.take() ?? Ledger() }
    mutating func takeStore() -> RecordStore? { store.take() }

    /// Opens the database and loads it.
    ///
    /// A damaged one is set aside under another name and a new one begun. One on a disk that is full or cannot be
    /// written is read; the daemon observes in memory, and says so, until it can be written.
    ///
    /// - Throws: where a person has to decide: the store of another host, application or later version.
    static func open(_ path: String, host: String) throws(StartError) -> StoredRecords {
        do throws(StoreError) {
            return try load(path, host: host)
        } catch {
            if error.isDamage { return try begin(path, host: host, because: error) }
            if error.needsDecision { throw StartError("the store \(path) cannot be used: \(error)") }
            Message.print("records are kept in memory only: \(error)")
            var found = StoredRecords(problem: error.description)
            found.read(path)
            return found
        }
    }

    private static func load(_ path: String, host: String) throws(StoreError) -> StoredRecords {
        var store = try RecordStore(path: path, host: host)
        var ledger = Ledger()
        try store.load(into: &ledger)
        let lastWritten = ledger.records.isEmpty ? nil : try store.lastWritten(ledger)
        return StoredRecords(ledger: ledger, store: store, lastWritten: lastWritten)
    }

    private static func begin(
        _ path: String, host: String, because error: StoreError
    ) throws(StartError) -> StoredRecords {
        do throws(StoreError) {
            let aside = try RecordStore.setAside(path)
            Message.print(
                "the store \(path) is damaged (\(error)); it was set aside as \(aside), a new one is begun")
            return try load(path, host: host)
        } catch { throw StartError("the store \(path) cannot be used: \(error)") }
    }

    /// Reads a store without writing to it.
    private mutating func read(_ path: String) {
        do throws(StoreError) {
            var found = Ledger()
            lastWritten = try RecordStore.read(path, into: &found).time
            ledger = consume found
        } catch {}
    }

    private init(problem: String) { self.problem = problem }

    private init(ledger: consuming Ledger, store: consuming RecordStore, lastWritten: UInt64?) {
        self.ledger = consume ledger
        self.store = consume store
        self.lastWritten = lastWritten
    }
}
