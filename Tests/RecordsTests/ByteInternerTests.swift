import TestSupport
import Testing

@testable import Records

@Suite struct ByteInternerTests {
    @Test func keepsEachStringOnce() {
        var interner = ByteInterner()
        let first = interner.intern("/etc/passwd")
        #expect(first.rawValue == 1)
        #expect(interner.intern("/etc/group").rawValue == 2)
        #expect(interner.intern("/etc/passwd") == first)
        #expect(interner.count == 2)
        #expect(interner.array(first) == Array("/etc/passwd".utf8))
        #expect(interner.byteCount == 21)
    }

    @Test func noneIsEmptyAndTheEmptyStringIsAString() {
        var interner = ByteInterner()
        #expect(interner.array(.none).isEmpty)
        let isNoneEmpty = interner.isEmpty(.none)
        #expect(isNoneEmpty)
        let empty = interner.intern([])
        #expect(empty != .none)
        #expect(interner.intern("") == empty)
        #expect(interner.array(empty).isEmpty)
        #expect(interner.intern([0]) != empty)
    }

    /// Against a dictionary: any bytes, many that differ in little, and several growths of the table.
    @Test(arguments: 1...4) func agreesWithADictionary(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var interner = ByteInterner()
        var model: [[UInt8]: UInt32] = [:]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...20, using: &random)
            let letters: ClosedRange<UInt8> = seed % 2 == 0 ? 0...255 : 0...1
            let text = (0..<count).map { _ in UInt8.random(in: letters, using: &random) }
            let number = interner.intern(text)
            if let known = model[text] {
                #expect(number.rawValue == known)
            } else {
                #expect(number.rawValue == UInt32(model.count + 1))
                model[text] = number.rawValue
            }
        }
        #expect(interner.count == model.count)
        for (text, number) in model { #expect(interner.array(TextID(rawValue: number)) == text) }
    }
}
