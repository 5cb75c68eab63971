import Testing
import Wire

@Suite struct RawSpanTests {
    private static let bytes: [UInt8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff]

    private func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ offset: Int, _ type: Value.Type = Value.self, in bytes: [UInt8] = RawSpanTests.bytes
    ) throws(WireError) -> Value { try bytes.span.bytes.integer(at: offset) }

    /// The machine's order, as the kernel writes: here the low byte first.
    @Test func integersOfEveryWidth() throws {
        #expect(try integer(0, UInt8.self) == 0x01)
        #expect(try integer(0, UInt16.self) == UInt16(littleEndian: 0x2301))
        #expect(try integer(0, UInt32.self) == UInt32(littleEndian: 0x6745_2301))
        #expect(try integer(0, UInt64.self) == UInt64(littleEndian: 0xefcd_ab89_6745_2301))
        #expect(try integer(8, Int8.self) == -1)
        #expect(try integer(0, Int32.self, in: [0xff, 0xff, 0xff, 0xff]) == -1)
        #expect(try integer(0, Int64.self, in: [UInt8](repeating: 0xff, count: 8)) == -1)
    }

    @Test func integersAtOddOffsets() throws {
        #expect(try integer(1, UInt16.self) == UInt16(littleEndian: 0x4523))
        #expect(try integer(3, UInt32.self) == UInt32(littleEndian: 0xcdab_8967))
        #expect(try integer(1, UInt64.self) == UInt64(littleEndian: 0xffef_cdab_8967_4523))
    }

    @Test(arguments: [9, 10, 1 << 40, .max, -1, .min])
    func integersPastTheEnd(offset: Int) {
        #expect(throws: WireError.truncated(offset: offset)) { try integer(offset, UInt8.self) }
        #expect(throws: WireError.truncated(offset: offset)) { try integer(offset, UInt64.self) }
    }

    @Test func integersThatBeginInsideAndEndOutside() throws {
        #expect(throws: WireError.truncated(offset: 8)) { try integer(8, UInt16.self) }
        #expect(throws: WireError.truncated(offset: 6)) { try integer(6, UInt32.self) }
        #expect(throws: WireError.truncated(offset: 2)) { try integer(2, UInt64.self) }
        #expect(throws: WireError.truncated(offset: 0)) { try integer(0, UInt8.self, in: []) }
        #expect(throws: WireError.truncated(offset: 0)) { try integer(0, UInt64.self, in: [1, 2, 3]) }
    }

    private func end(_ count: Int, _ offset: Int) throws(WireError) -> Int {
        try Self.bytes.span.bytes.end(of: count, from: offset)
    }

    @Test func endsInside() throws {
        #expect(try end(0, 0) == 0)
        #expect(try end(9, 0) == 9)
        #expect(try end(4, 5) == 9)
        #expect(try end(0, 9) == 9)
    }

    /// No sum of two hostile numbers may overflow.
    @Test(arguments: [
        (10, 0), (1, 9), (0, 10), (-1, 0), (-1, 5), (0, -1), (.max, 1), (1, .max), (.max, .max), (.min, 9),
    ])
    func endsOutside(count: Int, offset: Int) {
        #expect(throws: WireError.truncated(offset: offset)) { try end(count, offset) }
    }

    private func copy(_ range: Range<Int>) throws(WireError) -> [UInt8] {
        try Self.bytes.span.bytes.copy(range)
    }

    @Test func copies() throws {
        #expect(try copy(0..<9) == Self.bytes)
        #expect(try copy(2..<4) == [0x45, 0x67])
        #expect(try copy(9..<9) == [])
        #expect(throws: WireError.truncated(offset: 5)) { try copy(5..<10) }
        #expect(throws: WireError.truncated(offset: -1)) { try copy(-1..<2) }
        #expect(throws: WireError.truncated(offset: 10)) { try copy(10..<10) }
        #expect(throws: WireError.truncated(offset: 0)) { try copy(0..<Int.max) }
    }
}
