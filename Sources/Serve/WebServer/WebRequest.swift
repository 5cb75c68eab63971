/// A request as the routes see it: no body, since nothing is ever changed by one.
public struct WebRequest: Sendable {
    /// The path, percent-decoded; never empty, always with a slash first.
    public var path: [UInt8]
    /// The names and values of the query in their order, percent-decoded, `+` as a space.
    public var query: [(name: [UInt8], value: [UInt8])]
    /// Whom the client asked: `NAME:PORT`.
    public var host: String?
    /// What it showed to be let in.
    public var authorization: String?

    /// The path as text; `nil` if it is not UTF-8.
    public var pathText: String? { String(validating: path, as: UTF8.self) }

    /// Reads a target in origin form; `nil` if it is malformed. Of the absolute form, as to a proxy, the path counts.
    public init?(target: String, host: String? = nil, authorization: String? = nil) {
        var text = Array(target.utf8)[...]
        guard text.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else { return nil }
        if text.first != UInt8(ascii: "/") {
            guard text.starts(with: "http://".utf8) || text.starts(with: "https://".utf8),
                let colon = text.firstIndex(of: UInt8(ascii: ":")),
                let slash = text[(colon + 3)...].firstIndex(of: UInt8(ascii: "/"))
            else { return nil }
            text = text[slash...]
        }
        let mark = text.firstIndex(of: UInt8(ascii: "?")) ?? text.endIndex
        guard let path = Self.decoded(text[..<mark], plusIsSpace: false), !path.contains(0) else {
            return nil
        }
        var query: [(name: [UInt8], value: [UInt8])] = []
        if mark < text.endIndex {
            for part in text[(mark + 1)...].split(separator: UInt8(ascii: "&")) {
                let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
                let rest = equals < part.endIndex ? part[(equals + 1)...] : part[part.endIndex...]
                guard let name = Self.decoded(part[..<equals], plusIsSpace: true),
                    let value = Self.decoded(rest, plusIsSpace: true)
                else { return nil }
                query.append((name, value))
            }
        }
        self.path = path
        self.query = query
        self.host = host
        self.authorization = authorization
    }

    /// Strictly, and as bytes: the library's own reading repairs what is no UTF-8 and drops what is malformed.
    private static func decoded(_ text: ArraySlice<UInt8>, plusIsSpace: Bool) -> [UInt8]? {
        var out: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "%"):
                guard index + 2 <= text.endIndex, let high = digit(text[index]),
                    let low = digit(text[index + 1])
                else { return nil }
                out.append(high << 4 | low)
                index += 2
            case UInt8(ascii: "+") where plusIsSpace: out.append(0x20)
            default: out.append(byte)
            }
        }
        return out
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46, 0x61...0x66: (byte | 0x20) - 0x61 + 10
        default: nil
        }
    }
}
