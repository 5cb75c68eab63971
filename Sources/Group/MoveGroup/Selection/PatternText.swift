/// A pattern as bytes of which each knows whether it was written behind a backslash, and so stands for
/// nothing but itself.
///
/// The escapes are those in which names are shown: `\n`, `\r`, `\t`, `\x1b`, `\u{202e}`, `\\`; before any other
/// character the backslash takes its meaning away: `\*`, `\@`.
struct PatternText {
    /// A byte.
    struct Unit: Equatable {
        var byte: UInt8
        var isEscaped = false
    }

    private(set) var units: [Unit] = []

    init(_ text: String) {
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else {
                units.append(Unit(byte: byte))
                continue
            }
            for byte in Self.meaning(of: next, &rest) { units.append(Unit(byte: byte, isEscaped: true)) }
        }
    }

    /// What an escape stands for; one that is not whole is the character itself.
    private static func meaning(of letter: UInt8, _ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        switch letter {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.first != "+", let byte = UInt8(digits, radix: 16) else {
                break
            }
            rest.removeFirst(2)
            return [byte]
        case UInt8(ascii: "u"):
            guard rest.first == UInt8(ascii: "{"), let end = rest.prefix(8).firstIndex(of: UInt8(ascii: "}")),
                let value = UInt32(
                    String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(value)
            else { break }
            rest = rest[(end + 1)...]
            return Array(String(scalar).utf8)
        default: break
        }
        return [letter]
    }
}

extension Sequence<PatternText.Unit> {
    /// What it stands for, where nothing in it is a wildcard.
    var bytes: [UInt8] { map(\.byte) }

    /// Whether it stands for more than one text.
    var hasWildcards: Bool {
        contains { !$0.isEscaped && ($0.byte == UInt8(ascii: "*") || $0.byte == UInt8(ascii: "?")) }
    }
}

extension PatternText.Unit {
    /// Whether it is this character, with its meaning.
    func means(_ character: Unicode.Scalar) -> Bool { !isEscaped && byte == UInt8(ascii: character) }
}
