/// HTML and SVG as it is written. Tags and the names of attributes are literals of this program; everything else is text, and
/// is escaped here and nowhere else.
struct Markup {
    private(set) var bytes: [UInt8] = []
    private var open: [StaticString] = []

    /// Begins an element; attributes of `nil` are left out, and of an empty text have no value.
    mutating func begin(_ tag: StaticString, _ attributes: KeyValuePairs<StaticString, String?> = [:]) {
        start(tag, attributes)
        open.append(tag)
    }

    /// Ends what was begun last.
    mutating func end() {
        guard let tag = open.popLast() else { preconditionFailure("more ends than beginnings") }
        bytes.append(contentsOf: "</".utf8)
        literal(tag)
        bytes.append(UInt8(ascii: ">"))
    }

    /// An element without content, as HTML writes it: no end.
    mutating func void(_ tag: StaticString, _ attributes: KeyValuePairs<StaticString, String?> = [:]) {
        start(tag, attributes)
    }

    /// An element around a text.
    mutating func element(
        _ tag: StaticString, _ attributes: KeyValuePairs<StaticString, String?> = [:], _ content: String
    ) {
        begin(tag, attributes)
        text(content)
        end()
    }

    /// A text.
    mutating func text(_ text: String) { Self.escape(text, to: &bytes) }

    /// What this program says itself.
    mutating func literal(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func start(_ tag: StaticString, _ attributes: KeyValuePairs<StaticString, String?>) {
        bytes.append(UInt8(ascii: "<"))
        literal(tag)
        for (name, value) in attributes {
            guard let value else { continue }
            bytes.append(UInt8(ascii: " "))
            literal(name)
            bytes.append(contentsOf: "=\"".utf8)
            Self.escape(value, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: ">"))
    }

    /// Whether a byte of UTF-8 stands for itself, whatever stands beside it: printable ASCII that is no markup.
    private static let isPlain: [Bool] = (0...255).map { byte in
        (byte == 0x0a || byte == 0x09 || (0x20...0x7e).contains(byte))
            && !"&<>\"'".utf8.contains(UInt8(byte))
    }

    /// Neither ends a text nor an attribute; what is no character of HTML and XML becomes a mark for that.
    private static func escape(_ text: String, to out: inout [UInt8]) {
        var text = text
        // Nearly all texts have nothing to be escaped, and go over as a whole.
        let isPlain = isPlain
        let isWhole = text.withUTF8 { bytes in
            guard bytes.allSatisfy({ isPlain[Int($0)] }) else { return false }
            out.append(contentsOf: bytes)
            return true
        }
        if isWhole { return }
        for scalar in text.unicodeScalars {
            if scalar.isASCII, isPlain[Int(scalar.value)] {
                out.append(UInt8(scalar.value))
                continue
            }
            switch scalar {
            case "&": out.append(contentsOf: "&amp;".utf8)
            case "<": out.append(contentsOf: "&lt;".utf8)
            case ">": out.append(contentsOf: "&gt;".utf8)
            case "\"": out.append(contentsOf: "&quot;".utf8)
            case "'": out.append(contentsOf: "&#39;".utf8)
            default:
                let isCharacter =
                    scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value)
                    && scalar.value & 0xfffe != 0xfffe && !(0xfdd0...0xfdef).contains(scalar.value)
                out.append(contentsOf: UTF8.encode(isCharacter ? scalar : "\u{fffd}")!)
            }
        }
    }
}

/// A text in a query of an address (RFC 3986, section 2).
enum QueryText {
    /// All but unreserved characters and the few that a query may have and forms leave alone.
    static func encoded(_ text: String) -> String {
        let isPlain = isPlain
        guard !text.utf8.allSatisfy({ isPlain[Int($0)] }) else { return text }
        var out: [UInt8] = []
        for byte in text.utf8 {
            if isPlain[Int(byte)] {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static let digits = Array("0123456789ABCDEF".utf8)
    private static let isPlain: [Bool] = (0...255).map { byte in
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
            || "-._~/:@,".utf8.contains(UInt8(byte))
    }
}
