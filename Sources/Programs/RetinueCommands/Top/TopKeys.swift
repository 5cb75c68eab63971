/// A key that was pressed.
enum TopKey: Equatable {
    case character(Character)
    case up, down, pageUp, pageDown, home, end, enter, escape, backspace
}

/// Bytes of a terminal as keys. What is no key that is known is dropped.
struct TopKeys {
    /// The sequences of ECMA-48 and of xterm behind the escape.
    private static let sequences: [String: TopKey] = [
        "[A": .up, "OA": .up, "[B": .down, "OB": .down, "[5~": .pageUp, "[6~": .pageDown, "[H": .home,
        "OH": .home,
        "[1~": .home, "[F": .end, "OF": .end, "[4~": .end,
    ]

    /// What was read at once. An escape at its end is the key of that name: a terminal sends a sequence whole.
    static func keys(_ bytes: [UInt8]) -> [TopKey] {
        var keys: [TopKey] = []
        var rest = Substring(String(decoding: bytes, as: UTF8.self)).unicodeScalars
        while let first = rest.popFirst() {
            switch first.value {
            case 0x1b:
                guard let next = rest.first, next == "[" || next == "O" else {
                    keys.append(.escape)
                    continue
                }
                var sequence = String(Character(rest.removeFirst()))
                while let scalar = rest.popFirst() {
                    sequence.unicodeScalars.append(scalar)
                    // Parameters go on, a final byte ends it.
                    if !(0x20...0x3f).contains(scalar.value) { break }
                }
                if let key = sequences[sequence] { keys.append(key) }
            case 0x0d, 0x0a: keys.append(.enter)
            case 0x7f, 0x08: keys.append(.backspace)
            case 0..<0x20, 0xfffd: break
            default: keys.append(.character(Character(first)))
            }
        }
        return keys
    }
}
