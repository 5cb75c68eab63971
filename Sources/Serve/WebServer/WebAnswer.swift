import HTTPTypes
import Hummingbird
import NIOCore

/// An answer to a request.
public struct WebAnswer: Sendable {
    /// The status code.
    public var status: Int
    /// Fields beside those that every answer has.
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

    /// What a browser shall not do with any answer. Nothing runs and nothing is loaded unless an answer allows it.
    private static let always: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "DENY"), ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ]

    /// All fields but those that the library makes.
    private var all: [(name: String, value: String)] {
        let own = Set(fields.map { $0.name.lowercased() })
        return fields + Self.always.filter { !own.contains($0.name.lowercased()) }
            + [("Content-Length", "\(body.count)")]
    }

    /// As the library sends it; without the content for HEAD, which is answered with the length that GET would have.
    func response(hasBody: Bool) -> Response {
        var headers = HTTPFields()
        for (name, value) in all {
            guard let name = HTTPField.Name(name) else { continue }
            headers.append(HTTPField(name: name, value: Self.line(value)))
        }
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers,
            body: hasBody ? ResponseBody(byteBuffer: ByteBuffer(bytes: body)) : ResponseBody())
    }

    /// As it is sent to a client whose bytes are no request: the connection ends with it.
    var lastBytes: ByteBuffer {
        var head =
            "HTTP/1.1 \(status) \(HTTPResponse.Status(code: status).reasonPhrase)\r\nConnection: close\r\n"
        for (name, value) in all { head += "\(name): \(Self.line(value))\r\n" }
        return ByteBuffer(bytes: Array((head + "\r\n").utf8) + body)
    }

    /// What is in a field stays in its line.
    private static func line(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value < 0x7f }))
    }
}
