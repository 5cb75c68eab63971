/// Text fit for a terminal.
///
/// A path may hold anything but NUL: escape sequences that rewrite what was shown before, characters
/// that reverse the writing, bytes that are not UTF-8. They are shown escaped, and so is the backslash,
/// so that no name can look like another's escaped form.
package enum Printable {
    /// The same text with everything escaped that could steer a terminal, and what is not UTF-8.
    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        let bytes = Array(bytes)
        // Most names are plain, and what the characters of others are takes time to find out.
        if bytes.allSatisfy({ (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "\\") }) {
            return String(decoding: bytes, as: UTF8.self)
        }
        var text = ""
        append(bytes, to: &text)
        return text
    }

    private static func append(_ bytes: [UInt8], to text: inout String) {
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var start = 0
        while true {
            switch parser.parseScalar(from: &iterator) {
            case .valid(let encoded):
                append(Unicode.UTF8.decode(encoded), to: &text)
                start += encoded.count
            case .error(let length):
                for byte in bytes[start..<start + length] { text += hexadecimal(byte) }
                start += length
            case .emptyInput: return
            }
        }
    }

    /// Appends a character, escaped if it could steer a terminal.
    package static func append(_ scalar: Unicode.Scalar, to text: inout String) {
        switch scalar {
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        case " ": text += " "
        default:
            switch scalar.properties.generalCategory {
            case .control where scalar.value < 0x80: text += hexadecimal(UInt8(scalar.value))
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
                .paragraphSeparator, .spaceSeparator:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
