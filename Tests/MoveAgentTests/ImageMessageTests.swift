import TestSupport
import Testing

@testable import MoveAgent

@Suite("Messages of CRIU's images")
struct ImageMessageTests {
    /// Fields of each kind: 1 a number, 2 bytes, 3 of eight bytes, 4 of four, 2 again.
    private static let good = hex(
        """
        08 ac 02                    // 1: 300
        12 03 61 62 63              // 2: abc
        19 01 02 03 04 05 06 07 08  // 3: eight bytes
        25 09 0a 0b 0c              // 4: four bytes
        12 02 08 07                 // 2: a message, 1: 7
        """)

    @Test func fieldsAreRead() throws {
        let message = try #require(ImageMessage(Self.good[...]))
        #expect(message.fields.map(\.number) == [1, 2, 3, 4, 2])
        #expect(message[1] == 300)
        #expect(message.content(2).map { Array($0) } == [Array("abc".utf8), [8, 7]])
        // Of a field that is there several times the last counts.
        #expect(message.message(2)?[1] == 7)
        #expect(message.fields[2].value == .fixed([1, 2, 3, 4, 5, 6, 7, 8]))
        #expect(message.fields[3].value == .fixed([9, 10, 11, 12]))
        // What has another kind is no number, and no message.
        #expect(message[2] == nil && message[3] == nil && message[5] == nil)
        #expect(message.content(1).isEmpty && message.message(3) == nil)
    }

    @Test func whatIsNotReplacedStaysAsItIs() throws {
        var message = try #require(ImageMessage(Self.good[...]))
        #expect(message.bytes == Self.good)
        message[1] = 1
        message[9] = 4
        message[2] = 4
        #expect(message.bytes == [8, 1] + Self.good.dropFirst(3))
        var inner = try #require(message.message(2))
        inner[1] = .max
        message.replace(2, with: inner)
        message.replace(9, with: inner)
        let changed = try #require(ImageMessage(message.bytes[...]))
        #expect(changed.message(2)?[1] == .max)
        #expect(changed.content(2).first.map { Array($0) } == Array("abc".utf8))
    }

    /// What is read is what would be replaced.
    @Test(arguments: [[0x12, 2, 8, 7, 0x12, 1, 8], [0x12, 2, 8, 7, 0x10, 4]] as [[UInt8]])
    func theLastFieldIsNoMessage(bytes: [UInt8]) throws {
        let message = try #require(ImageMessage(bytes[...]))
        #expect(message.message(2) == nil)
        #expect(message.messages(2).count == 1)
    }

    @Test func numbersOfAllLengths() throws {
        for shift in 0..<64 {
            for number in [UInt64(1) << UInt64(shift), (UInt64(1) << UInt64(shift)) - 1] {
                var message = try #require(ImageMessage([8, 0]))
                message[1] = number
                #expect(ImageMessage(message.bytes[...])?[1] == number)
            }
        }
        // Minus one, as CRIU writes negative numbers: ten bytes, the most that there are.
        let ten: [UInt8] = [8] + Array(repeating: 0xff, count: 9) + [1]
        #expect(ImageMessage(ten[...])?[1] == .max)
        let eleven: [UInt8] = [8] + Array(repeating: 0xff, count: 10) + [1]
        #expect(ImageMessage(eleven[...]) == nil)
    }

    @Test func bytesThatAreNoMessage() {
        let bad: [[UInt8]] = [
            [8], [8, 0x80],  // a number that is cut
            [0x12], [0x12, 4, 1, 2, 3],  // a length, and what it promises, that are cut
            [0x19, 1, 2, 3, 4, 5, 6, 7], [0x25, 1, 2, 3],
            // A length beyond all memory.
            [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            [0x0b], [0x0c], [0x0e], [0x0f],  // groups, and kinds that there are not
        ]
        for bytes in bad { #expect(ImageMessage(bytes[...]) == nil, "\(bytes)") }
        #expect(ImageMessage([])?.fields.isEmpty == true)
    }

    @Test func whatIsReadIsWrittenAgain() {
        var read = 0
        hostileMessages(from: [Self.good], count: 20_000, seed: 12) { bytes in
            guard let message = ImageMessage(bytes[...]) else { return }
            read += 1
            let again = message.bytes
            // Numbers have more than one form.
            #expect(again.count <= bytes.count)
            #expect(ImageMessage(again[...])?.bytes == again)
        }
        #expect(read > 100)
    }
}
