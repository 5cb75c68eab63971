import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

/// The files as they are at the moment of a crash: what another process finds then.
@Suite struct CrashTests {
    private func crash(_ path: String, to target: String) throws {
        for suffix in ["", "-wal"] { try copy(path + suffix, to: target + suffix) }
        // The index over the log does not outlive its processes; it is made anew from the log.
        unlink(target + "-shm")
    }

    @Test func whatWasWrittenIsThere() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            var maker = RandomLedger(seed: 4)
            try withLoaded(path) { store, ledger throws in
                for round in 0..<6 {
                    maker.fill(&ledger, observations: 200)
                    try store.write(&ledger)
                    let target = folder + "/crash\(round).db"
                    try crash(path, to: target)
                    #expect(try LedgerImage(stored: target) == LedgerImage(ledger))
                }
            }
        }
    }

    @Test func whatWasNotCommittedIsNotThere() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            try makeStore(path)
            let before = try LedgerImage(stored: path)
            var maker = RandomLedger(seed: 4)
            try withLoaded(path) { store, ledger throws in
                // More than the cache holds, so that pages go to the log before the commit.
                maker.fill(&ledger, observations: 30_000)
                try store.connection.execute("BEGIN IMMEDIATE")
                let slice = StoreSlice(
                    of: ledger, after: store.stored, store.storedGaps, most: .max, header: nil)
                try store.statements.stage(slice)
                var log = stat()
                #expect(stat(path + "-wal", &log) == 0)
                #expect(log.st_size > 1 << 20)
                try crash(path, to: folder + "/crash.db")
                try store.connection.execute("ROLLBACK")
                #expect(try LedgerImage(stored: folder + "/crash.db") == before)
                // And nothing of it hinders the next try.
                try store.write(&ledger)
                #expect(try LedgerImage(stored: path) == LedgerImage(ledger))
            }
        }
    }

    /// A log that ends anywhere, as after a loss of power: the state before or after each write, whole.
    @Test func aLogCutAnywhere() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/store.db"
            let target = folder + "/crash.db"
            try makeStore(path, observations: 30)
            var states = [try LedgerImage(stored: path)]
            var maker = RandomLedger(seed: 6)
            try withLoaded(path) { store, ledger throws in
                for _ in 0..<3 {
                    maker.fill(&ledger, observations: 25)
                    try store.write(&ledger)
                    states.append(LedgerImage(ledger))
                }
                let log = try bytes(ofFile: path + "-wal")
                var reached = 0
                for end in Array(stride(from: 0, to: log.count, by: 997)) + [log.count] {
                    try copy(path, to: target)
                    unlink(target + "-shm")
                    try put(Array(log.prefix(end)), target + "-wal")
                    let image = try LedgerImage(stored: target)
                    let state = states.firstIndex(of: image)
                    #expect(state != nil, "cut at \(end)")
                    #expect(state ?? 0 >= reached)
                    reached = state ?? reached
                }
                #expect(reached == 3)
            }
        }
    }
}
