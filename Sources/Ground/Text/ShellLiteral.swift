/// Bytes as words of a shell (POSIX.1-2017, Shell & Utilities, 2.2.2).
public enum ShellLiteral {
    /// As a shell takes it, with nothing in it meaning anything but itself.
    public static func of(_ word: [UInt8]) -> [UInt8] {
        let apostrophe = UInt8(ascii: "'")
        var out: [UInt8] = [apostrophe]
        for byte in word { out += byte == apostrophe ? Array("'\\''".utf8) : [byte] }
        return out + [apostrophe]
    }

    /// Several, with blanks between them.
    public static func of(_ words: [[UInt8]]) -> [UInt8] {
        Array(words.map { of($0) }.joined(separator: [UInt8(ascii: " ")]))
    }
}
