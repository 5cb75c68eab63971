import TestSupport
import Testing

@testable import Text

/// Looking at eight bytes at a time finds what looking at one after the other does.
@Suite struct EightBytesTests {
    private func word(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { $0.eight(at: 0) } }

    @Test func digits() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<20_000 {
            var bytes = (0..<8).map { _ in UInt8.random(in: 0x30...0x39, using: &random) }
            if Bool.random(using: &random) {
                bytes[Int.random(in: 0..<8, using: &random)] = .random(in: 0...255, using: &random)
            }
            let digits = bytes.prefix { (0x30...0x39).contains($0) }
            #expect(EightBytes.digitCount(word(bytes)) == digits.count)
            if !digits.isEmpty {
                let number = EightBytes.number(word(bytes), digits: digits.count)
                #expect(number == UInt64(String(decoding: digits, as: UTF8.self)))
            }
        }
    }

    /// Bytes of which some are, and some are nearly, what ends a search.
    private func noise(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        let rare: [UInt8] = [
            0x1f, 0x20, 0x21, 0x22, 0x23, 0x2e, 0x2f, 0x30, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xaf, 0xff, 0,
        ]
        return (0..<count).map { _ in
            Int.random(in: 0..<6, using: &random) == 0 ? rare.randomElement(using: &random)! : 0x61
        }
    }

    @Test func searches() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<20_000 {
            let bytes = noise(Int.random(in: 0...40, using: &random), &random)
            let start = Int.random(in: 0...bytes.count, using: &random)
            let isPlain = { (byte: UInt8) in byte >= 0x20 && byte != 0x22 && byte != 0x5c && byte < 0x80 }
            bytes.withUnsafeBytes { raw in
                #expect(
                    raw.endOfPlain(from: start) == bytes[start...].firstIndex { !isPlain($0) } ?? bytes.count)
                #expect(raw.first(0x2f, from: start) == bytes[start...].firstIndex(of: 0x2f))
                #expect(raw.last(0x2f) == bytes.lastIndex(of: 0x2f))
            }
        }
    }

    @Test func comparesAllBytesAndNoOther() {
        for count in 0...40 {
            let bytes = (0..<count).map { UInt8($0) } + [1]
            var other = bytes
            other[count] = 2
            #expect(
                bytes.withUnsafeBytes { one in
                    other.withUnsafeBytes { one.baseAddress!.equals($0.baseAddress!, count: count) }
                })
            for place in 0..<count {
                other = bytes
                other[place] ^= 0x80
                #expect(
                    !bytes.withUnsafeBytes { one in
                        other.withUnsafeBytes { one.baseAddress!.equals($0.baseAddress!, count: count) }
                    })
            }
        }
    }

    @Test func growingBytesAreAnArray() {
        var random = SeededGenerator(seed: 5)
        var bytes = GrowingBytes()
        var array: [UInt8] = []
        for step in 0..<3000 {
            let more = noise(Int.random(in: 0...2000, using: &random), &random)
            more.withUnsafeBytes { bytes.append($0) }
            array += more
            switch step % 500 {
            case 99 where array.count > 10:
                bytes.move(7..<array.count, to: 3)
                bytes.shorten(to: array.count - 4)
                array.removeSubrange(3..<7)
            case 199:
                bytes.shorten(to: array.count / 3)
                array.removeLast(array.count - array.count / 3)
            case 299: bytes.reserve(array.count * 2)
            case 399 where step < 500:
                bytes.removeAll()
                array = []
            default: break
            }
            if step % 50 == 49 || step % 100 == 0 {
                #expect(bytes.withUnsafeBytes { Array($0) } == array)
            }
        }
        let (count, capacity) = (bytes.count, bytes.capacity)
        #expect(count == array.count)
        #expect(capacity >= count)
    }
}
