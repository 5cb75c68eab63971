import Glibc

/// Looking at eight bytes at a time, the first of them lowest, as in "Bit Twiddling Hacks" (hasless, haszero): most text is
/// plain, and says so eight times as fast.
public enum EightBytes {
    @inlinable @inline(__always)
    static var ones: UInt64 { 0x0101_0101_0101_0101 }
    @inlinable @inline(__always)
    static var tops: UInt64 { 0x8080_8080_8080_8080 }

    /// Whether any byte is a control, a quote, a backslash or not ASCII. DEL counts as plain.
    @inlinable @inline(__always)
    public static func needsEscaping(_ word: UInt64) -> Bool { escaped(word) != 0 }

    /// The lowest set bit lies in the first byte that `needsEscaping` means; 0 if there is none. Bytes behind that one may
    /// be marked for nothing, since the subtraction borrows.
    @inlinable @inline(__always)
    static func escaped(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5c)
        let below = (word &- ones &* 0x20) & ~word
        let quotes = (quote &- ones) & ~quote
        let backslashes = (backslash &- ones) & ~backslash
        return (below | quotes | backslashes | word) & tops
    }

    /// Whether any byte is `byte`.
    @inlinable @inline(__always)
    public static func contain(_ byte: UInt8, _ word: UInt64) -> Bool {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & tops != 0
    }

    /// How many decimal digits the bytes start with.
    @inlinable @inline(__always)
    public static func digitCount(_ word: UInt64) -> Int {
        // A digit becomes 0 to 9, to which 0x76 is added without a carry.
        let values = word ^ (ones &* 0x30)
        return ((values &+ ones &* 0x76 | values) & tops).trailingZeroBitCount / 8
    }

    /// The number that so many digits mean with which the bytes start, at least one.
    @inlinable @inline(__always)
    public static func number(_ word: UInt64, digits: Int) -> UInt64 {
        // Zeroes come in front, then neighbours are joined: digits to pairs, pairs to fours, fours to eight.
        var value = (word ^ (ones &* 0x30)) &<< UInt64(truncatingIfNeeded: 64 &- 8 &* digits)
        value = value &* 10 &+ value &>> 8
        let fours = (value & 0x0000_00ff_0000_00ff) &* 0x000f_4240_0000_0064
        return (fours &+ (value &>> 16 & 0x0000_00ff_0000_00ff) &* 0x0000_2710_0000_0001) &>> 32
    }

    /// The offset of the last `byte`; `nil` if none is.
    @inlinable @inline(__always)
    static func last(_ byte: UInt8, _ word: UInt64) -> Int? {
        // Nothing borrows or carries here, so that the highest mark is right, too.
        let difference = word ^ (ones &* UInt64(byte))
        let marks = ~(((difference & ~tops) &+ ~tops) | difference) & tops
        return marks == 0 ? nil : 7 &- marks.leadingZeroBitCount / 8
    }
}

extension UnsafeRawBufferPointer {
    /// The eight bytes from `offset` on, which must lie inside.
    @inlinable @inline(__always)
    public func eight(at offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// End of the plain bytes (neither control, quote, backslash nor beyond ASCII) that start at `offset`.
    @inlinable @inline(__always)
    public func endOfPlain(from offset: Int) -> Int {
        var end = offset
        while end + 8 <= count {
            let escaped = EightBytes.escaped(eight(at: end))
            if escaped != 0 { return end + escaped.trailingZeroBitCount / 8 }
            end += 8
        }
        while end < count {
            let byte = self[end]
            if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte >= 0x80 { break }
            end += 1
        }
        return end
    }

    /// Offset of the first `byte` at or behind `offset`.
    @inlinable
    public func first(_ byte: UInt8, from offset: Int) -> Int? {
        var offset = offset
        while offset + 8 <= count,
            !EightBytes.contain(byte, loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        {
            offset += 8
        }
        while offset < count {
            if self[offset] == byte { return offset }
            offset += 1
        }
        return nil
    }

    /// Offset of the last `byte`.
    @inlinable @inline(__always)
    public func last(_ byte: UInt8) -> Int? {
        var offset = count
        while offset >= 8 {
            offset -= 8
            if let last = EightBytes.last(byte, eight(at: offset)) { return offset + last }
        }
        while offset > 0 {
            offset -= 1
            if self[offset] == byte { return offset }
        }
        return nil
    }
}

extension UnsafeRawPointer {
    /// Whether the same bytes stand here and there: what memcmp(3) says, without a call for the short ones that names are.
    @inlinable @inline(__always)
    public func equals(_ other: UnsafeRawPointer, count: Int) -> Bool {
        if count >= 8 {
            if count > 16 { return memcmp(self, other, count) == 0 }
            return isSame(other, at: 0, UInt64.self) && isSame(other, at: count - 8, UInt64.self)
        }
        if count >= 4 {
            return isSame(other, at: 0, UInt32.self) && isSame(other, at: count - 4, UInt32.self)
        }
        if count >= 2 {
            return isSame(other, at: 0, UInt16.self) && isSame(other, at: count - 2, UInt16.self)
        }
        return count == 0 || isSame(other, at: 0, UInt8.self)
    }

    @inlinable @inline(__always)
    func isSame<Word: FixedWidthInteger & BitwiseCopyable>(
        _ other: UnsafeRawPointer, at offset: Int, _: Word.Type
    ) -> Bool {
        loadUnaligned(fromByteOffset: offset, as: Word.self)
            == other.loadUnaligned(fromByteOffset: offset, as: Word.self)
    }
}
