import TestSupport
import Testing

@testable import Records

/// What is forgotten is gone with all that only it needed; everything else is as it was.
@Suite struct ForgetTests {
    /// The dependencies' lines, without the change numbers.
    private func lines(_ ledger: borrowing Ledger) -> [String] {
        String(decoding: ledger.ndjson(DumpHeader()), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix(#"{"type":"dependency""#) }.map(String.init)
    }

    @Test(arguments: 1...20) func everythingElseStays(seed: Int) {
        var maker = RandomLedger(seed: UInt64(seed) + 300)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 300)
        let before = lines(ledger)
        var gone: [Int] = []
        for position in ledger.records.indices where Int.random(in: 0...2, using: &maker.random) == 0 {
            gone.append(position)
        }
        let keys = gone.map { ledger.records[$0].key }
        let program = keys[0].program
        let name = ledger.texts.array(ledger[program].executable)
        let change = ledger.forget(gone)
        let kept = before.indices.filter { !gone.contains($0) }
        #expect(lines(ledger) == kept.map { before[$0] })
        #expect(kept.map { change.position($0) } == kept.indices.map { $0 })
        #expect(gone.allSatisfy { change.position($0) == nil })
        #expect(ledger.tombstones.count == gone.count)
        #expect(ledger.texts.array(ledger[change(program)].executable) == name)
        // Every number leads to what it did.
        for (position, record) in ledger.records.enumerated() {
            #expect(ledger.position(of: record.key) == position)
        }
        let counts = (ledger.texts.count, ledger.programs.count, ledger.endpoints.count)
        for number in ledger.programs.indices.dropFirst() {
            #expect(ledger.intern(ledger.programs[number]).rawValue == UInt32(number))
        }
        for number in ledger.endpoints.indices.dropFirst() {
            #expect(ledger.intern(ledger.endpoints[number]).rawValue == UInt32(number))
        }
        for number in 1...ledger.texts.count {
            let text = TextID(rawValue: UInt32(number))
            #expect(ledger.texts.intern(ledger.texts.array(text)) == text)
        }
        #expect(counts == (ledger.texts.count, ledger.programs.count, ledger.endpoints.count))
        // Without the tombstones nothing is left of what went.
        ledger.dropTombstones()
        _ = ledger.forget([])
        var fresh = Ledger()
        for position in ledger.records.indices { copy(position, of: ledger, to: &fresh) }
        #expect(lines(fresh) == lines(ledger))
        #expect(fresh.texts.count == ledger.texts.count && fresh.texts.byteCount == ledger.texts.byteCount)
        #expect(
            fresh.programs.count == ledger.programs.count && fresh.endpoints.count == ledger.endpoints.count)
        // And all can be forgotten.
        _ = ledger.forget(Array(ledger.records.indices))
        ledger.dropTombstones()
        _ = ledger.forget([])
        #expect(ledger.records.isEmpty && ledger.texts.count == 0 && ledger.programs.count == 1)
        maker.fill(&ledger, observations: 100)
        #expect(lines(ledger).count == ledger.records.count)
    }

    /// Copies a record by its names.
    private func copy(_ position: Int, of ledger: borrowing Ledger, to other: inout Ledger) {
        var record = ledger.records[position]
        func text(_ number: TextID) -> TextID {
            number == .none ? .none : other.texts.intern(ledger.texts.array(number))
        }
        func program(_ number: ProgramID) -> ProgramID {
            if number == .unknown { return number }
            let found = ledger[number]
            return other.intern(
                Program(
                    executable: text(found.executable), script: text(found.script),
                    workload: text(found.workload)))
        }
        record.key.program = program(record.key.program)
        record.key.peer = program(record.key.peer)
        switch record.key.relation {
        case .file, .ipc: record.key.object = text(TextID(rawValue: record.key.object)).rawValue
        case .spawn: record.key.object = program(ProgramID(rawValue: record.key.object)).rawValue
        case .connect, .accept, .listen:
            record.key.object = other.intern(ledger.endpoints[Int(record.key.object)]).rawValue
            if record.key.relation == .accept {
                record.key.remote = other.intern(ledger.endpoints[Int(record.key.remote)]).rawValue
            }
        }
        other.restore(record, traffic: ledger.traffic(of: position), fold: ledger.fold(of: position))
    }

