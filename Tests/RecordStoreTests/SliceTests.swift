import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

/// A large write in slices: whoever stops between two of them leaves a store that can be loaded.
@Suite struct SliceTests {
    /// The store as another process finds it when this one ends now.
    private func left(by path: String, at target: String) throws -> LedgerImage {
        for suffix in ["", "-wal"] { try copy(path + suffix, to: target + suffix) }
        unlink(target + "-shm")
        return try LedgerImage(stored: target)
    }

    @Test(arguments: [1, 7, 64, 1000]) func eachSliceLeavesAStoreThatLoads(most: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path, observations: 50)
            var maker = RandomLedger(seed: 11)
            try withLoaded(path) { store, ledger throws in
                maker.fill(&ledger, observations: 200)
                var rows = 0
                var slices = 0
                var isWhole = store.holds(ledger)
                #expect(!isWhole)
                while !isWhole {
                    // The daemon goes on learning meanwhile: new records, and old ones seen again.
                    if slices < 5 { maker.fill(&ledger, observations: 20) }
                    let before = store.stored
                    let dirty = ledger.dirty
                    let written = try store.write(&ledger, most: most)
                    let after = store.stored
                    rows =
                        after.texts - before.texts + after.programs - before.programs + after.endpoints
                        - before.endpoints + written
                    slices += 1
                    isWhole = store.holds(ledger)
                    #expect(rows == most || isWhole && rows < most)
                    #expect(ledger.dirty == Array(dirty.dropFirst(written)))
                    #expect(after.writes == before.writes + 1)
                    #expect(
                        ledger.records.indices.allSatisfy {
                            ledger.records[$0].isDirty == ledger.dirty.contains(UInt32($0))
                        })
                    // One in a few is enough for the smallest slices.
                    guard most > 1 || slices % 16 == 0 || isWhole else { continue }
                    let image = try left(by: path, at: folder + "/crash.db")
                    let all = LedgerImage(ledger)
                    #expect(image.texts.count - 1 == after.texts)
                    #expect(image.texts == Array(all.texts.prefix(image.texts.count)))
                    #expect(image.programs == Array(all.programs.prefix(image.programs.count)))
                    #expect(image.endpoints == Array(all.endpoints.prefix(image.endpoints.count)))
                    #expect(image.keys == Array(all.keys.prefix(image.keys.count)))
                    for position in image.keys.indices where !ledger.records[position].isDirty {
                        #expect(image.times[position] == all.times[position])
                    }
                    if isWhole { #expect(image == all) }
                }
                #expect(slices > 200 / most)
                #expect(try store.write(&ledger, most: most) == 0)
            }
        }
    }

    /// The next daemon goes on where the slices ended.
    @Test func whatWasLeftBehindIsLearntAgain() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var maker = RandomLedger(seed: 12)
            var all: LedgerImage?
            try withLoaded(path) { store, ledger throws in
                maker.fill(&ledger, observations: 500)
                for _ in 0..<4 { try store.write(&ledger, most: 100) }
                let isWhole = store.holds(ledger)
                #expect(!isWhole)
            }
            var again = RandomLedger(seed: 12)
            try withLoaded(path) { store, ledger throws in
                again.fill(&ledger, observations: 500)
                try store.write(&ledger)
                let isWhole = store.holds(ledger)
                #expect(isWhole)
                all = LedgerImage(ledger)
            }
            #expect(try LedgerImage(stored: path) == all)
        }
    }
}
