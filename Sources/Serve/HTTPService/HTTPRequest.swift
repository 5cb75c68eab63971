/// A request as far as it is understood here: no body, since nothing is ever changed by one.
public struct HTTPRequest: Sendable, Equatable {
    /// `GET`, `HEAD`, or what the client wrote.
    public var method: String
    /// The path, percent-decoded; never empty, always with a slash first.
    public var path: [UInt8]
    /// The names and values of the query in their order, percent-decoded, `+` as a space.
    public var query: [(name: [UInt8], value: [UInt8])]
    /// The fields in their order, names in lower case, values without the blanks around them.
    public var fields: [(name: String, value: String)]
    /// Whether the connection may serve another request.
    public var keepsAlive: Bool

    /// The value of the first field of a name, which is given in lower case.
    public func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// The path as text; `nil` if it is not UTF-8.
    public var pathText: String? { String(validating: path, as: UTF8.self) }

    /// Whether everything of two requests is equal.
    public static func == (left: HTTPRequest, right: HTTPRequest) -> Bool {
        left.method == right.method && left.path == right.path && left.keepsAlive == right.keepsAlive
            && left.query.elementsEqual(right.query) { $0 == $1 }
            && left.fields.elementsEqual(right.fields) { $0 == $1 }
    }
}

/// Why a request is refused before anybody looks at what it asks for.
public enum HTTPProblem: Error, Equatable, Sendable {
    case malformed(StaticString)
    case methodNotAllowed
    case targetTooLong
    case fieldsTooLarge
    case bodyRefused
    case versionNotSupported

    /// The status that says so (RFC 9110, section 15).
    public var status: Int {
        switch self {
        case .malformed: 400
        case .methodNotAllowed: 405
        case .bodyRefused: 413
        case .targetTooLong: 414
        case .fieldsTooLarge: 431
        case .versionNotSupported: 505
        }
    }

    /// A sentence for the client.
    public var sentence: String {
        switch self {
        case .malformed(let what): "the request is malformed: \(what)"
        case .methodNotAllowed: "everything here is only read: GET and HEAD"
        case .bodyRefused: "a request has no body here"
        case .targetTooLong: "the request line is longer than \(HTTPParser.longestLine) bytes"
        case .fieldsTooLarge:
            "the fields are longer than \(HTTPParser.longestFields) bytes, or more than \(HTTPParser.mostFields)"
        case .versionNotSupported: "HTTP/1.1 and HTTP/1.0 are understood"
        }
    }

    /// Equal if the sentence is.
    public static func == (left: HTTPProblem, right: HTTPProblem) -> Bool {
        left.status == right.status && left.sentence == right.sentence
    }
}

/// Reads the head of a request (RFC 9112), strictly: what two readers could take for different things is refused.
public enum HTTPParser {
    /// Bytes of a request line, its end left out.
    public static let longestLine = 8 << 10
    /// Bytes of all fields together, their ends included.
    public static let longestFields = 16 << 10
    /// How many fields there may be.
    public static let mostFields = 64
    /// Bytes in which a whole head fits, with the empty line that may stand before it.
    public static var longestHead: Int { 2 + longestLine + 2 + longestFields + 2 }

    /// What has been found at the start of some bytes.
    public enum Outcome: Equatable, Sendable {
        /// Nothing yet is wrong, and the end of the head is not there.
        case incomplete
        /// A request, and the bytes that its head takes.
        case request(HTTPRequest, length: Int)
        case refused(HTTPProblem)
    }

    /// Looks at the bytes that have come in so far.
    public static func parse(_ bytes: [UInt8]) -> Outcome {
        do throws(HTTPProblem) {
            return try bytes.withUnsafeBufferPointer { bytes throws(HTTPProblem) in
                try parse(UnsafeRawBufferPointer(bytes))
            }
        } catch {
            return .refused(error)
        }
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws(HTTPProblem) -> Outcome {
        var lines = Lines(bytes)
        // An empty line before a request is that of an old client's body (RFC 9112, section 2.2).
        if bytes.starts(with: [0x0d, 0x0a]) { _ = try lines.next(limit: 0, .targetTooLong) }
        guard let line = try lines.next(limit: longestLine, .targetTooLong) else { return .incomplete }
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("no request line") }
        let method = try method(parts[0])
        let version = try version(parts[2])
        let start = lines.offset
        var fields: [(name: String, value: String)] = []
        while true {
            let room = longestFields - (lines.offset - start)
            guard let line = try lines.next(limit: max(room, 0), .fieldsTooLarge) else { return .incomplete }
            if line.isEmpty { break }
            guard fields.count < mostFields else { throw .fieldsTooLarge }
            fields.append(try field(line))
        }
        guard method == "GET" || method == "HEAD" else { throw .methodNotAllowed }
        try refuseBody(fields)
        let hosts = fields.filter { $0.name == "host" }
        guard hosts.count == 1 || (hosts.isEmpty && version == 0) else {
            throw .malformed("one Host is needed")
        }
        let (path, query) = try target(parts[1])
        let request = HTTPRequest(
            method: method, path: path, query: query, fields: fields,
            keepsAlive: keepsAlive(fields, version: version))
        return .request(request, length: lines.offset)
    }

