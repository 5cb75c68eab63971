import Net
import TestSupport
import Testing
import WebServer

/// Heads of requests as they come in, and as nobody should send them.
@Suite("HTTP requests")
struct RequestTests {
    /// What is answered to some bytes, by a server of its own.
    private func answers(_ texts: [[UInt8]]) throws -> [HTTPClient.Answer?] {
        let echo: @Sendable (WebRequest) -> WebAnswer = { request in
            let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
            return WebAnswer(200, text: "\(request.path)?\(query)")
        }
        let server = try WebServer(
            .internet(.init(v4: 0x7f00_0001), port: 0),
            routes: [WebRoute("/", answer: echo), WebRoute("/**", answer: echo)])
        defer { server.stop() }
        guard case .internet(_, let port) = server.place else { throw TestSupport.Failure("no port") }
        return try texts.map { text in
            let client = try HTTPClient(port: port)
            client.send(text)
            client.finish()
            let isHead = text.starts(with: "HEAD".utf8)
            do { return try client.answer(hasBody: !isHead) } catch is HTTPClient.Closed { return nil }
        }
    }

    private func answer(_ text: String) throws -> HTTPClient.Answer {
        try #require(try answers([Array(text.utf8)]).first ?? nil, "\(text.debugDescription)")
    }

    @Test func aRequest() throws {
        let answer = try answer(
            "GET /a%2fb+c?x=a%2fb+c&y=%ff&z HTTP/1.1\r\nHost: localhost:1\r\nAccept:  */* \r\n\r\n")
        let (path, x, y, z) = (Array("/a/b+c".utf8), Array("x".utf8), Array("y".utf8), Array("z".utf8))
        #expect(answer.text == "\(path)?\(x)=\(Array("a/b c".utf8))&\(y)=[255]&\(z)=[]\n")
    }

    @Test(arguments: [
        ("GET / HTTP/1.0\r\n\r\n", "close"),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "keep-alive"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", "close"),
        ("\r\nGET http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "keep-alive"),
    ])
    func whetherTheConnectionStays(_ text: String, _ connection: String) throws {
        #expect(try answer(text).fields["connection"] == connection)
    }

    @Test(arguments: [
        // Without a version it is one of HTTP/0.9.
        ("GET /\r\n\r\n", 505),
        ("GET / HTTP/1.1\nHost: a\n\n", 505), ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
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
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ])
    func whatIsRefused(_ text: String, _ status: Int) throws {
        let answer = try answer(text)
        #expect(answer.status == status, "\(text.debugDescription) \(answer.text)")
        #expect(answer.fields["content-security-policy"]?.contains("default-src 'none'") == true)
        #expect(answer.fields["connection"] == "close")
    }

    /// The longest that is taken, and one byte more.
    @Test func limits() throws {
        func status(_ target: Int, fields: Int, bytes: Int) throws -> Int {
            // A field is counted without its colon and ends; the first is Host: a.
            let many = (1..<fields).map { "X\($0): b\r\n" }
            let long = "Y: " + String(repeating: "a", count: bytes) + "\r\n"
            return try answer(
                "GET /" + String(repeating: "a", count: target - 1) + " HTTP/1.1\r\nHost: a\r\n"
                    + many.joined() + (bytes > 0 ? long : "") + "\r\n"
            ).status
        }
        #expect(try status(HTTPLimits.longestTarget, fields: 1, bytes: 0) == 200)
        #expect(try status(HTTPLimits.longestTarget + 1, fields: 1, bytes: 0) == 414)
        #expect(try status(1, fields: HTTPLimits.mostFields, bytes: 0) == 200)
        #expect(try status(1, fields: HTTPLimits.mostFields + 1, bytes: 0) == 431)
        #expect(try status(1, fields: 1, bytes: HTTPLimits.longestFields - 64) == 200)
        #expect(try status(1, fields: 1, bytes: HTTPLimits.longestFields) == 431)
    }

    /// No byte put anywhere makes the server fall, nor is anything else answered to than a request.
    @Test func anyByte() throws {
        let text = Array("GET /a%20b?c=d+e HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n".utf8)
        var texts: [[UInt8]] = [text]
        for position in text.indices {
            for byte: UInt8 in [0, 0x0a, 0x0d, 0x20, 0x25, 0x3a, 0x7f, 0xff] {
                var other = text
                other[position] = byte
                texts.append(other)
            }
        }
        let answers = try answers(texts + [text])
        #expect(answers.first??.status == 200 && answers.last??.status == 200)
        for (text, answer) in zip(texts, answers) {
            let status = try #require(
                answer?.status, "\(String(decoding: text, as: UTF8.self).debugDescription)")
            #expect([200, 400, 405, 505].contains(status))
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
