import Records
import TestSupport
import Testing

@testable import Records

/// What has changed since a number, against a look at every record.
@Suite struct ChangesTests {
    private func key(_ ledger: inout Ledger, _ number: Int) -> RecordKey {
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/\(number % 7)")))
        return .file(program, path: ledger.texts.intern("/srv/\(number)"))
    }

    private func note(_ ledger: inout Ledger, _ number: Int) {
        let key = key(&ledger, number)
        ledger.note(key, access: .opened, evidence: .exact, time: 1_000_000_000)
    }

    private func all(_ ledger: borrowing Ledger, after number: UInt32) -> [UInt32] {
        ledger.records.indices.filter { ledger.records[$0].change > number }.map { UInt32($0) }
    }

    private func expectChanges(_ ledger: inout Ledger, after number: UInt32) {
        let (found, wanted) = (ledger.changed(after: number), all(ledger, after: number))
        #expect(found == wanted)
    }

    private func changed(_ ledger: inout Ledger, after number: UInt32) -> [UInt32] {
        ledger.changed(after: number)
    }
    private func seal(_ ledger: inout Ledger) -> UInt32 { ledger.seal() }

    @Test func areThoseThatALookAtEveryRecordFinds() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20 {
            var ledger = Ledger()
            var seen: [UInt32] = [0]
            for _ in 0..<400 {
                switch UInt8.random(in: 0..<20, using: &random) {
                case 0:
                    _ = ledger.changed(after: seen.randomElement(using: &random)!)
                    seen.append(ledger.seal())
                case 1 where ledger.records.count > 3:
                    _ = ledger.forget([0, 2])
                default: note(&ledger, Int.random(in: 0..<120, using: &random))
                }
                let number = seen.randomElement(using: &random)!
                expectChanges(&ledger, after: number)
            }
        }
    }

    /// More than are noted: the older half goes, and whoever has seen less gets all there is.
    @Test func areFoundBeyondWhatIsNoted() {
        var ledger = Ledger()
        note(&ledger, 0)
        let first = ledger.seal()
        #expect(changed(&ledger, after: first) == [])
        for number in 1...(FollowedChanges.most / 2) { note(&ledger, number) }
        let second = ledger.seal()
        for number in 0...(FollowedChanges.most / 2) { note(&ledger, number) }
        let third = ledger.seal()
        note(&ledger, 5)
        #expect(ledger.followed.positions(after: first) == nil)
        #expect(ledger.followed.positions(after: third) == [5])
        for number in [0, first, second, third] { expectChanges(&ledger, after: number) }
    }

    /// Who asks for ever while nothing happens must not use up the numbers that a restart leaves out.
    @Test func askingUsesUpNoNumber() {
        var ledger = Ledger()
        note(&ledger, 1)
        let first = ledger.seal()
        #expect(first == 1)
        for _ in 0..<5000 {
            let (sealed, found) = (ledger.seal(), ledger.changed(after: first))
            #expect(sealed == first && found == [])
        }
        note(&ledger, 1)
        #expect(changed(&ledger, after: first) == [0])
        #expect(seal(&ledger) == first + 1)
        ledger.gaps.append(Gap(source: "s", cause: "c", from: 1, to: 2, lost: 3))
        let news = ledger.gapsChanged(after: first + 1)
        let sealed = ledger.seal()
        let (known, begun) = (ledger.gapsChanged(after: sealed), ledger.gapsChanged(after: .max))
        #expect(news && !known)
        #expect(begun, "who begins with what comes has to know the gaps")
    }

    @Test func aRunGoesOnCounting() {
        var ledger = Ledger()
        ledger.beginRun(numbering: 9)
        #expect(ledger.numbering == 9 && ledger.runAfter == 1024)
        note(&ledger, 1)
        let seen = ledger.seal()
        var next = Ledger()
        next.restore(numbering: 9)
        next.restore([], after: 0, change: seen)
        next.beginRun(numbering: 5)
        let hasGaps = next.gapsChanged(after: seen)
        #expect(next.numbering == 9 && next.runAfter > seen && hasGaps)
    }

    @Test func anAnswerHasOnlyWhatChanged() throws {
        var ledger = Ledger()
        for number in 0..<5 { note(&ledger, number) }
        ledger.gaps.append(Gap(source: "fanotify", cause: "queue overflow", from: 1, to: 2, lost: 3))
        _ = ledger.forget([1])
        let seen = ledger.seal()
        note(&ledger, 3)
        note(&ledger, 9)
        _ = ledger.forget([ledger.position(of: key(&ledger, 0))!])
        var header = DumpHeader()
        header.hostID = "h"
        header.changes = .init(current: UInt64(ledger.seal()), tombstonesAfter: 0, numbering: 4, runAfter: 2)
        var progress = DumpProgress(changesOf: &ledger, after: seen, header: header)
        #expect(progress.lineCount == 3)
        var bytes: [UInt8] = []
        _ = ledger.advance(&progress, most: .max) { bytes += $0 }
        let problems = try JSONSchema.recordFormat().problems(inDump: bytes)
        #expect(problems.isEmpty, "\(problems)")
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(#""contents":{"dependencies":2,"gaps":0,"tombstones":1}"#))
        #expect(text.split(separator: "\n").last?.contains(#""path":"/srv/0""#) == true)
        let read = try DumpContents(ndjson: bytes)
        #expect(read.header.changes == header.changes)
        let paths = read.ledger.records.map { record in
            String(decoding: read.ledger.texts.array(TextID(rawValue: record.key.object)), as: UTF8.self)
        }
        #expect(paths == ["/srv/3", "/srv/9"])
    }

    /// Whatever relation a tombstone is of, what went is known by it.
    @Test func tombstonesOfEveryRelationAreWhatWent() throws {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        let peer = ledger.intern(Program(executable: ledger.texts.intern("/bin/\"relation\":\"connect\"")))
        let end = ledger.intern(Endpoint(NetworkAddress(Array("10.0.0.1".utf8))!, port: 5))
        let keys: [RecordKey] = [
            .file(program, path: ledger.texts.intern("/srv/\"change\":1,")), .spawn(program, child: peer),
            .connect(program, .tcp, remote: end, peer: .unknown),
            .connect(program, .udp, remote: end, peer: peer),
            .accept(program, .tcp, local: end, remote: end, peer: peer), .listen(program, .tcp, local: end),
            .ipc(program, .pipe, name: ledger.texts.intern("7"), peer: peer),
        ]
        for key in keys { ledger.note(key, access: .opened, evidence: .exact, time: 1_000_000_000) }
        var before: [UInt8] = []
        ledger.writeNDJSON(header: DumpHeader()) { before += $0 }
        _ = ledger.forget(Array(keys.indices))
        var header = DumpHeader()
        header.changes = .init(current: UInt64(ledger.seal()), tombstonesAfter: 0)
        var bytes: [UInt8] = []
        ledger.writeNDJSON(header: header) { bytes += $0 }
        var lines = TombstoneLines()
        bytes.withUnsafeBytes { lines.feed($0) }
        let found = try Tombstones.asDump(lines.finish(), header)
        let names = { (ledger: borrowing Ledger) in
            ledger.records.map { record in
                "\(record.key.relation) \(record.key.detail) "
                    + [record.key.program, record.key.peer].map { program in
                        program == .unknown
                            ? ""
                            : String(decoding: ledger.texts.array(ledger[program].executable), as: UTF8.self)
                    }.joined(separator: " ")
            }
        }
        #expect(names(found.ledger) == names(try DumpContents(ndjson: before).ledger))
        #expect(found.ledger.records.count == keys.count)
    }

    /// What a later line says stands in place of what was known, where `restore` would add them up.
    @Test func aLaterLineReplacesAnEarlier() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        let remote = ledger.intern(Endpoint(NetworkAddress(Array("10.0.0.1".utf8))!, port: 5))
        var record = Record(
            .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .snapshot, time: 5)
        record.count = 2
        let first = ledger.replace(record, traffic: Traffic(sent: 5, received: 6))
        #expect(first.before == nil)
        record.count = 3
        record.last = 9
        let put = ledger.replace(record, traffic: Traffic(sent: 7, received: 8))
        #expect(put.position == 0 && put.before?.count == 2)
        #expect(ledger.records[0].count == 3 && ledger.records[0].last == 9 && ledger.dirty == [])
        let traffic = ledger.traffic(of: 0)
        #expect(traffic == Traffic(sent: 7, received: 8))
        let file = Record(.file(program, path: ledger.texts.intern("/srv")), evidence: .exact, time: 5)
        ledger.replace(file, fold: Fold(paths: 3))
        let folded = ledger.fold(of: 1)
        #expect(folded?.paths == 3)
        ledger.replace(file)
        let plain = ledger.fold(of: 1)
        #expect(plain == nil && ledger.records.count == 2)
    }
}
