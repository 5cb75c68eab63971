import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

@Suite struct DamageTests {
    /// Makes a store, damages it, and tells what opening it says.
    private func problem(after damage: (String) throws -> Void) throws -> StoreError? {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try damage(path)
            return RecordStoreTests.problem(path)
        }
    }

    private func isCorrupt(_ error: StoreError?) -> Bool {
        guard case .corrupt = error else { return false }
        return true
    }

    private func isMalformed(_ error: StoreError?) -> Bool {
        guard case .malformedSchema = error else { return false }
        return true
    }

    @Test func whatIsNoDatabase() throws {
        #expect(try problem { try write("a text that is longer than nothing\n", to: $0) } == .notADatabase)
        let noise = try problem { path in
            var random = SeededGenerator(seed: 1)
            try put((0..<20_000).map { _ in UInt8.random(in: 0...255, using: &random) }, path)
        }
        #expect(noise == .notADatabase)
        #expect(StoreError.notADatabase.isDamage)
    }

    @Test func anEmptyFileIsANewStore() throws {
        #expect(try problem { try put([], $0) } == nil)
    }

    @Test func aFileCutShort() throws {
        #expect(isCorrupt(try problem { path in try put(Array(bytes(ofFile: path).dropLast(9000)), path) }))
        let first = try problem { path in try put(Array(bytes(ofFile: path).prefix(4096)), path) }
        #expect(isCorrupt(first))
        #expect(first?.isDamage == true)
    }

    @Test func aPageOfZeros() throws {
        let error = try problem { path in
            var file = try bytes(ofFile: path)
            let page = file.count / 4096 / 2
            for offset in page * 4096..<(page + 1) * 4096 { file[offset] = 0 }
            try put(file, path)
        }
        #expect(isCorrupt(error))
    }

    /// Damage where no row is, which loading would not meet.
    @Test func aListOfFreePagesThatIsWrong() throws {
        let error = try problem { path in
            try tamper(path, "CREATE TABLE x(y); INSERT INTO x VALUES(zeroblob(90000)); DROP TABLE x")
            var file = try bytes(ofFile: path)
            let page = file[32..<36].reduce(0) { $0 << 8 | Int($1) }
            try #require(page > 0)
            for offset in (page - 1) * 4096 + 8..<page * 4096 { file[offset] = 0xaa }
            try put(file, path)
        }
        #expect(isCorrupt(error), "\(String(describing: error))")
    }

    @Test func otherApplications() throws {
        #expect(try problem { try tamper($0, "PRAGMA application_id = 7") } == .foreign(applicationID: 7))
        let browser = try problem { path in
            try put([], path)
            try tamper(path, "CREATE TABLE cookies(name)")
        }
        #expect(browser == .foreign(applicationID: 0))
        #expect(StoreError.foreign(applicationID: 0).isDamage == false)
    }

    @Test func otherVersions() throws {
        #expect(try problem { try tamper($0, "PRAGMA user_version = 5") } == .newer(version: 5))
        #expect(isMalformed(try problem { try tamper($0, "PRAGMA user_version = 0") }))
        #expect(StoreError.newer(version: 2).isDamage == false)
    }

    @Test(arguments: [
        "DROP TABLE dependency", "ALTER TABLE gap RENAME COLUMN cause TO why", "CREATE TABLE extra(x)",
        "CREATE VIEW v AS SELECT 1", "CREATE INDEX i ON dependency(program)",
        "CREATE TRIGGER t AFTER INSERT ON text BEGIN DELETE FROM text; END",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'text'",
    ])
    func otherTables(sql: String) throws {
        let error = try problem { try tamper($0, sql) }
        #expect(isMalformed(error), "\(String(describing: error))")
    }

    @Test(arguments: [
        "DELETE FROM text WHERE id = 5",
        "UPDATE text SET (parent, name) = (SELECT parent, name FROM text WHERE id = 1) WHERE id = 3",
        "UPDATE text SET name = 'text' WHERE id = 3", "UPDATE text SET parent = 3 WHERE id = 3",
        "UPDATE text SET parent = -1 WHERE id = 3", "UPDATE text SET name = CAST('a/b' AS BLOB) WHERE id = 3",
        "UPDATE dependency SET change = -1 WHERE id = 1",
        "UPDATE dependency SET folded = 'much' WHERE id = 1",
        "UPDATE program SET executable = 1000000 WHERE id = 2",
        "UPDATE program SET script = -1 WHERE id = 2", "DELETE FROM program WHERE id = 1",
        "UPDATE program SET (executable, script, workload) = "
            + "(SELECT executable, script, workload FROM program WHERE id = 1) WHERE id = 2",
        "UPDATE endpoint SET port = 65536 WHERE id = 1", "UPDATE endpoint SET high = 'x' WHERE id = 1",
        "UPDATE endpoint SET (high, low, port) = (SELECT high, low, port FROM endpoint WHERE id = 1) "
            + "WHERE id = 2",
        "UPDATE dependency SET relation = 6 WHERE id = 1",
        "UPDATE dependency SET relation = 256 WHERE id = 1",
        "UPDATE dependency SET relation = -1 WHERE id = 1", "UPDATE dependency SET detail = 9 WHERE id = 1",
        "UPDATE dependency SET object = 4294967296 WHERE id = 1",
        "UPDATE dependency SET object = 100000 WHERE relation = 2",
        "UPDATE dependency SET remote = 100000 WHERE relation = 3",
        "UPDATE dependency SET remote = 1 WHERE relation = 0",
        "UPDATE dependency SET peer = 100000 WHERE id = 1",
        "UPDATE dependency SET program = 100000 WHERE id = 1",
        "UPDATE dependency SET access = 8 WHERE id = 1",
        "UPDATE dependency SET kind = 6 WHERE id = 1", "UPDATE dependency SET evidence = 3 WHERE id = 1",
        "UPDATE dependency SET count = 1.5 WHERE id = 1",
        "UPDATE dependency SET first = 'yesterday' WHERE id = 1", "DELETE FROM dependency WHERE id = 3",
        "UPDATE dependency SET id = -id", "UPDATE dependency SET id = 0 WHERE id = 1",
        "UPDATE dependency SET (program, relation, detail, object, remote, peer) = "
            + "(SELECT program, relation, detail, object, remote, peer FROM dependency WHERE id = 1) WHERE id = 2",
        "INSERT INTO gap VALUES(9, 's', 'c', 1, 2, 3, 0)",
    ])
    func rowsThatMakeNoSense(sql: String) throws {
        let error = try problem { try tamper($0, sql) }
        // The table that was tampered with, or damage would only be found by what it leads to.
        let table = try #require(sql.firstMatch(of: /(UPDATE|FROM|INTO) (\w+)/)).2
        guard case .corrupt(let sentence) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(sentence.hasSuffix("of table \(table) makes no sense"), "\(sentence)")
    }

    @Test func aLedgerIsNotHalfLoaded() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try tamper(path, "UPDATE dependency SET kind = 6 WHERE id = 100")
            try withStore(path) { store throws in
                var ledger = Ledger()
                #expect(throws: StoreError.corrupt("row 100 of table dependency makes no sense")) {
                    try store.load(into: &ledger)
                }
                let texts = ledger.texts.count
                #expect(texts == 0)
                #expect(ledger.records.isEmpty)
                let isIdle = store.connection.isIdle
                #expect(isIdle)
                #expect(throws: StoreError.notLoaded) { try store.write(&ledger) }
            }
        }
    }

    /// Any bytes may be wrong: an error or a ledger, never a trap.
    @Test(arguments: 1...6) func bytesThatAreWrong(seed: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path, observations: 60)
            let whole = try bytes(ofFile: path)
            var random = SeededGenerator(seed: UInt64(seed))
            var errors = 0
            for _ in 0..<60 {
                var file = whole
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    // Half of them in the first page, where the tables are described.
                    let end = Bool.random(using: &random) ? 4096 : file.count
                    file[Int.random(in: 0..<end, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
                try put(file, path)
                if RecordStoreTests.problem(path) != nil { errors += 1 }
            }
            #expect(errors > 0)
        }
    }

    @Test func settingAside() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var names: Set<String> = []
            for _ in 0..<3 {
                try makeStore(path)
                let image = try LedgerImage(stored: path)
                try put([1], path + "-wal")
                try put([2], path + "-shm")
                let aside = try RecordStore.setAside(path)
                #expect(names.insert(aside).inserted)
                #expect(aside.wholeMatch(of: /.*\/store\.db\.damaged-\d{8}T\d{6}\.\d{3}Z(-\d+)?/) != nil)
                #expect(try bytes(ofFile: aside + "-wal") == [1])
                #expect(try bytes(ofFile: aside + "-shm") == [2])
                for suffix in ["", "-wal", "-shm"] { #expect(access(path + suffix, F_OK) != 0) }
                for suffix in ["-wal", "-shm"] { unlink(aside + suffix) }
                #expect(try LedgerImage(stored: aside) == image)
            }
            #expect(throws: StoreError.system(call: "rename", code: ENOENT)) {
                try RecordStore.setAside(path)
            }
        }
    }
}