    // MARK: Changes

    @Test func changesRiseFromOneShownStateToTheNext() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        func key(_ path: String) -> RecordKey { .file(program, path: ledger.texts.intern(path)) }
        let keys = ["/1", "/2", "/3"].map { key($0) }
        for key in keys { ledger.note(key, access: .opened, evidence: .exact, time: 1) }
        #expect(ledger.records.map(\.change) == [1, 1, 1])
        ledger.beginChange()
        ledger.note(keys[1], evidence: .exact, time: 2)
        // What says nothing new changes nothing.
        ledger.note(keys[2], access: .opened, evidence: .exact, time: 2, count: 0)
        #expect(ledger.records.map(\.change) == [1, 2, 1])
        ledger.beginChange()
        ledger.fold(at: 0)
        #expect(ledger.records.map(\.change) == [3, 2, 1])
        _ = ledger.forget([1])
        #expect(ledger.tombstones.map(\.change) == [4] && ledger.records.map(\.change) == [3, 1])
        ledger.note(key("/2"), evidence: .exact, time: 3)
        #expect(ledger.records.last?.change == 5)
        ledger.skipChanges(.max)
        ledger.beginChange()
        #expect(ledger.change == .max)
    }

    /// Whole changes are kept, as many as there is room for, and where the list begins is said.
    @Test func tombstonesAreBounded() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        func fill(_ count: Int) {
            for number in 0..<count {
                ledger.note(
                    .file(program, path: ledger.texts.intern("/\(number)")), evidence: .exact, time: 1)
            }
        }
        func forgetAll() { _ = ledger.forget(Array(ledger.records.indices)) }
        for count in [3000, 3000, 2000] {
            fill(count)
            forgetAll()
        }
        #expect(ledger.tombstones.count == 8000 && ledger.tombstonesAfter == 0)
        let changes = Set(ledger.tombstones.map(\.change)).sorted()
        #expect(changes.count == 3)
        fill(500)
        forgetAll()
        #expect(ledger.tombstones.count == 5500 && ledger.tombstonesAfter == changes[0])
        #expect(ledger.tombstones.allSatisfy { $0.change > changes[0] })
        fill(Ledger.mostTombstones + 1)
        forgetAll()
        #expect(ledger.tombstones.isEmpty && ledger.tombstonesAfter > changes[2])
        #expect(ledger.tombstonesAfter < ledger.change)
    }

    // MARK: Folds

    @Test func aFolderThatHoldsFoldedOnesIsTakenTogetherLater() throws {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        for folder in 0..<10 {
            for file in 0..<10 {
                let path = ledger.texts.intern("/srv/\(folder)/\(file)")
                ledger.note(
                    .file(program, path: path), access: file == 3 ? [.opened, .written] : .opened,
                    evidence: .exact, time: UInt64(100 - folder), count: 2)
            }
        }
        for number in 0..<20 {
            let path = ledger.texts.intern("/\(number)")
            ledger.note(.file(program, path: path), access: .opened, evidence: .exact, time: 1)
        }
        let first = ledger.collapse(freeing: .max)
        #expect(first.count == 100)
        _ = ledger.forget(first)
        // What lies in the root stays, however much it is.
        #expect(ledger.records.count == 30)
        #expect(ledger.records[20...].allSatisfy { $0.isFolded && $0.count == 20 && $0.kind == .directory })
        let second = ledger.collapse(freeing: .max)
        _ = ledger.forget(second)
        #expect(ledger.records.count == 21)
        let record = try #require(ledger.records.last)
        #expect(ledger.texts.array(TextID(rawValue: record.key.object)) == Array("/srv".utf8))
        #expect(record.count == 200 && record.first == 91 && record.last == 100)
        #expect(record.access == [.opened, .written])
        let names = (0..<10).map { Array("\($0)/3".utf8) }
        #expect(ledger.fold(of: 20) == Fold(paths: 100, names: names))
        let below = RecordKey.file(program, path: ledger.texts.intern("/srv/new/one"))
        #expect(ledger.foldAbove(below) == 20)
        #expect(ledger.collapse(freeing: .max).isEmpty)
    }

    /// Executed files say what a program is; what is no file or directory is the end of something.
    @Test func whatIsExecutedOrNoFileStays() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        for number in 0..<20 {
            func key(_ folder: String) -> RecordKey {
                .file(program, path: ledger.texts.intern("/\(folder)/\(number)"))
            }
            ledger.note(key("bin"), access: [.opened, .executed], evidence: .exact, time: 1)
            for (folder, kind) in [
                ("dev", FileKind.char), ("run", .socket), ("var", .fifo), ("disk", .block),
            ] {
                ledger.note(key(folder), access: .opened, kind: kind, evidence: .exact, time: 1)
            }
            ledger.note(
                .ipc(program, .unix, name: key("ipc").path, peer: .unknown), evidence: .exact, time: 1)
        }
        #expect(ledger.collapse(freeing: .max).isEmpty)
    }

    /// Only as much as is asked for, the largest groups first.
    @Test func theLargestFoldersGoFirst() {
        var ledger = Ledger()
        let programs = ["/a", "/b"].map { ledger.intern(Program(executable: ledger.texts.intern($0))) }
        for (index, count) in [7, 100, 50].enumerated() {
            for number in 0..<count {
                let path = ledger.texts.intern("/f\(index)/\(number)")
                ledger.note(.file(programs[number % 2], path: path), evidence: .exact, time: 1)
            }
        }
        #expect(ledger.collapse(freeing: 60).count == 100)
    }

    /// Names come back from a dump, those that are not UTF-8 byte for byte; so they are bounded.
    @Test func namesOfAFoldComeBack() throws {
        var fold = Fold(paths: 3)
        for number in 0..<40 { fold.add(Array("n\(number)".utf8) + (number == 1 ? [0xff] : [])) }
        fold.add([])
        fold.add(Array("n0".utf8))
        #expect(fold.names.count == Fold.mostNames)
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        let key = RecordKey.file(program, path: ledger.texts.intern("/srv"))
        var record = Record(key, evidence: .exact, time: 1)
        record.count = 1
        record.access = .written
        ledger.restore(record, fold: fold)
        let dump = ledger.ndjson(DumpHeader())
        #expect(try DumpContents(ndjson: dump).ledger.fold(of: 0) == fold)
        #expect(try JSONSchema.recordFormat().problems(inDump: dump) == [])
    }

    // MARK: The dump

    @Test(arguments: 1...5) func tombstonesAreLines(seed: Int) throws {
        var maker = RandomLedger(seed: UInt64(seed) + 900)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 300)
        maker.forget(&ledger, percent: 40)
        maker.fill(&ledger, observations: 20)
        #expect(Set(ledger.tombstones.map(\.key.relation)) == Set(Relation.allCases))
        var header = maker.header()
        header.changes = .init(
            current: UInt64(ledger.change), tombstonesAfter: UInt64(ledger.tombstonesAfter))
        let dump = ledger.ndjson(header)
        #expect(try JSONSchema.recordFormat().problems(inDump: dump) == [])
        let read = try DumpContents(ndjson: dump)
        #expect(read.header.contents?.tombstones == UInt64(ledger.tombstones.count))
        #expect(read.header.changes == header.changes)
        #expect(read.ledger.records.count == ledger.records.count)
        // The keys of the dependency that went, in its words.
        var last = Ledger()
        let program = last.intern(Program(executable: last.texts.intern("/a")))
        last.note(.file(program, path: last.texts.intern("/b")), access: .opened, evidence: .exact, time: 1)
        _ = last.forget([0])
        let line = String(decoding: last.ndjson(DumpHeader()), as: UTF8.self).split(separator: "\n").last
        #expect(
            line
                == #"{"type":"tombstone","host":"","program":{"executable":"/a"},"relation":"file","path":"/b","change":2}"#
        )
    }
}

extension RecordKey {
    fileprivate var path: TextID { TextID(rawValue: object) }
}
