/// Bytes of paths as the plan's text has them.
public enum PlanText {
    /// UTF-8 as it is, but for what a line cannot show: a backslash is `\\`, a line feed `\n`, and bytes that are no
    /// UTF-8 or that a terminal would obey are `\xNN`. `bytes(_:)` reads it back.
    public static func text(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f || $0 == "\\" })
        {
            return text
        }
        var out = ""
        var rest = bytes[...]
        while let byte = rest.first {
            let length = Self.length(byte)
            let part = rest.prefix(length)
            if byte == UInt8(ascii: "\\") {
                out += "\\\\"
            } else if byte == UInt8(ascii: "\n") {
                out += "\\n"
            } else if byte < 0x20 || byte == 0x7f {
                out += Self.hex(byte)
            } else if let text = String(validating: part, as: UTF8.self) {
                out += text
                rest = rest.dropFirst(part.count)
                continue
            } else {
                out += Self.hex(byte)
            }
            rest = rest.dropFirst()
        }
        return out
    }

    /// The bytes of a text; `nil` where a backslash stands before something that `text(_:)` does not write.
    public static func bytes(_ text: String) -> [UInt8]? {
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "\\"): out.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "n"): out.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "x"):
                guard rest.count >= 2,
                    let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                out.append(value)
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        return out
    }

    private static func length(_ byte: UInt8) -> Int {
        byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    }

    private static func hex(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
