import Glibc
import Records

/// Finds the records in a file's bytes, which come piece by piece.
///
/// What it finds does not depend on where one piece ends and the next begins.
struct SeedParser: ~Copyable {
    enum Step {
        /// A record is in `line`.
        case record
        /// What begins at this line is no record. The next one is looked for on the line behind.
        case bad(BadLine)
        /// No whole record is left; at the end of the file, nothing is.
        case more
    }

    /// The record that was found last.
    var line = SeedLine()
    /// Whether a record was found that ends with the file and not with a newline.
    private(set) var endedWithoutNewline = false

    /// The number of the line on which that record begins.
    private(set) var recordLine: UInt64 = 1
    /// The number of the line that is looked at next.
    private var number: UInt64 = 1
    /// Whether a line that is too long goes on behind the bytes that were there.
    private var isInLongLine = false
    private var fields = LineFields()
    /// Where a path stands whose quotes had to be undone.
    private let unquoted = UnsafeMutableRawBufferPointer.allocate(
        byteCount: SeedRecord.longest, alignment: 16)

    init() {}

    deinit { unquoted.deallocate() }

    /// Gets ready for another file.
    mutating func restart() {
        number = 1
        isInLongLine = false
        endedWithoutNewline = false
    }

    /// Finds the next record at or behind `offset` and moves `offset` behind it.
    ///
    /// - Parameter isEnd: whether the file ends with `bytes`.
    @inline(__always)
    mutating func next(_ bytes: UnsafeRawBufferPointer, at offset: inout Int, isEnd: Bool) -> Step {
        while true {
            if isInLongLine, !leaveLongLine(bytes, &offset) { return .more }
            let start = offset
            let rest = bytes.count - start
            guard rest > 0, let base = bytes.baseAddress else { return .more }
            let newline = memchr(base + start, 0x0a, min(rest, SeedRecord.longest + 1))
            let end: Int
            if let newline {
                end = UnsafeRawPointer(newline) - base
                offset = end + 1
            } else {
                if rest > SeedRecord.longest {
                    isInLongLine = true
                    return .bad(BadLine(line: number, fault: .tooLong, isCutOff: false))
                }
                guard isEnd else { return .more }
                end = bytes.count
                offset = end
            }
            let hasCarriageReturn = end > start && bytes[end - 1] == 0x0d
            switch fields.splitPlain(bytes, start..<(hasCarriageReturn ? end - 1 : end)) {
            case .split:
                if number == 1, isHeader(bytes) {
                    number = 2
                    continue
                }
                if let fault = interpret(bytes) { return bad(fault, isCutOff: newline == nil) }
                recordLine = number
                number += 1
                if newline == nil { endedWithoutNewline = true }
                return .record
            case .carriageReturn:
                return bad(.carriageReturn, isCutOff: newline == nil)
            case .hasQuote:
                let next = offset
                guard let step = quoted(bytes, start, &offset, isEnd: isEnd, nextLine: next) else { continue }
                return step
            }
        }
    }

    /// A record with quotes. `offset` moves behind the record, or behind its first line if it is none, or
    /// back to its start if its end is not there yet.
    private mutating func quoted(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ offset: inout Int, isEnd: Bool, nextLine: Int
    ) -> Step? {
        switch fields.splitQuoted(bytes, from: start, isEnd: isEnd) {
        case .open:
            offset = start
            return .more
        case .fault(let fault):
            // Only the first line is given up: an unwanted quote does not take the rest of the file.
            return bad(fault, isCutOff: isEnd && nextLine == bytes.count && bytes[nextLine - 1] != 0x0a)
        case .record(let end, let newlines, let hasNewline):
            if number == 1, newlines <= 1, isHeader(bytes) {
                offset = end
                number = 2
                return nil
            }
            if let fault = interpret(bytes) { return bad(fault, isCutOff: !hasNewline) }
            offset = end
            recordLine = number
            number += newlines
            if !hasNewline { endedWithoutNewline = true }
            return .record
        }
    }

