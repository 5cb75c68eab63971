import Glibc
import Records

/// The fields of one record (RFC 4180), as places in the bytes that are read.
///
/// Nothing is copied. Lines without a quote, which nearly all are, are searched for commas eight bytes at
/// a time; the others byte by byte, across newlines if need be.
struct LineFields: ~Copyable {
    struct Field {
        var start: Int
        var end: Int
        /// Whether doubled quotes in it have to be undone.
        var isEscaped: Bool
    }

    enum PlainOutcome { case split, hasQuote, carriageReturn }

    enum QuotedOutcome {
        /// The offset behind the record's line, and the newlines up to there.
        case record(end: Int, newlines: UInt64, hasNewline: Bool)
        /// The record goes on behind the bytes that are there.
        case open
        case fault(SeedFault)
    }

    /// The most that are kept: one more than any record has. Fields beyond only count.
    private static let room = 8

    private let storage: UnsafeMutablePointer<Field>
    private(set) var count = 0

    init() {
        storage = .allocate(capacity: Self.room)
        storage.initialize(repeating: Field(start: 0, end: 0, isEscaped: false), count: Self.room)
    }

    deinit { storage.deallocate() }

    subscript(index: Int) -> Field {
        @inline(__always) get {
            precondition(index >= 0 && index < min(count, Self.room))
            return storage[index]
        }
    }

    @inline(__always)
    private mutating func add(_ start: Int, _ end: Int, isEscaped: Bool = false) {
        if count < Self.room { storage[count] = Field(start: start, end: end, isEscaped: isEscaped) }
        count += 1
    }

    /// Splits a line that ends at `end`, its newline not included.
    @inline(__always)
    mutating func splitPlain(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) -> PlainOutcome {
        count = 0
        var fieldStart = line.lowerBound
        var offset = line.lowerBound
        while offset < line.upperBound {
            let room = line.upperBound - offset
            let word: UInt64
            if room >= 8 {
                word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            } else {
                // Not a byte behind the line is looked at: there may be none.
                var rest: UInt64 = 0
                for index in 0..<room { rest |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
                word = rest
            }
            if Self.matches(word, 0x22) | Self.matches(word, 0x0d) != 0 {
                let care = Self.matches(word, 0x22) == 0
                // A quote further on decides: it may make the carriage return part of a field.
                if care, !Self.hasQuote(bytes, offset..<line.upperBound) { return .carriageReturn }
                return .hasQuote
            }
            var commas = Self.matches(word, 0x2c)
            while commas != 0 {
                let comma = offset + commas.trailingZeroBitCount >> 3
                add(fieldStart, comma)
                fieldStart = comma + 1
                commas &= commas - 1
            }
            offset += 8
        }
        add(fieldStart, line.upperBound)
        return .split
    }

    /// The top bit of each byte that is `byte`, and no other: unlike the shorter form of "Bit Twiddling
    /// Hacks" (haszero), which may also mark bytes behind a match.
    @inline(__always)
    private static func matches(_ word: UInt64, _ byte: UInt8) -> UInt64 {
        let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
        let difference = word ^ (0x0101_0101_0101_0101 &* UInt64(byte))
        return ~(((difference & low) &+ low) | difference | low)
    }

    private static func hasQuote(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        bytes[range].contains(0x22)
    }

    /// Splits a record with quoted fields, from its start to its newline, which is the first outside
    /// quotes.
    ///
    /// - Parameter isEnd: whether nothing follows `bytes`.
    mutating func splitQuoted(_ bytes: UnsafeRawBufferPointer, from start: Int, isEnd: Bool) -> QuotedOutcome
    {
        count = 0
        // A record of the longest has its newline at this offset less one.
        let farthest = start + SeedRecord.longest + 1
        let limit = min(bytes.count, farthest)
        let isLastHere = isEnd && bytes.count < farthest
        var newlines: UInt64 = 0
        var offset = start
        while true {
            var end = offset
            if offset < limit, bytes[offset] == 0x22 {
                var isEscaped = false
                end = offset + 1
                while true {
                    guard end < limit else { return beyond(limit, farthest, isLastHere, .quoteNotClosed) }
                    if bytes[end] == 0x22 {
                        guard end + 1 < limit, bytes[end + 1] == 0x22 else { break }
                        isEscaped = true
                        end += 1
                    } else if bytes[end] == 0x0a {
                        newlines += 1
                    }
                    end += 1
                }
                add(offset + 1, end, isEscaped: isEscaped)
                end += 1
            } else {
                while end < limit, bytes[end] != 0x2c, bytes[end] != 0x0a, bytes[end] != 0x0d {
                    if bytes[end] == 0x22 { return .fault(.quoteInside) }
                    end += 1
                }
                add(offset, end)
            }
            // Behind a field: a comma, or an end of the line, or nothing more.
            if end < limit, bytes[end] == 0x0d {
                if end + 1 < limit, bytes[end + 1] != 0x0a { return .fault(.carriageReturn) }
                end += 1
            }
            guard end < limit else {
                guard isLastHere else { return beyond(limit, farthest, false, .quoteNotClosed) }
                return .record(end: end, newlines: newlines, hasNewline: false)
            }
            if bytes[end] == 0x0a {
                return .record(end: end + 1, newlines: newlines + 1, hasNewline: true)
            }
            guard bytes[end] == 0x2c else { return .fault(.textBehindQuote) }
            offset = end + 1
        }
    }

    /// What it means to have come to the last byte that may be looked at.
    private func beyond(
        _ limit: Int, _ farthest: Int, _ isLastHere: Bool, _ fault: SeedFault
    ) -> QuotedOutcome {
        if limit == farthest { return .fault(.tooLong) }
        return isLastHere ? .fault(fault) : .open
    }
}
