import HTTPService
import TestSupport
import Testing

/// Heads of requests as they come in, and as nobody should send them.
@Suite("HTTP requests")
struct ParserTests {
    private func parse(_ text: String) -> HTTPParser.Outcome { HTTPParser.parse(Array(text.utf8)) }

    private func request(_ text: String) throws -> HTTPRequest {
        guard case .request(let request, let length) = parse(text) else {
            throw TestSupport.Failure("\(parse(text))")
        }
        #expect(length == text.utf8.count)
        return request
    }

    @Test func aRequest() throws {
        let request = try request(
            "GET /api/v1/why?program=a%2fb+c&member=%ff&x HTTP/1.1\r\nHost: localhost:1\r\nAccept:  */* \r\n\r\n"
        )
        #expect(request.method == "GET")
        #expect(request.pathText == "/api/v1/why")
        #expect(request.query.map { String(decoding: $0.name, as: UTF8.self) } == ["program", "member", "x"])
        #expect(request.query.map(\.value) == [Array("a/b c".utf8), [0xff], []])
        #expect(request.field("accept") == "*/*")
        #expect(request.keepsAlive)
    }

    @Test(arguments: [
        ("GET / HTTP/1.0\r\n\r\n", false), ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", false),
        ("\r\nHEAD http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true),
    ])
    func whetherTheConnectionStays(_ text: String, _ stays: Bool) throws {
        #expect(try request(text).keepsAlive == stays)
    }

    @Test(arguments: [
        ("GET /\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400), ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", 400), ("GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405), ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / SMTP\r\nHost: a\r\n\r\n", 400),
    ])
    func whatIsRefused(_ text: String, _ status: Int) {
        guard case .refused(let problem) = parse(text) else {
            Issue.record("\(text.debugDescription) is taken: \(parse(text))")
            return
        }
        #expect(problem.status == status, "\(text.debugDescription)")
    }

    /// The longest that is taken, and one byte more; a line that never ends is refused before it has.
    @Test func limits() {
        let line = "GET /" + String(repeating: "a", count: HTTPParser.longestLine - 14) + " HTTP/1.1"
        #expect(line.utf8.count == HTTPParser.longestLine)
        guard case .request = parse("\r\n" + line + "\r\nHost: a\r\n\r\n") else {
            Issue.record("the longest line is refused")
            return
        }
        #expect(parse("x" + line + "\r\nHost: a\r\n\r\n") == .refused(.targetTooLong))
        #expect(parse(String(repeating: "a", count: HTTPParser.longestLine + 2)) == .refused(.targetTooLong))
        let start = "GET / HTTP/1.1\r\nHost: a\r\n"
        let many = (1..<HTTPParser.mostFields).map { "X\($0): b\r\n" }.joined()
        guard case .request = parse(start + many + "\r\n") else {
            Issue.record("as many fields as may be are refused")
            return
        }
        #expect(parse(start + many + "Y: b\r\n\r\n") == .refused(.fieldsTooLarge))
        let long = "X: " + String(repeating: "a", count: HTTPParser.longestFields)
        #expect(parse(start + long) == .refused(.fieldsTooLarge))
        let whole = String(repeating: "a", count: HTTPParser.longestFields - 9 - 5)
        guard case .request(_, let length) = parse("\r\n" + line + "\r\nHost: a\r\nX: \(whole)\r\n\r\n")
        else {
            Issue.record("the longest head is refused")
            return
        }
        #expect(length == HTTPParser.longestHead)
    }

    /// No start of a request is taken for one, and no byte put anywhere makes the reader fall.
    @Test func pieces() {
        let text = Array("GET /a%20b?c=d+e HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n".utf8)
        for count in 0..<text.count { #expect(HTTPParser.parse(Array(text[..<count])) == .incomplete) }
        for position in text.indices {
            for byte in UInt8.min...UInt8.max {
                var other = text
                other[position] = byte
                _ = HTTPParser.parse(other)
            }
        }
    }

    @Test(arguments: [
        ("127.0.0.1:80", true), ("[::1]:0", true), ("localhost:9000", true), ("unix:/run/a.sock", true),
        ("0.0.0.0:80", false), ("[::]:80", false), ("10.0.0.1:80", false),
    ])
    func places(_ text: String, _ isLocal: Bool) throws {
        let place = try #require(HTTPPlace(text))
        #expect(place.isLocal == isLocal)
        #expect(HTTPPlace(place.description) == place)
    }

    @Test(arguments: [
        "", ":80", "80", "example.org:80", "::1:80", "[127.0.0.1]:80", "127.0.0.1:65536", "127.0.0.1",
    ])
    func noPlaces(_ text: String) { #expect(HTTPPlace(text) == nil) }
}
