import Glibc

/// An answer to a request.
public struct HTTPResponse: Sendable {
    /// The status code.
    public var status: Int
    /// Fields beside those that every answer has (`Date`, `Content-Length`, `Connection`).
    public var fields: [(name: String, value: String)]
    /// The content.
    public var body: [UInt8]

    /// Makes an answer.
    public init(_ status: Int, type: String, body: [UInt8], fields: [(name: String, value: String)] = []) {
        self.status = status
        self.fields = [("Content-Type", type)] + fields
        self.body = body
    }

    /// A sentence and a line's end as plain text.
    public init(_ status: Int, text: String, fields: [(name: String, value: String)] = []) {
        self.init(
            status, type: "text/plain; charset=utf-8", body: Array((text + "\n").utf8), fields: fields)
    }

    /// What a request is refused with that could not be read.
    public init(_ problem: HTTPProblem) {
        self.init(
            problem.status, text: problem.sentence,
            fields: problem == .methodNotAllowed ? [("Allow", "GET, HEAD")] : [])
    }

    /// The bytes that are sent.
    ///
    /// - Parameters:
    ///   - hasBody: no for HEAD, which is answered with the length that GET would have.
    ///   - time: seconds since 1970.
    public func bytes(hasBody: Bool, keepsAlive: Bool, time: Int) -> [UInt8] {
        var head = "HTTP/1.1 \(status) \(Self.phrase(status))\r\n"
        head += "Date: \(Self.date(time))\r\n"
        head += "Content-Length: \(body.count)\r\n"
        head += "Connection: \(keepsAlive ? "keep-alive" : "close")\r\n"
        let own = Set(fields.map(\.name))
        for (name, value) in fields + Self.always.filter({ !own.contains($0.name) }) {
            head += "\(name): \(Self.line(value))\r\n"
        }
        return Array((head + "\r\n").utf8) + (hasBody ? body : [])
    }

    /// What a browser shall not do with any answer. Nothing runs and nothing is loaded unless an answer allows it.
    private static let always: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ]

    /// What is in a field stays in its line.
    private static func line(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value < 0x7f }))
    }

    private static func phrase(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 303: "See Other"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }

    /// `Sat, 21 Nov 2026 02:00:00 GMT` (RFC 9110, section 5.6.7).
    static func date(_ time: Int) -> String {
        var (seconds, parts) = (time, tm())
        gmtime_r(&seconds, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
            + "\(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}
