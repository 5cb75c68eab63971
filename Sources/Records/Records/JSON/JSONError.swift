/// Text that is not the JSON that was looked for: what is wrong, and where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// The text ends in the middle of a value.
        case end
        /// A byte that cannot stand here.
        case unexpected(UInt8)
        /// A control character in a string that is not escaped.
        case control
        /// A backslash before something that it does not escape, or half a pair of surrogates.
        case escape
        /// Bytes in a string that are not UTF-8.
        case utf8
        /// Something that looks like a number and is none.
        case number
        /// A number that is larger or smaller than may stand here.
        case range
        /// Values inside values, deeper than the reader follows.
        case depth
        /// Something behind the end of the value.
        case trailing
        /// A value of another type than must stand here.
        case type(expected: String)
        /// A key twice in one object.
        case duplicate(key: String)
        /// A key that must be there.
        case missing(key: String)
        /// A word that the format does not know.
        case unknown(word: String, key: String)
        /// A time, an address or base64 that is not well-formed.
        case malformed(key: String)
    }

    /// What is wrong.
    public var reason: Reason
    /// Where: bytes from the start of the text, or of the line if it is one of many.
    public var offset: Int

    /// Describes what is wrong at an offset.
    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// A sentence without the line; text from the input has its controls escaped and is cut short.
    public var description: String { "\(sentence) at byte \(offset)" }

    private var sentence: String {
        switch reason {
        case .end: "the text ends too early"
        case .unexpected(let byte): "unexpected byte 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16))"
        case .control: "a control character that is not escaped"
        case .escape: "an escape that means nothing"
        case .utf8: "not UTF-8"
        case .number: "not a number"
        case .range: "a number out of range"
        case .depth: "nested too deep"
        case .trailing: "something behind the end"
        case .type(let expected): "not \(expected)"
        case .duplicate(let key): "the key \(quoted(key)) twice"
        case .missing(let key): "no \(quoted(key)) in the object that ends"
        case .unknown(let word, let key): "unknown \(quoted(key)): \(quoted(word))"
        case .malformed(let key): "malformed \(quoted(key))"
        }
    }
}

/// Text from outside, fit for a terminal.
func quoted(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(64)
    let escaped = scalars.map { $0.escaped(asASCII: true) }.joined()
    return "\"\(escaped)\(scalars.count < text.unicodeScalars.count ? "…" : "")\""
}
