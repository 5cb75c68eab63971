import TestSupport
import Testing

@testable import Records

/// Damaged dumps: an error or a dump, never a trap; and a dump that is read can be written and read again.
@Suite struct DumpFuzzTests {
    private func survives(_ bytes: [UInt8]) throws -> Bool {
        var reader = DumpReader()
        do { try reader.feed(bytes) } catch { return false }
        guard let contents = try? reader.finish() else { return false }
        let written = contents.ledger.ndjson(contents.header)
        let again = try DumpContents(ndjson: written)
        #expect(again.ledger.ndjson(again.header) == written)
        return true
    }

    @Test(arguments: 1...40) func mutatedDumps(seed: Int) throws {
        var maker = RandomLedger(seed: UInt64(seed) &* 7919)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 12)
        let dump = ledger.ndjson(maker.header())
        let lines = dump.split(separator: 0x0a).map(Array.init)
        var accepted = 0
        for _ in 0..<150 {
            var bytes = dump
            for _ in 0..<Int.random(in: 1...4, using: &maker.random) { mutate(&bytes, lines, &maker.random) }
            if try survives(bytes) { accepted += 1 }
        }
        // The mutations must be neither all harmless nor all caught at the first line.
        #expect(accepted < 150)
    }

    @Test func noise() throws {
        var random = SeededGenerator(seed: 99)
        let marks =
            Array("{}[]\",:\\u0123456789eE+-.truefalsn \n\r\t".utf8) + [0xff, 0xed, 0xa0, 0xc3, 0x80, 0]
        for _ in 0..<5000 {
            let noise = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                marks.randomElement(using: &random)!
            }
            _ = try survives(noise)
            _ = try? JSONValue(parsing: noise)
        }
    }

    /// Every dump that is cut off reads as far as it goes or is refused.
    @Test func cutAnywhere() throws {
        var maker = RandomLedger(seed: 8)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 6)
        let dump = ledger.ndjson(maker.header())
        for end in 0..<dump.count { _ = try survives(Array(dump[..<end])) }
    }
}

/// Damages a dump at one place.
func mutate(_ bytes: inout [UInt8], _ lines: [[UInt8]], _ random: inout SeededGenerator) {
    let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
    guard place < bytes.count else { return }
    switch Int.random(in: 0...7, using: &random) {
    case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
    case 2: bytes.remove(at: place)
    case 3: bytes.insert(Array("{}[]\",:\\\n0-".utf8).randomElement(using: &random)!, at: place)
    case 4: bytes.removeSubrange(place..<min(place + Int.random(in: 1...50, using: &random), bytes.count))
    case 5:
        let other = lines.randomElement(using: &random)!
        bytes.insert(contentsOf: other + [0x0a], at: place)
    case 6:
        let end = min(place + Int.random(in: 1...30, using: &random), bytes.count)
        bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
    default:
        // Another number: very long, negative, or broken.
        guard let digit = bytes[place...].firstIndex(where: { (0x30...0x39).contains($0) }) else {
            return
        }
        let numbers = ["18446744073709551616", "-1", "1e9", "0.5", "00", "18446744073709551615"]
        bytes.replaceSubrange(digit...digit, with: Array(numbers.randomElement(using: &random)!.utf8))
    }
}
