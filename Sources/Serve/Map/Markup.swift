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

    /// Neither ends a text nor an attribute; what is no character of HTML and XML becomes a mark for that.
    private static func escape(_ text: String, to out: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out.append(contentsOf: "&amp;".utf8)
            case "<": out.append(contentsOf: "&lt;".utf8)
            case ">": out.append(contentsOf: "&gt;".utf8)
            case "\"": out.append(contentsOf: "&quot;".utf8)
            case "'": out.append(contentsOf: "&#39;".utf8)
            case "\n", "\t": out.append(contentsOf: UTF8.encode(scalar)!)
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
        var out: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            let isPlain =
                (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
                || "-._~/:@,".utf8.contains(byte)
            if isPlain {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
