import Records
import TestSupport
import Testing

/// What is remembered from one line to the next must not show.
@Suite struct ReferenceDumpTests {
    private func compare(_ ledger: borrowing Ledger, _ header: DumpHeader, chunk: Int) {
        let bytes = ledger.ndjson(header, chunk: chunk)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let expected = ReferenceDump.lines(ledger, host: header.hostID)
        let gaps = ledger.gaps.count
        #expect(lines.count == 1 + expected.count + gaps + 1)
        let first = zip(lines.dropFirst(), expected).first { !$0.elementsEqual($1.utf8) }
        #expect(first.map { String(decoding: $0.0, as: UTF8.self) } == first?.1)
    }

    /// More programs than there are places for their texts, and times in any order.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7] as [UInt64])
    func linesAreThoseOfAPlainWriter(seed: UInt64) {
        var ledger = Ledger()
        var random = RandomLedger(seed: seed)
        random.fill(&ledger, observations: seed == 1 ? 20 : 2500)
        var header = random.header()
        header.hostID = "a \"host\" ø"
        compare(ledger, header, chunk: [1, 100, 4096, 256 << 10][Int(seed) % 4])
    }

    /// Texts about as long as the room kept for them, next to others that take the same place.
    @Test func longPrograms() {
        var ledger = Ledger()
        for length in [1, 7, 8, 9, 480, 486, 487, 488, 489, 500, 4095] {
            for letter in [0x61, 0x0a, 0xff] as [UInt8] {
                let name = ledger.texts.intern([UInt8](repeating: letter, count: length))
                let program = ledger.intern(Program(executable: name))
                ledger.note(.file(program, path: name), evidence: .exact, time: UInt64(length))
            }
        }
        let first = ProgramID(rawValue: 1)
        for number in 0..<600 as Range<UInt32> {
            let name = ledger.texts.intern("/bin/\(number)")
            let program = ledger.intern(Program(executable: name))
            ledger.note(.spawn(first, child: program), evidence: .exact, time: 1)
            ledger.note(.spawn(program, child: first), evidence: .exact, time: 2)
        }
        compare(ledger, DumpHeader(), chunk: 1000)
    }

    /// Times beside a second's, a day's and a year's end, there and back.
    @Test func timesAroundEnds() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        let ends: [UInt64] = [1, 60, 3600, 86_400, 951_782_400, 951_868_800, 1_735_689_600, 18_446_744_073]
        let steps: [Int64] = [0, -1, 1, -1_000_000, 1_000_000, -1_000_000_000, -86_400_000_000]
        for end in ends + ends.reversed() {
            for step in steps {
                let (time, overflow) = (end * 1_000_000_000).addingReportingOverflow(
                    UInt64(bitPattern: step))
                if overflow != (step < 0) { continue }
                let path = ledger.texts.intern("/\(ledger.records.count)")
                ledger.note(.file(program, path: path), evidence: .exact, time: time)
                ledger.note(.file(program, path: path), evidence: .exact, time: end * 1_000_000_000)
            }
        }
        let count = ledger.records.count
        #expect(count > 100)
        compare(ledger, DumpHeader(), chunk: 256 << 10)
    }
}
