import Foundation
import Records
import TestSupport
import Testing

@testable import RecordStore

@Suite("Reading a store beside its daemon")
struct ReadTests {
    private static func header() -> DumpHeader {
        var header = DumpHeader()
        header.time = 1_700_000_000_123_000_000
        header.hostID = "h1"
        header.hostName = "db1"
        header.addresses = [NetworkAddress("10.0.0.2")!, NetworkAddress("fd12::2")!]
        header.version = "1"
        header.started = 1_600_000_000_000_000_000
        return header
    }

    private static func text(_ ledger: borrowing Ledger) -> [UInt8] {
        var text: [UInt8] = []
        ledger.writeCSV(host: "h1") { text += $0 }
        return text
    }

    @Test func givesWhatWasWrittenAndTheHeader() throws {
        let folder = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/a b%20?#.db"
        var written: [UInt8] = []
        try withStore(path, host: "h1") { store throws in
            var maker = RandomLedger(seed: 3)
            var ledger = Ledger()
            maker.fill(&ledger, observations: 300)
            try store.write(&ledger, header: Self.header())
            written = Self.text(ledger)
            // The daemon still has it open, and everything lies in the write-ahead log.
            let read = try RecordStore.read(path)
            #expect(Self.text(read.ledger) == written)
            #expect(read.header.hostName == "db1")
            #expect(read.header.addresses == Self.header().addresses)
            #expect(read.header.time == Self.header().time)
        }
        let read = try RecordStore.read(path)
        #expect(Self.text(read.ledger) == written)
    }

    @Test func readsACopyWithoutALogWhereNothingCanBeWritten() throws {
        let folder = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try makeStore(folder + "/store.db", seed: 5)
        let before = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        let read = try RecordStore.read(folder + "/store.db")
        #expect(read.ledger.records.count > 100)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == before)
    }

    @Test func knowsTheHostWithoutAHeader() throws {
        let folder = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/store.db"
        try withStore(path, host: "h9") { store throws in
            var maker = RandomLedger(seed: 4)
            var ledger = Ledger()
            maker.fill(&ledger, observations: 10)
            try store.write(&ledger)
        }
        let read = try RecordStore.read(path)
        #expect(read.header.hostID == "h9")
        #expect(read.header.time == read.ledger.records.map { $0.last }.max())
    }

    @Test func refusesWhatIsNoStore() throws {
        let folder = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/other.db"
        #expect(throws: StoreError.self) { _ = try RecordStore.read(path) }
        try write("", to: path)
        #expect(throws: StoreError.foreign(applicationID: 0)) { _ = try RecordStore.read(path) }
        try tamper(path, "CREATE TABLE t(a); PRAGMA application_id = 7")
        #expect(throws: StoreError.foreign(applicationID: 7)) { _ = try RecordStore.read(path) }
    }
}