    private mutating func bad(_ fault: SeedFault, isCutOff: Bool) -> Step {
        let line = number
        number += 1
        return .bad(BadLine(line: line, fault: fault, isCutOff: isCutOff))
    }

    /// Whether the end of the long line was found.
    private mutating func leaveLongLine(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Bool {
        guard let base = bytes.baseAddress, offset < bytes.count,
            let newline = memchr(base + offset, 0x0a, bytes.count - offset)
        else {
            offset = bytes.count
            return false
        }
        offset = UnsafeRawPointer(newline) - base + 1
        isInLongLine = false
        number += 1
        return true
    }

    /// Whether the fields are the columns' names.
    private func isHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let names = SeedRecord.header.utf8.split(separator: UInt8(ascii: ","))
        guard fields.count == names.count else { return false }
        return names.indices.allSatisfy { index in
            names[index].elementsEqual(bytes[fields[index].start..<fields[index].end])
        }
    }
}

// MARK: - From fields to values

extension SeedParser {
    /// Fills `line` from the fields; says what is wrong with them.
    @inline(__always)
    private mutating func interpret(_ bytes: UnsafeRawBufferPointer) -> SeedFault? {
        guard let call = SeedCall(word: slice(bytes, 0)) else { return .unknownCall }
        let own = call.fieldCount
        guard fields.count == own || fields.count == own + 1 else { return .wrongFieldCount(call) }
        line.call = call
        line.time = SeedLine.noTime
        if fields.count > own {
            guard let time = Self.number(slice(bytes, own), SeedRecord.largestTime) else { return .badTime }
            line.time = time
        }
        switch call {
        case .open:
            guard let pid = pid(bytes, 1) else { return .badPID }
            guard takePath(bytes, 2) else { return .emptyPath }
            guard let access = SeedAccess(word: slice(bytes, 3)) else { return .badAccess }
            line.pid = pid
            line.access = access
        case .fork:
            guard let parent = pid(bytes, 1), let child = pid(bytes, 2) else { return .badPID }
            line.pid = parent
            line.child = child
        case .exec:
            guard let pid = pid(bytes, 1) else { return .badPID }
            guard takePath(bytes, 2) else { return .emptyPath }
            line.pid = pid
        case .accept, .connect:
            guard let pid = pid(bytes, 3) else { return .badPID }
            guard let own = Self.address(slice(bytes, 1)), let other = Self.address(slice(bytes, 4)) else {
                return .badAddress
            }
            guard let ownPort = Self.number(slice(bytes, 2), 65_535),
                let otherPort = Self.number(slice(bytes, 5), 65_535)
            else { return .badPort }
            line.pid = pid
            let near = Endpoint(own, port: UInt16(ownPort))
            let far = Endpoint(other, port: UInt16(otherPort))
            line.server = call == .accept ? near : far
            line.client = call == .accept ? far : near
        }
        return nil
    }

