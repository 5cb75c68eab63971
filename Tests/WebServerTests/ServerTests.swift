import Foundation
import Net
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import WebServer

/// The server against clients that keep to the rules and others.
@Suite("HTTP server")
struct HTTPServerTests {
    /// A server on a port of its own, until the body ends.
    private func with(
        _ limits: HTTPLimits = HTTPLimits(), lane: HTTPLane = .quick,
        answer: @escaping @Sendable (WebRequest) -> WebAnswer = { WebAnswer(200, text: $0.pathText ?? "?") },
        _ body: (UInt16) throws -> Void
    ) throws {
        let routes = [
            WebRoute("/", answer: answer), WebRoute("/long", lane: .long, answer: answer),
            WebRoute("/**", lane: lane, answer: answer),
        ]
        let server = try WebServer(.internet(.init(v4: 0x7f00_0001), port: 0), routes: routes, limits: limits)
        defer { server.stop() }
        guard case .internet(_, let port) = server.place else { throw TestSupport.Failure("no port") }
        try body(port)
    }

    @Test func requestsOnOneConnection() throws {
        try with { port in
            let client = try HTTPClient(port: port)
            client.ask("/a")
            #expect(try client.answer().text == "/a\n")
            // Two that come together are answered one after the other.
            client.send(Array("GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\nConn".utf8))
            #expect(try client.answer().text == "/b\n")
            client.send(Array("ection: close\r\n\r\n".utf8))
            let last = try client.answer()
            #expect(last.text == "/c\n")
            #expect(last.fields["connection"] == "close")
            #expect(try client.isClosed())
        }
    }

    @Test func headHasTheFieldsAndNoBody() throws {
        try with { port in
            let client = try HTTPClient(port: port)
            client.ask("/abc")
            let got = try client.answer()
            client.ask("/abc", method: "HEAD")
            let head = try client.answer(hasBody: false)
            #expect(head.status == 200)
            #expect(head.fields["content-length"] == "5")
            var (one, two) = (got.fields, head.fields)
            one["date"] = nil
            two["date"] = nil
            #expect(one == two)
            // What follows is an answer and no rest of a body.
            client.ask("/d")
            #expect(try client.answer().text == "/d\n")
        }
    }

