import Records
import TestSupport
import Testing

@testable import RecordStore

/// What must not be written over, and what to do when writing fails.
@Suite struct GuardTests {
    @Test func storedRecordsMustBeLoadedFirst() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try withStore(path) { store throws in
                var ledger = Ledger()
                #expect(throws: StoreError.notLoaded) { try store.write(&ledger) }
                try store.load(into: &ledger)
                var other = Ledger()
                #expect(throws: StoreError.otherLedger) { try store.write(&other) }
                #expect(try store.write(&ledger) == 0)
            }
        }
    }

    @Test func anotherWriterIsNoticed() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try withLoaded(path) { first, ledger throws in
                try withLoaded(path) { second, other throws in
                    other.note(other.records[0].key, evidence: .exact, time: 1)
                    try second.write(&other)
                }
                ledger.note(ledger.records[1].key, evidence: .exact, time: 1)
                #expect(throws: StoreError.changedByAnother) { try first.write(&ledger) }
                let isIdle = first.connection.isIdle
                #expect(isIdle)
                #expect(ledger.dirty == [1])
            }
        }
    }

    @Test func anotherLockIsWaitedForAndThenReported() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            try withLoaded(path) { store, ledger throws in
                ledger.note(ledger.records[1].key, evidence: .exact, time: 1)
                let other = try Connection(path: path)
                try other.execute("BEGIN IMMEDIATE")
                #expect(throws: StoreError.busy) { try store.write(&ledger) }
                #expect(ledger.dirty == [1])
                try other.execute("ROLLBACK")
                #expect(try store.write(&ledger) == 1)
            }
        }
    }

    /// A full disk, as SQLite sees it: nothing is marked clean, and when there is room all is written.
    @Test func fullDiskLosesNothing() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            let before = try LedgerImage(stored: path)
            try withLoaded(path) { store, ledger throws in
                let pages = try store.connection.integer("PRAGMA page_count")
                try store.connection.execute("PRAGMA max_page_count = \(pages + 2)")
                var maker = RandomLedger(seed: 9)
                maker.fill(&ledger, observations: 3000)
                let dirty = ledger.dirty
                for _ in 0..<2 {
                    #expect(throws: StoreError.full) { try store.write(&ledger) }
                    let isIdle = store.connection.isIdle
                    #expect(isIdle)
                    #expect(ledger.dirty == dirty)
                }
                #expect(try LedgerImage(stored: path) == before)
                try store.connection.execute("PRAGMA max_page_count = 100000")
                #expect(try store.write(&ledger) == dirty.count)
                #expect(ledger.dirty.isEmpty)
                #expect(try LedgerImage(stored: path) == LedgerImage(ledger))
            }
        }
    }

    /// An error that leaves the transaction open, late in the write.
    @Test func aFailedWriteIsTakenBack() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            let before = try LedgerImage(stored: path)
            try withLoaded(path) { store, ledger throws in
                try store.connection.execute(
                    "CREATE TEMP TRIGGER t BEFORE INSERT ON gap BEGIN SELECT RAISE(ABORT, 'no'); END")
                var maker = RandomLedger(seed: 9)
                maker.fill(&ledger, observations: 100)
                ledger.gaps.append(Gap(source: "s", cause: "c", from: 1, to: 2, lost: 3))
                let dirty = ledger.dirty
                #expect(throws: StoreError.self) { try store.write(&ledger) }
                let isIdle = store.connection.isIdle
                #expect(isIdle)
                #expect(ledger.dirty == dirty)
                #expect(try LedgerImage(stored: path) == before)
                try store.connection.execute("DROP TRIGGER t")
                #expect(try store.write(&ledger) == dirty.count)
                #expect(try LedgerImage(stored: path) == LedgerImage(ledger))
            }
        }
    }

    @Test func aStoreBelongsToItsHost() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            #expect(problem(path, host: "h1") == nil)
            #expect(problem(path, host: "h1") == nil)
            #expect(problem(path) == nil)
            #expect(problem(path, host: "h2") == .otherHost("h1"))
            #expect(StoreError.otherHost("h1").isDamage == false)
        }
    }
}
