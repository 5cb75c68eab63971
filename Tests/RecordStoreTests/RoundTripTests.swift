import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

@Suite struct RoundTripTests {
    @Test func newStoreIsEmptyAndPrivate() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            let old = umask(0)
            defer { umask(old) }
            try withLoaded(path) { store, ledger throws in
                #expect(ledger.records.isEmpty)
                ledger.note(
                    .spawn(ledger.intern(Program(executable: ledger.texts.intern("/a"))), child: .unknown),
                    evidence: .exact, time: 1)
                #expect(try store.write(&ledger) == 1)
                for suffix in ["", "-wal", "-shm"] {
                    var status = stat()
                    #expect(stat(path + suffix, &status) == 0)
                    #expect(status.st_mode & 0o7777 == 0o600, "\(suffix)")
                }
                #expect(store.size > 0)
            }
            #expect(chmod(path, 0o644) == 0)
            #expect(problem(path) == nil)
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600)
        }
    }

    /// Whether all bytes of a connection were counted is kept, and written again when it changes.
    @Test func aLowerBoundComesBack() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var ledger = Ledger()
            let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
            for port in [1, 2] as [UInt16] {
                let remote = ledger.intern(Endpoint(NetworkAddress(v4: 1), port: port))
                ledger.note(
                    .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .exact, time: 1)
            }
            try withStore(path) { store throws in
                _ = try store.write(&ledger)
                ledger.noteLowerBound(at: 1)
                ledger.noteLowerBound(at: 1)
                #expect(try store.write(&ledger) == 1)
            }
            try withLoaded(path) { _, loaded throws in
                #expect(loaded.records.map(\.isLowerBound) == [false, true])
            }
        }
    }

    @Test(arguments: 1...12) func everythingComesBackWithItsNumbers(seed: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var maker = RandomLedger(seed: UInt64(seed))
            var ledger = Ledger()
            _ = ledger.texts.intern([])
            maker.fill(&ledger, observations: seed * 40)
            let written = try withStore(path) { try $0.write(&ledger) }
            #expect(written == ledger.records.count)
            #expect(ledger.dirty.isEmpty)
            #expect(try LedgerImage(stored: path) == LedgerImage(ledger))

            // What is met again has its old number; what is new the next.
            try withLoaded(path) { _, loaded throws in
                for number in ledger.programs.indices.dropFirst() {
                    #expect(Int(loaded.intern(ledger.programs[number]).rawValue) == number)
                }
                for number in ledger.endpoints.indices.dropFirst() {
                    #expect(Int(loaded.intern(ledger.endpoints[number]).rawValue) == number)
                }
                #expect(Int(loaded.texts.intern(Array("never met".utf8)).rawValue) == ledger.texts.count + 1)
                #expect(loaded.dirty.isEmpty)
            }
        }
    }

    /// Many small writes, over several lives of the daemon, give the same as one large one.
    @Test(arguments: 1...6) func writesAddUp(seed: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var maker = RandomLedger(seed: UInt64(seed) + 50)
            var image: LedgerImage?
            for _ in 0..<5 {
                try withLoaded(path) { store, ledger throws in
                    if let image { #expect(LedgerImage(ledger) == image) }
                    for _ in 0..<4 {
                        maker.fill(&ledger, observations: 30)
                        let dirty = ledger.dirty.count
                        #expect(try store.write(&ledger) == dirty)
                        if !ledger.gaps.isEmpty { ledger.gaps[0].resynchronised += 1 }
                    }
                    try store.write(&ledger)
                    image = LedgerImage(ledger)
                }
            }
            #expect(try LedgerImage(stored: path) == image)
        }
    }

    @Test func onlyWhatChangedIsWritten() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try withLoaded(path) { store, ledger throws in
                /// Rows changed by a write, and the records that it says it has written.
                func write() throws -> [Int64] {
                    let before = try store.connection.integer("SELECT total_changes()")
                    let records = try store.write(&ledger)
                    return [try store.connection.integer("SELECT total_changes()") - before, Int64(records)]
                }
                #expect(try write() == [0, 0])
                let key = ledger.records[7].key
                ledger.note(key, evidence: .exact, time: 1)
                // The record, and the count of writes.
                #expect(try write() == [2, 1])
                _ = ledger.texts.intern("a text of no record")
                #expect(try write() == [2, 0])
                ledger.gaps.append(Gap(source: "s", cause: "c", from: 1, to: 2, lost: 3))
                #expect(try write() == [2, 0])
                ledger.gaps[ledger.gaps.count - 1].resynchronised = 9
                #expect(try write() == [2, 0])
                ledger.gaps.removeLast()
                #expect(try write() == [2, 0])
                #expect(try write() == [0, 0])
                #expect(try LedgerImage(stored: path) == LedgerImage(ledger))
            }
        }
    }

    @Test func closingLeavesOneFile() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            #expect(access(path + "-wal", F_OK) != 0)
            #expect(access(path + "-shm", F_OK) != 0)
            try copy(path, to: folder + "/copy.db")
            #expect(try LedgerImage(stored: folder + "/copy.db") == LedgerImage(stored: path))
        }
    }

    @Test(arguments: [
        ("journal_mode = 'wal'", "pragma_journal_mode"), ("synchronous = 2", "pragma_synchronous"),
        ("cache_size = -512", "pragma_cache_size"), ("timeout = 1000", "pragma_busy_timeout"),
    ])
    func settings(setting: String, table: String) throws {
        try withTemporaryFolder { folder in
            try withStore(folder + "/store.db") { store throws in
                #expect(try store.connection.integer("SELECT \(setting) FROM \(table)") == 1)
            }
        }
    }

    @Test func pathMustBeUsable() {
        #expect(problem("/proc/nowhere/store.db") == .system(call: "open", code: ENOENT))
    }
}
