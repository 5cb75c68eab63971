/// The kernel's way of keeping blanks and newlines out of lines: `\040` and the like.
public enum OctalEscapes {
    /// Turns `\ooo` into the byte that it stands for; anything else is left as it is.
    public static func decode(_ text: some Sequence<UInt8>) -> [UInt8] {
        let text = Array(text)
        guard text.contains(UInt8(ascii: "\\")) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == UInt8(ascii: "\\"), index + 3 < text.count {
                let digits = text[(index + 1)...(index + 3)].map { Int($0) - 48 }
                if digits.allSatisfy({ (0...7).contains($0) }), digits[0] <= 3 {
                    result.append(UInt8(digits[0] * 64 + digits[1] * 8 + digits[2]))
                    index += 4
                    continue
                }
            }
            result.append(text[index])
            index += 1
        }
        return result
    }

    /// Turns `\012` into a newline, and nothing else: in /proc/PID/maps the kernel escapes the newline
    /// alone, so that any other backslash stands for itself.
    static func decodeNewlines(_ text: some Sequence<UInt8>) -> [UInt8] {
        let text = Array(text)
        let escape = Array(#"\012"#.utf8)
        guard text.contains(escape[0]) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let isEscape = text[index...].starts(with: escape)
            result.append(isEscape ? UInt8(ascii: "\n") : text[index])
            index += isEscape ? escape.count : 1
        }
        return result
    }
}