    private static func method(_ word: Slice<UnsafeRawBufferPointer>) throws(HTTPProblem) -> String {
        guard !word.isEmpty, word.count <= 32, word.allSatisfy(isToken) else { throw .malformed("no method") }
        return String(decoding: word, as: UTF8.self)
    }

    /// The digit behind `HTTP/1.`.
    private static func version(_ word: Slice<UnsafeRawBufferPointer>) throws(HTTPProblem) -> Int {
        if word.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if word.elementsEqual("HTTP/1.0".utf8) { return 0 }
        guard word.starts(with: "HTTP/".utf8) else { throw .malformed("no version") }
        throw .versionNotSupported
    }

    private static func field(
        _ line: Slice<UnsafeRawBufferPointer>
    ) throws(HTTPProblem) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
            throw .malformed("a field without a name")
        }
        // No blank before the colon, and no line that goes on with the one before (RFC 9112, section 5).
        guard line[..<colon].allSatisfy(isToken) else { throw .malformed("the name of a field") }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            throw .malformed("the value of a field")
        }
        let name = line[..<colon].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
        return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
    }

    private static func refuseBody(_ fields: [(name: String, value: String)]) throws(HTTPProblem) {
        if fields.contains(where: { $0.name == "transfer-encoding" }) { throw .bodyRefused }
        for field in fields where field.name == "content-length" {
            guard !field.value.isEmpty, field.value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw .malformed("the length of the content")
            }
            guard field.value.utf8.allSatisfy({ $0 == 0x30 }) else { throw .bodyRefused }
        }
    }

    private static func keepsAlive(_ fields: [(name: String, value: String)], version: Int) -> Bool {
        let options = fields.filter { $0.name == "connection" }
            .flatMap { $0.value.lowercased().split { $0 == "," || $0 == " " } }
        return options.contains("close") ? false : version == 1 || options.contains("keep-alive")
    }

    private static func target(
        _ word: Slice<UnsafeRawBufferPointer>
    ) throws(HTTPProblem) -> (path: [UInt8], query: [(name: [UInt8], value: [UInt8])]) {
        var word = word
        guard word.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else {
            throw .malformed("the target")
        }
        // Absolute form, as to a proxy; whose the authority is says Host.
        if word.first != UInt8(ascii: "/") {
            guard word.starts(with: "http://".utf8),
                let slash = word.dropFirst(7).firstIndex(where: { $0 == UInt8(ascii: "/") })
            else { throw .malformed("the target") }
            word = word[slash...]
        }
        let mark = word.firstIndex(of: UInt8(ascii: "?")) ?? word.endIndex
        let path = try decoded(word[..<mark], plusIsSpace: false)
        guard !path.contains(0) else { throw .malformed("the target") }
        var query: [(name: [UInt8], value: [UInt8])] = []
        if mark < word.endIndex {
            for part in word[(mark + 1)...].split(separator: UInt8(ascii: "&")) {
                let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
                let value = equals < part.endIndex ? part[(equals + 1)...] : part[part.endIndex...]
                query.append(
                    (try decoded(part[..<equals], plusIsSpace: true), try decoded(value, plusIsSpace: true)))
            }
        }
        return (path, query)
    }

    private static func decoded(
        _ text: Slice<UnsafeRawBufferPointer>, plusIsSpace: Bool
    ) throws(HTTPProblem) -> [UInt8] {
        var out: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "%"):
                guard index + 2 <= text.endIndex, let high = digit(text[index]),
                    let low = digit(text[index + 1])
                else { throw .malformed("a percent sign without two digits") }
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

    /// `tchar` of RFC 9110, section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Lines that end with CR LF, and only so.
    private struct Lines {
        private let bytes: UnsafeRawBufferPointer
        private(set) var offset = 0

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        /// The next line; `nil` if its end is not there yet, but may come within the limit.
        mutating func next(
            limit: Int, _ tooLong: HTTPProblem
        ) throws(HTTPProblem) -> Slice<UnsafeRawBufferPointer>? {
            let end = min(bytes.count, offset + limit + 2)
            guard let feed = bytes[offset..<end].firstIndex(of: 0x0a) else {
                if end == offset + limit + 2 { throw tooLong }
                return nil
            }
            guard feed > offset, bytes[feed - 1] == 0x0d else {
                throw .malformed("a line that ends without CR")
            }
            defer { offset = feed + 1 }
            return bytes[offset..<(feed - 1)]
        }
    }
}
