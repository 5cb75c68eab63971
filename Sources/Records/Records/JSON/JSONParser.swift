/// A pull parser of JSON (RFC 8259) over bytes: strict, with a bound on depth, and nothing allocated
/// but the strings that are asked for.
///
/// The bytes must outlive the parser; every access is checked against their end, so that no input
/// makes it trap. A caller walks a text as it expects it to be and gets an error where it is not:
/// ```
/// try parser.beginObject()
/// while let key = try parser.nextKey() {
///     if key == "count" { count = try parser.unsigned() } else { try parser.skip() }
/// }
/// ```
package struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    private let depthLimit: Int
    private var depth = 0
    /// Just behind `{` or `[`: no comma comes before the next member.
    private var isFresh = false
    /// Bytes read so far.
    package internal(set) var offset = 0

    /// How deep values may lie in one another.
    package static let deepest = 64
    /// How deep a member of the outermost object may be.
    static let depthBelowTop = deepest - 1

    /// Makes a parser at the start of a text.
    package init(_ bytes: UnsafeRawBufferPointer, depthLimit: Int = deepest) {
        self.bytes = bytes
        self.depthLimit = depthLimit
    }

    /// The type of a value.
    package enum Kind { case object, array, string, number, boolean, null }

    /// The type of the value that comes next, which is not yet looked into.
    package mutating func kind() throws(JSONError) -> Kind {
        switch try next() {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
        case UInt8(ascii: "n"): .null
        case let byte: throw JSONError(.unexpected(byte), at: offset)
        }
    }

    /// Enters an object; `nextKey` leads through it.
    package mutating func beginObject() throws(JSONError) { try begin("{", expected: "an object") }

    /// Enters an array; `nextElement` leads through it.
    package mutating func beginArray() throws(JSONError) { try begin("[", expected: "an array") }

    /// The next key of the object that was entered last, whose value must then be read or skipped;
    /// `nil` at the object's end, which is then left.
    package mutating func nextKey() throws(JSONError) -> String? {
        guard try goOn(closing: "}") else { return nil }
        let key = try string()
        let byte = try next()
        guard byte == UInt8(ascii: ":") else { throw JSONError(.unexpected(byte), at: offset) }
        offset += 1
        return key
    }

    /// Whether another element of the array that was entered last comes; at its end it is left.
    package mutating func nextElement() throws(JSONError) -> Bool { try goOn(closing: "]") }

    /// Reads `true` or `false`.
    package mutating func boolean() throws(JSONError) -> Bool {
        guard try kind() == .boolean else { throw JSONError(.type(expected: "true or false"), at: offset) }
        if bytes[offset] == UInt8(ascii: "t") {
            try literal("true")
            return true
        }
        try literal("false")
        return false
    }

    /// Reads `null`.
    package mutating func null() throws(JSONError) {
        guard try kind() == .null else { throw JSONError(.type(expected: "null"), at: offset) }
        try literal("null")
    }

    /// Reads a value of whatever type and forgets it.
    package mutating func skip() throws(JSONError) {
        switch try kind() {
        case .object:
            try beginObject()
            while try nextKey() != nil { try skip() }
        case .array:
            try beginArray()
            while try nextElement() { try skip() }
        case .string: _ = try string()
        case .number: _ = try numberToken()
        case .boolean: _ = try boolean()
        case .null: try null()
        }
    }

    /// Checks that nothing but white space is left.
    package mutating func end() throws(JSONError) {
        skipWhitespace()
        guard offset == bytes.count else { throw JSONError(.trailing, at: offset) }
    }

    /// The next byte that is not white space, not yet read.
    mutating func next() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard offset < bytes.count else { throw JSONError(.end, at: offset) }
        return bytes[offset]
    }

    private mutating func skipWhitespace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0a, 0x0d: offset += 1
            default: return
            }
        }
    }

    private mutating func begin(_ mark: Unicode.Scalar, expected: String) throws(JSONError) {
        guard try next() == UInt8(ascii: mark) else { throw JSONError(.type(expected: expected), at: offset) }
        guard depth < depthLimit else { throw JSONError(.depth, at: offset) }
        depth += 1
        offset += 1
        isFresh = true
    }

    /// Steps over the comma, or over the closing mark: then `false`.
    private mutating func goOn(closing mark: Unicode.Scalar) throws(JSONError) -> Bool {
        let byte = try next()
        let wasFresh = isFresh
        isFresh = false
        if byte == UInt8(ascii: mark) {
            depth -= 1
            offset += 1
            return false
        }
        if wasFresh { return true }
        guard byte == UInt8(ascii: ",") else { throw JSONError(.unexpected(byte), at: offset) }
        offset += 1
        return true
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard offset < bytes.count else { throw JSONError(.end, at: offset) }
            guard bytes[offset] == word.utf8Start[index] else {
                throw JSONError(.unexpected(bytes[offset]), at: offset)
            }
            offset += 1
        }
    }
}

