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

    /// Makes a parser at the start of a text.
    package init(_ bytes: UnsafeRawBufferPointer, depthLimit: Int = 64) {
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
