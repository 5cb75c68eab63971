/// Looking at eight bytes at a time, as in "Bit Twiddling Hacks" (hasless, haszero): most text is plain,
/// and says so eight times as fast.
public enum EightBytes {
    @inlinable @inline(__always)
    static var ones: UInt64 { 0x0101_0101_0101_0101 }
    @inlinable @inline(__always)
    static var tops: UInt64 { 0x8080_8080_8080_8080 }

    /// Whether any byte is a control, a quote, a backslash or not ASCII. DEL counts as plain.
    @inlinable @inline(__always)
    public static func needsEscaping(_ word: UInt64) -> Bool {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5c)
        let below = (word &- ones &* 0x20) & ~word
        let quotes = (quote &- ones) & ~quote
        let backslashes = (backslash &- ones) & ~backslash
        return (below | quotes | backslashes | word) & tops != 0
    }

    /// Whether any byte is `byte`.
    @inlinable @inline(__always)
    public static func contain(_ byte: UInt8, _ word: UInt64) -> Bool {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & tops != 0
    }
}

extension UnsafeRawBufferPointer {
    /// End of the plain bytes (neither control, quote, backslash nor beyond ASCII) that start at `offset`.
    @inlinable @inline(__always)
    public func endOfPlain(from offset: Int) -> Int {
        var end = offset
        while end + 8 <= count, !EightBytes.needsEscaping(loadUnaligned(fromByteOffset: end, as: UInt64.self))
        {
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
}