extension JSONParser {
    /// Reads a string.
    package mutating func string() throws(JSONError) -> String {
        let start = try beginString()
        let end = bytes.endOfPlain(from: start)
        if end < bytes.count, bytes[end] == UInt8(ascii: "\"") {
            // Most keys and words: short, plain, and so without an allocation.
            offset = end + 1
            return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), as: UTF8.self)
        }
        var text: [UInt8] = []
        try finishString(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a string and appends its UTF-8 bytes to `text`.
    package mutating func string(into text: inout [UInt8]) throws(JSONError) {
        _ = try beginString()
        try finishString(into: &text)
    }

    private mutating func beginString() throws(JSONError) -> Int {
        guard try next() == UInt8(ascii: "\"") else {
            throw JSONError(.type(expected: "a string"), at: offset)
        }
        offset += 1
        return offset
    }

    private mutating func finishString(into text: inout [UInt8]) throws(JSONError) {
        while true {
            let start = offset
            offset = bytes.endOfPlain(from: start)
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
            guard offset < bytes.count else { throw JSONError(.end, at: offset) }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw JSONError(.control, at: offset)
            default:
                guard case .valid(let length) = UTF8Form(bytes, at: offset) else {
                    throw JSONError(.utf8, at: offset)
                }
                text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
                offset += length
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        let start = offset
        guard offset + 1 < bytes.count else { throw JSONError(.end, at: bytes.count) }
        let letter = bytes[offset + 1]
        offset += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = UInt32(try codeUnit())
            if (0xd800...0xdbff).contains(value) {
                // The other half must follow at once.
                guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
                    bytes[offset + 1] == UInt8(ascii: "u")
                else { throw JSONError(.escape, at: start) }
                offset += 2
                let low = UInt32(try codeUnit())
                guard (0xdc00...0xdfff).contains(low) else { throw JSONError(.escape, at: start) }
                value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw JSONError(.escape, at: start) }
            text.append(contentsOf: Unicode.UTF8.encode(scalar)!)
        default: throw JSONError(.escape, at: start)
        }
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        guard bytes.count - offset >= 4 else { throw JSONError(.end, at: bytes.count) }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch bytes[offset] {
            case let byte where (0x30...0x39).contains(byte): digit = byte - 0x30
            case let byte where (0x61...0x66).contains(byte | 0x20): digit = (byte | 0x20) - 0x61 + 10
            default: throw JSONError(.escape, at: offset)
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}

extension JSONParser {
    /// Reads a number that must be whole, not negative, and at most `maximum`.
    package mutating func unsigned(maximum: UInt64 = .max) throws(JSONError) -> UInt64 {
        let token = try numberToken()
        var value: UInt64 = 0
        for position in token {
            guard (0x30...0x39).contains(bytes[position]) else {
                throw JSONError(.type(expected: "a whole number"), at: token.lowerBound)
            }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(UInt64(bytes[position] - 0x30))
            if tooLarge || overflow { throw JSONError(.range, at: token.lowerBound) }
            value = sum
        }
        guard value <= maximum else { throw JSONError(.range, at: token.lowerBound) }
        return value
    }

    /// Steps over a number, checking its form; where it stands.
    mutating func numberToken() throws(JSONError) -> Range<Int> {
        guard try kind() == .number else { throw JSONError(.type(expected: "a number"), at: offset) }
        let start = offset
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "0") {
            // Nothing of the number's whole part may follow a leading zero.
            offset += 1
            if offset < bytes.count, (0x30...0x39).contains(bytes[offset]) {
                throw JSONError(.number, at: start)
            }
        } else {
            try digits(from: start)
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits(from: start)
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-")
            {
                offset += 1
            }
            try digits(from: start)
        }
        return start..<offset
    }

    /// Steps over at least one digit.
    private mutating func digits(from start: Int) throws(JSONError) {
        let first = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        guard offset > first else { throw JSONError(.number, at: start) }
    }
}
