import Records
import TestSupport
import Testing

@testable import SeedForm

/// Damaged files: an error or a list, never a trap, and the same in whatever pieces they come.
@Suite("Damaged records")
struct SeedFuzzTests {
    private enum Outcome: Equatable {
        case list([UInt8], bad: UInt64, first: BadLine?, cutOff: Bool, records: UInt64)
        case error(SeedError)
    }

    private func outcome(_ bytes: [UInt8], lenient: Bool, piece: Int) -> Outcome {
        do throws(SeedError) {
            let file = RecordFile("10.0.0.1", bytes)
            let built = try build([file], skipsBadLines: lenient, namesUnknown: true, piece: piece)
            let summary = built.summaries[0]
            return .list(
                built.records, bad: summary.badLines, first: summary.firstBadLine,
                cutOff: summary.endsWithoutNewline, records: built.statistics.records)
        } catch {
            return .error(error)
        }
    }

    /// - Returns: whether every line was a record.
    private func survives(_ bytes: [UInt8], _ random: inout SeededGenerator) -> Bool {
        let piece = Int.random(in: 1...40, using: &random)
        let strict = outcome(bytes, lenient: false, piece: .max)
        let lenient = outcome(bytes, lenient: true, piece: .max)
        #expect(outcome(bytes, lenient: false, piece: piece) == strict)
        #expect(outcome(bytes, lenient: true, piece: piece) == lenient)
        guard case .list(_, let bad, let first, _, _) = lenient else {
            Issue.record("leniently read, a file whose machine is named has no error")
            return false
        }
        do throws(SeedError) {
            let records = try SeedRecord.read(bytes)
            #expect(bad == 0)
            #expect(lenient == strict)
            let again = try SeedRecord.read(records.csv)
            #expect(again == records)
            return true
        } catch {
            #expect(error == first.map { .badLine($0) })
            #expect(.error(error) == strict)
            return false
        }
    }

    @Test(arguments: 1...50) func mutatedFiles(seed: Int) {
        var maker = RandomRecords(seed: UInt64(seed) &* 7919)
        let file = maker.records(of: RandomRecords.addresses[0], count: 12, pids: 4).csv
        var whole = 0
        for _ in 0..<100 {
            var bytes = file
            for _ in 0..<Int.random(in: 1...3, using: &maker.random) { mutate(&bytes, &maker.random) }
            if survives(bytes, &maker.random) { whole += 1 }
        }
        // The mutations must be neither all harmless nor all noticed.
        #expect(whole > 0 && whole < 100)
    }

    @Test func cutAnywhere() {
        var maker = RandomRecords(seed: 5)
        let file = maker.records(of: RandomRecords.addresses[0], count: 30, pids: 4).csv
        for end in 0...file.count { _ = survives(Array(file[..<end]), &maker.random) }
    }

    @Test func noise() {
        var random = SeededGenerator(seed: 99)
        let words =
            [
                "open,", "fork,", "exec,", "accept,", "connect,", "10.0.0.1,", "::1,", "1,", "r\n", "\"",
                "\n", "\r\n",
                "\"\"", "/a", "99999999999", "\r", ",", SeedRecord.header + "\n", "\0", "fork,1,2\n",
            ].map { Array($0.utf8) } + [[0xff], [0xc3]]
        for _ in 0..<8000 {
            let noise = (0..<Int.random(in: 0...12, using: &random)).flatMap { _ in
                words.randomElement(using: &random) ?? []
            }
            _ = survives(noise, &random)
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
        guard place < bytes.count else { return }
        let marks = Array("\",\n\r0r".utf8)
        switch Int.random(in: 0...5, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 2: bytes.remove(at: place)
        case 3: bytes.insert(marks.randomElement(using: &random) ?? 0, at: place)
        case 4:
            let end = min(place + Int.random(in: 1...30, using: &random), bytes.count)
            bytes.removeSubrange(place..<end)
        default:
            let end = min(place + Int.random(in: 1...30, using: &random), bytes.count)
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
        }
    }
}