    @Test func whatIsRefusedIsSaidAndEndsTheConnection() throws {
        try with { port in
            for (text, status) in [
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
                ("nonsense\r\n\r\n", 400),
                ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413),
                ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
                (String(repeating: "x", count: 200_000), 400),
                ("GET /" + String(repeating: "x", count: 200_000), 414),
                ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "A: b\r\n", count: 20_000), 431),
            ] {
                let client = try HTTPClient(port: port)
                client.send(Array(text.utf8))
                let answer = try client.answer()
                #expect(answer.status == status)
                #expect(answer.fields["allow"] == (status == 405 ? "GET, HEAD" : nil))
                #expect(try client.isClosed())
            }
        }
    }

    @Test func everyAnswerKeepsABrowserFromRunningAnything() throws {
        try with { port in
            let client = try HTTPClient(port: port)
            client.ask("/")
            let answer = try client.answer()
            #expect(answer.fields["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'")
            #expect(answer.fields["x-content-type-options"] == "nosniff")
        }
    }

    @Test func aHeadThatDoesNotCome() throws {
        var limits = HTTPLimits()
        limits.headMilliseconds = 300
        limits.idleMilliseconds = 400
        try with(limits) { port in
            let part = try HTTPClient(port: port)
            part.send(Array("GET / HTTP/1.1\r\n".utf8))
            let nothing = try HTTPClient(port: port)
            let idle = try HTTPClient(port: port)
            idle.ask("/")
            #expect(try idle.answer().status == 200)
            #expect(try part.answer().status == 408)
            #expect(try part.isClosed() && nothing.isClosed() && idle.isClosed())
        }
    }

    /// A byte now and then does not put the deadline off.
    @Test func aHeadThatDrips() throws {
        var limits = HTTPLimits()
        limits.headMilliseconds = 500
        try with(limits) { port in
            let client = try HTTPClient(port: port)
            let text = Array("GET / HTTP/1.1\r\nHost: localhost\r\nA: aaaaaaaaaaaaaaaaa\r\n\r\n".utf8)
            for byte in text.prefix(25) {
                client.send([byte])
                usleep(40_000)
            }
            // In time, if each byte had put the deadline off.
            client.send(text.dropFirst(25))
            #expect(try client.answer().status == 408)
        }
    }

    @Test func forOneMoreConnectionTheOldestSilentOneGoes() throws {
        var limits = HTTPLimits()
        limits.connections = 8
        // None of them goes for its silence alone while this looks.
        limits.headMilliseconds = 60_000
        try with(limits) { port in
            let silent = try (0..<24).map { _ in try HTTPClient(port: port) }
            let client = try HTTPClient(port: port)
            client.ask("/here")
            #expect(try client.answer().text == "/here\n")
            #expect(try silent[0].isClosed())
        }
    }

    /// While one lane is full, the other answers; what finds no place is refused and not kept.
    @Test func aFullLane() throws {
        var limits = HTTPLimits()
        limits.queued = 2
        let gate = DispatchSemaphore(value: 0)
        try with(
            limits,
            answer: { request in
                if request.pathText == "/long" { gate.wait() }
                return WebAnswer(200, text: "done")
            }
        ) { port in
            let clients = try (0..<3).map { _ in try HTTPClient(port: port) }
            for client in clients.prefix(2) { client.ask("/long") }
            let other = try HTTPClient(port: port)
            // Answered only after both were read.
            other.ask("/quick")
            #expect(try other.answer().status == 200)
            clients[2].ask("/long")
            let busy = try clients[2].answer()
            #expect(busy.status == 503)
            #expect(busy.fields["retry-after"] == "1")
            for _ in 0..<2 { gate.signal() }
            for client in clients.prefix(2) { #expect(try client.answer().status == 200) }
        }
    }

    /// Answers that nobody takes are held up to a bound.
    @Test func clientsThatTakeNothing() throws {
        var limits = HTTPLimits()
        limits.pendingBytes = 48 << 20
        let body = [UInt8](repeating: 0x61, count: 16 << 20)
        try with(
            limits,
            answer: { WebAnswer(200, type: "text/plain", body: $0.pathText == "/large" ? body : []) }
        ) { port in
            let greedy = try (0..<8).map { _ in try HTTPClient(port: port) }
            for client in greedy { client.ask("/large") }
            let client = try HTTPClient(port: port)
            client.ask("/")
            #expect(try client.answer().status == 200)
            var taken = 0
            for client in greedy where (try? client.answer())?.body.count == body.count { taken += 1 }
            #expect(taken >= 1 && taken <= 4)
        }
    }

    @Test func aUnixSocket() throws {
        try withTemporaryFolder { folder in
            let routes = [WebRoute("/") { _ in WebAnswer(200, text: "here") }]
            func server(_ path: String) throws -> WebServer {
                try WebServer(.unix(path: path), routes: routes)
            }
            let path = folder + "/http.sock"
            let first = try server(path)
            var status = stat()
            // Asked and not set, which other tests would see.
            let line = try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n")
                .first {
                    $0.hasPrefix("Umask:")
                }
            let mask = try #require(line.flatMap { mode_t($0.dropFirst(6).filter(\.isNumber), radix: 8) })
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o7777 == 0o660 & ~mask)
            #expect(throws: HTTPListenError.self) { try server(path) }
            let client = try HTTPClient(path: path)
            client.ask("/")
            #expect(try client.answer().text == "here\n")
            first.stop()
            #expect(lstat(path, &status) != 0)
            // A socket that nobody answers on is replaced.
            let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(dead, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            close(dead)
            #expect(lstat(path, &status) == 0)
            try server(path).stop()
            // A file that has the name stays.
            try write("mine", to: folder + "/file")
            #expect(throws: HTTPListenError.self) { try server(folder + "/file") }
            #expect(try String(contentsOfFile: folder + "/file", encoding: .utf8) == "mine")
            #expect(throws: HTTPListenError.self) { try server(folder + "/no/where") }
            #expect(throws: HTTPListenError.self) {
                try server(folder + "/" + String(repeating: "a", count: 79) + "/../" + "b")
            }
        }
    }

    @Test func noPlaceTwice() throws {
        try with { port in
            let error = #expect(throws: HTTPListenError.self) {
                try WebServer(.internet(.init(v4: 0x7f00_0001), port: port), routes: [])
            }
            #expect(error?.description.contains("Address already in use") == true)
        }
    }
}