    @inline(__always)
    private func slice(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UnsafeRawBufferPointer {
        let field = fields[index]
        return UnsafeRawBufferPointer(rebasing: bytes[field.start..<field.end])
    }

    @inline(__always)
    private func pid(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt32? {
        Self.number(slice(bytes, index), UInt64(SeedRecord.largestPID)).map { UInt32($0) }
    }

    /// Whether there is a path; it is then in `line`.
    @inline(__always)
    private mutating func takePath(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let field = slice(bytes, index)
        line.path = fields[index].isEscaped ? undoQuotes(field) : field
        return !field.isEmpty
    }

    /// Copies a field with each pair of quotes made one.
    private func undoQuotes(_ field: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var count = 0
        var offset = 0
        while offset < field.count, count < unquoted.count {
            unquoted[count] = field[offset]
            offset += field[offset] == 0x22 ? 2 : 1
            count += 1
        }
        return UnsafeRawBufferPointer(rebasing: unquoted[..<count])
    }

    /// A number in decimal digits and nothing else; `largest` must be less than 2^63.
    @inline(__always)
    private static func number(_ text: UnsafeRawBufferPointer, _ largest: UInt64) -> UInt64? {
        guard !text.isEmpty else { return nil }
        var value: UInt64 = 0
        for byte in text {
            let digit = byte &- 0x30
            guard digit < 10 else { return nil }
            guard value <= 922_337_203_685_477_580 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        return value <= largest ? value : nil
    }

    /// An address; a dotted quad, the usual form, without going through an array.
    @inline(__always)
    private static func address(_ text: UnsafeRawBufferPointer) -> NetworkAddress? {
        quad(text).map { NetworkAddress(v4: $0) } ?? NetworkAddress(text)
    }

    private static func quad(_ text: UnsafeRawBufferPointer) -> UInt32? {
        var quad: UInt32 = 0
        var part: UInt32 = 0
        var digits = 0
        var dots = 0
        for byte in text {
            let digit = byte &- 0x30
            if digit < 10 {
                // No leading zero, which some read as octal.
                guard digits == 0 || part != 0, digits < 3 else { return nil }
                part = part * 10 + UInt32(digit)
                digits += 1
            } else {
                guard byte == 0x2e, digits > 0, part < 256, dots < 3 else { return nil }
                quad = quad << 8 | part
                part = 0
                digits = 0
                dots += 1
            }
        }
        return dots == 3 && digits > 0 && part < 256 ? quad << 8 | part : nil
    }
}

extension SeedCall {
    /// The call that a word names.
    @inline(__always)
    fileprivate init?(word: UnsafeRawBufferPointer) {
        guard let first = word.first else { return nil }
        let call: SeedCall
        let name: StaticString
        switch first {
        case UInt8(ascii: "o"): (call, name) = (.open, "open")
        case UInt8(ascii: "f"): (call, name) = (.fork, "fork")
        case UInt8(ascii: "e"): (call, name) = (.exec, "exec")
        case UInt8(ascii: "a"): (call, name) = (.accept, "accept")
        case UInt8(ascii: "c"): (call, name) = (.connect, "connect")
        default: return nil
        }
        guard word.isWord(name) else { return nil }
        self = call
    }

    /// Fields of its record, the time not counted.
    @inline(__always)
    fileprivate var fieldCount: Int {
        switch self {
        case .open: 4
        case .fork, .exec: 3
        case .accept, .connect: 6
        }
    }
}

extension SeedAccess {
    /// The access that a word names: a letter or two, or the flag of open(2).
    @inline(__always)
    fileprivate init?(word: UnsafeRawBufferPointer) {
        if word.isWord("r") || word.isWord("O_RDONLY") {
            self = .read
        } else if word.isWord("rw") || word.isWord("O_RDWR") || word.isWord("O_WRONLY") {
            self = .readWrite
        } else {
            return nil
        }
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    fileprivate func isWord(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount, let base = baseAddress else { return false }
        return memcmp(base, word.utf8Start, count) == 0
    }
}

/// A record as the parser hands it over: valid until the next one is read, and owning nothing.
///
/// Only the fields of its call have a meaning; the others are left from earlier records.
struct SeedLine: ~Copyable {
    /// `time` where there is none.
    static let noTime = UInt64.max

    var call = SeedCall.open
    /// The process; of a fork the parent.
    var pid: UInt32 = 0
    var child: UInt32 = 0
    /// Lies in the bytes that are read, or in the parser's own buffer if quotes had to be undone.
    var path = UnsafeRawBufferPointer(start: nil, count: 0)
    var access = SeedAccess.read
    var server = Endpoint(NetworkAddress(v4: 0), port: 0)
    var client = Endpoint(NetworkAddress(v4: 0), port: 0)
    /// Nanoseconds since 1970, or `noTime`.
    var time = SeedLine.noTime
}

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
                let isPlain = Self.matches(word, 0x22) == 0
                // A quote further on decides: it may make the carriage return part of a field.
                if isPlain, !Self.hasQuote(bytes, offset..<line.upperBound) { return .carriageReturn }
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
