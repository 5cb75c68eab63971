import TestSupport
import Testing

@testable import Records

@Suite struct LedgerTests {
    private func program(_ ledger: inout Ledger, _ path: String) -> ProgramID {
        ledger.intern(Program(executable: ledger.texts.intern(path)))
    }

    @Test func observationsOfTheSameJoin() {
        var ledger = Ledger()
        let key = RecordKey.file(program(&ledger, "/bin/a"), path: ledger.texts.intern("/etc/a"))
        #expect(ledger.note(key, access: .opened, evidence: .snapshot, time: 50) == 0)
        #expect(ledger.note(key, access: .written, evidence: .exact, time: 30, count: 4) == 0)
        #expect(ledger.note(key, access: .opened, evidence: .inferred, time: 90) == 0)
        let record = ledger.records[0]
        #expect(ledger.records.count == 1)
        #expect(record.count == 6)
        #expect(record.first == 30)
        #expect(record.last == 90)
        #expect(record.access == [.opened, .written])
        #expect(record.evidence == .exact)
        #expect(ledger.position(of: key) == 0)
    }

    @Test func countZeroAddsKnowledgeOnly() {
        var ledger = Ledger()
        let key = RecordKey.file(program(&ledger, "/bin/a"), path: ledger.texts.intern("/etc/a"))
        ledger.note(key, access: .opened, evidence: .snapshot, time: 50, count: 0)
        #expect(ledger.records[0].count == 1)
        ledger.markAllClean()
        ledger.note(key, access: .opened, evidence: .snapshot, time: 90, count: 0)
        #expect(ledger.dirty.isEmpty)
        ledger.note(key, access: .executed, evidence: .exact, time: 90, count: 0)
        #expect(ledger.dirty == [0])
        #expect(ledger.records[0].count == 1)
        #expect(ledger.records[0].last == 50)
        #expect(ledger.records[0].access == [.opened, .executed])
    }

    @Test func dirtyRecordsAreListedOnce() {
        var ledger = Ledger()
        let program = program(&ledger, "/bin/a")
        let keys = (0..<3).map { RecordKey.file(program, path: TextID(rawValue: UInt32($0))) }
        for key in keys { ledger.note(key, evidence: .exact, time: 1) }
        ledger.note(keys[1], evidence: .exact, time: 2)
        #expect(ledger.dirty == [0, 1, 2])
        ledger.markAllClean()
        #expect(ledger.dirty.isEmpty)
        ledger.note(keys[2], evidence: .exact, time: 3)
        ledger.addTraffic(at: 2, sent: 1, received: 0)
        ledger.addTraffic(at: 1, sent: 0, received: 0)
        #expect(ledger.dirty == [2])
    }

    @Test func theFirstOfTheDirtyRecordsAreMarkedClean() {
        var ledger = Ledger()
        let program = program(&ledger, "/bin/a")
        let keys = (0..<4).map { RecordKey.file(program, path: TextID(rawValue: UInt32($0))) }
        for key in keys { ledger.note(key, evidence: .exact, time: 1) }
        ledger.markClean(3)
        #expect(ledger.dirty == [3])
        #expect(ledger.records.map(\.isDirty) == [false, false, false, true])
        ledger.note(keys[1], evidence: .exact, time: 2)
        ledger.note(keys[3], evidence: .exact, time: 2)
        #expect(ledger.dirty == [3, 1])
        ledger.markClean(0)
        #expect(ledger.dirty == [3, 1])
        ledger.markClean(2)
        #expect(ledger.dirty.isEmpty)
    }

    @Test func restoredRecordsAreCleanAndJoin() {
        var ledger = Ledger()
        let key = RecordKey.file(program(&ledger, "/bin/a"), path: ledger.texts.intern("/etc/a"))
        var record = Record(key, evidence: .snapshot, time: 10)
        record.count = 5
        record.access = .written
        ledger.restore(record)
        #expect(ledger.dirty.isEmpty)
        #expect(!ledger.records[0].isDirty)
        ledger.note(key, access: .opened, evidence: .exact, time: 20)
        #expect(ledger.records[0].count == 6)
        #expect(ledger.dirty == [0])
        ledger.markAllClean()
        ledger.restore(record)
        #expect(ledger.records[0].count == 11)
        #expect(ledger.dirty == [0])
    }

    @Test func countsStopAtTheLargestNumber() {
        var ledger = Ledger()
        let key = RecordKey.connect(
            program(&ledger, "/bin/a"), .tcp, remote: EndpointID(rawValue: 0), peer: .unknown)
        var record = Record(key, evidence: .exact, time: 10)
        record.count = .max
        ledger.restore(record, traffic: Traffic(sent: .max))
        ledger.restore(record, traffic: Traffic(sent: .max))
        ledger.note(key, evidence: .exact, time: 11)
        ledger.addTraffic(at: 0, sent: 7, received: 9)
        #expect(ledger.records[0].count == .max)
        #expect(ledger.traffic(of: 0) == Traffic(sent: .max, received: 9))
    }

    @Test func keysThatDifferInOneFieldAreDifferent() {
        var ledger = Ledger()
        let one = EndpointID(rawValue: 1)
        let two = EndpointID(rawValue: 2)
        let first = ProgramID(rawValue: 1)
        let second = ProgramID(rawValue: 2)
        let keys: [RecordKey] = [
            .file(first, path: TextID(rawValue: 1)), .file(second, path: TextID(rawValue: 1)),
            .file(first, path: TextID(rawValue: 2)), .spawn(first, child: first),
            .connect(first, .tcp, remote: one, peer: .unknown),
            .connect(first, .udp, remote: one, peer: .unknown),
            .connect(first, .tcp, remote: two, peer: .unknown),
            .connect(first, .tcp, remote: one, peer: second),
            .accept(first, .tcp, local: one, remote: one, peer: .unknown),
            .accept(first, .tcp, local: one, remote: two, peer: .unknown),
            .accept(first, .tcp, local: two, remote: one, peer: .unknown), .listen(first, .tcp, local: one),
            .ipc(first, .unix, name: TextID(rawValue: 1), peer: .unknown),
            .ipc(first, .fifo, name: TextID(rawValue: 1), peer: .unknown),
        ]
        for key in keys { ledger.note(key, evidence: .exact, time: 1) }
        #expect(ledger.records.map(\.key) == keys)
        for (position, key) in keys.enumerated() { #expect(ledger.position(of: key) == position) }
    }

    /// The index against a dictionary, over several growths.
    @Test func findsWhatADictionaryFinds() {
        var random = SeededGenerator(seed: 5)
        var ledger = Ledger()
        var model: [RecordKey: Int] = [:]
        for _ in 0..<20_000 {
            let key = RecordKey.file(
                ProgramID(rawValue: .random(in: 0...90, using: &random)),
                path: TextID(rawValue: .random(in: 0...90, using: &random)))
            let position = ledger.note(key, evidence: .exact, time: 1)
            #expect(position == model[key, default: model.count])
            model[key] = position
        }
        #expect(ledger.records.count == model.count)
        for (key, position) in model { #expect(ledger.position(of: key) == position) }
        #expect(ledger.position(of: .file(ProgramID(rawValue: 91), path: .none)) == nil)
    }
}
