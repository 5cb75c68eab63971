import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

/// What was forgotten does not come back, and whoever is interrupted leaves the store of before.
@Suite struct ForgetTests {
    /// The store as another process finds it when this one ends now.
    private func left(by path: String, at target: String) throws -> LedgerImage {
        for suffix in ["", "-wal"] { try copy(path + suffix, to: target + suffix) }
        unlink(target + "-shm")
        return try LedgerImage(stored: target)
    }

    /// As the daemon does it, slice by slice.
    @Test(arguments: [1, 64, 100_000], [1, 2]) func eachSliceLeavesAStoreThatLoads(most: Int, seed: Int)
        throws
    {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path, observations: 300)
            var maker = RandomLedger(seed: UInt64(seed) + 20)
            try withLoaded(path) { store, ledger throws in
                var progress = StoreProgress(ledger)
                let before = LedgerImage(ledger)
                maker.forget(&ledger, percent: 30)
                var hasForgotten = progress.hasForgotten(ledger)
                #expect(!hasForgotten)
                let tombstones = ledger.tombstones.count
                #expect(tombstones > 50)
                var slices = 0
                while !progress.holds(ledger) {
                    let change = ledger.change
                    let slice = progress.takeSlice(of: &ledger, most: most, header: nil)
                    try store.apply(slice)
                    slices += 1
                    // Who reads the file now sees what comes later as later.
                    #expect(ledger.change > change)
                    hasForgotten = progress.hasForgotten(ledger)
                    guard most > 1 || slices % 32 == 0 || hasForgotten else { continue }
                    let image = try left(by: path, at: folder + "/crash.db")
                    #expect(image == (hasForgotten ? LedgerImage(ledger) : before))
                    // Another request comes while everything is being written.
                    if most == 64, slices == 3 { maker.forget(&ledger, percent: 10, least: 1000) }
                }
                #expect(slices >= ledger.records.count / most)
                hasForgotten = progress.hasForgotten(ledger)
                #expect(hasForgotten && ledger.tombstones.count >= tombstones)
                // And on as ever.
                maker.fill(&ledger, observations: 50)
                while !progress.holds(ledger) {
                    let slice = progress.takeSlice(of: &ledger, most: 64, header: nil)
                    #expect(slice.part == .addition)
                    try store.apply(slice)
                }
                #expect(try left(by: path, at: folder + "/crash.db") == LedgerImage(ledger))
            }
        }
    }

    @Test(arguments: 1...4) func oneWriteDoesItAsWell(seed: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var maker = RandomLedger(seed: UInt64(seed) + 70)
            var last: (change: UInt32, after: UInt32, tombstones: [Tombstone])?
            for round in 0..<4 {
                try withLoaded(path) { store, ledger throws in
                    if let last {
                        #expect(ledger.change == last.change && ledger.tombstonesAfter == last.after)
                        #expect(ledger.tombstones == last.tombstones)
                    }
                    maker.fill(&ledger, observations: 100)
                    try store.write(&ledger)
                    maker.forget(&ledger, percent: round == 2 ? 100 : 20)
                    if round == 1 { ledger.dropTombstones() }
                    try store.write(&ledger)
                    let isWhole = store.holds(ledger)
                    #expect(isWhole)
                    #expect(try LedgerImage(stored: path) == LedgerImage(ledger))
                    last = (ledger.change, ledger.tombstonesAfter, ledger.tombstones)
                }
            }
            // All records may have gone: the number does not fall.
            #expect(last!.change > 8)
        }
    }

    /// A full disk half-way: the store stays as it was, and all is begun anew when there is room.
    @Test func aFullDiskIsBegunAnew() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path, observations: 3000)
            try withLoaded(path) { store, ledger throws in
                let before = LedgerImage(ledger)
                var maker = RandomLedger(seed: 5)
                var progress = StoreProgress(ledger)
                maker.fill(&ledger, observations: 6000)
                maker.forget(&ledger, percent: 1)
                let pages = try store.connection.integer("PRAGMA page_count")
                try store.connection.execute("PRAGMA max_page_count = \(pages + 2)")
                for _ in 0..<2 {
                    var failed: StoreSlice?
                    while failed == nil {
                        let slice = progress.takeSlice(of: &ledger, most: 500, header: nil)
                        do throws(StoreError) { try store.apply(slice) } catch {
                            #expect(error == .full)
                            failed = slice
                        }
                    }
                    let isIdle = store.connection.isIdle
                    #expect(isIdle)
                    #expect(try left(by: path, at: folder + "/crash.db") == before)
                    let slice = try #require(failed)
                    #expect(slice.part == .next)
                    let isAnew = progress.restart(slice, &ledger)
                    let hasForgotten = progress.hasForgotten(ledger)
                    #expect(isAnew && !hasForgotten)
                }
                try store.connection.execute("PRAGMA max_page_count = 100000")
                while !progress.holds(ledger) {
                    try store.apply(progress.takeSlice(of: &ledger, most: 500, header: nil))
                }
                #expect(try left(by: path, at: folder + "/crash.db") == LedgerImage(ledger))
            }
        }
    }

    /// A name that is gone from the ledger is not left in pages that hold nothing.
    @Test func nothingIsLeftInTheFile() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            let secret = "/home/somebody/a-name-that-is-nowhere-else"
            func isThere() throws -> Bool {
                String(decoding: try bytes(ofFile: path), as: UTF8.self).contains(
                    "a-name-that-is-nowhere-else")
            }
            try makeStore(path)
            try withLoaded(path) { store, ledger throws in
                let program = ledger.records[0].key.program
                ledger.note(.file(program, path: ledger.texts.intern(secret)), evidence: .exact, time: 1)
                try store.write(&ledger)
            }
            #expect(try isThere())
            try withLoaded(path) { store, ledger throws in
                _ = ledger.forget([ledger.records.count - 1])
                ledger.dropTombstones()
                _ = ledger.forget([])
                try store.write(&ledger)
            }
            #expect(try !isThere())
        }
    }

    /// A store of version 2 has neither tombstones nor names of what is folded.
    @Test func theVersionBeforeIsTakenOver() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            let before = try LedgerImage(stored: path)
            let dependency = try #require(Schema.secondTables["dependency"])
            #expect(Schema.tables["dependency"] != dependency)
            try tamper(
                path,
                "DROP TABLE tombstone; DELETE FROM meta WHERE name IN ('change', 'tombstones_after'); "
                    + "ALTER TABLE dependency RENAME TO former; \(dependency); INSERT INTO dependency SELECT id, "
                    + "program, relation, detail, object, remote, peer, access, kind, evidence, count, first, last, "
                    + "sent, received, change, folded FROM former; DROP TABLE former; PRAGMA user_version = 2"
            )
            var read = Ledger()
            _ = try RecordStore.read(path, into: &read)
            #expect(LedgerImage(read) == before)
            #expect(try LedgerImage(stored: path) == before)
            #expect(try Connection(path: path).integer("PRAGMA user_version") == 4)
        }
    }
}
