import Glibc
import Synchronization
import SystemCalls
import Testing

@testable import Control

@Suite("Clients that do not keep to the protocol")
struct HostileTests {
    let folder = TestFolder()

    /// What is sent, by how it is called in the output of the tests.
    enum Request: String, CaseIterable {
        case shortened, withNewline, inCapitals, withZero, ofFullLength, tooLong, farTooLong

        var text: String {
            switch self {
            case .shortened: "stat"
            case .withNewline: "status\n"
            case .inCapitals: "STATUS"
            case .withZero: "status\0"
            case .ofFullLength: String(repeating: "s", count: 64)
            case .tooLong: String(repeating: "s", count: 65)
            case .farTooLong: String(repeating: "s", count: 99_991)
            }
        }

        var answer: String {
            switch self {
            case .tooLong: "error\na request is at most 64 bytes long, not 65"
            case .farTooLong: "error\na request is at most 64 bytes long, not 99991"
            default: "error\nan unknown request; retinued \(retinueVersion) knows status and dump"
            }
        }
    }

    @Test(arguments: Request.allCases)
    func isToldSoAndClosed(request: Request) throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        let client = RawClient(folder.socket)
        #expect(client.send(Array(request.text.utf8)) == request.text.utf8.count)
        #expect(client.receive() == request.answer)
        #expect(client.receive() == nil)
        try stillServes()
    }

    @Test func anEmptyDatagramIsClosed() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        let client = RawClient(folder.socket)
        #expect(client.send([]) == 0)
        #expect(client.receive() == nil)
        try stillServes()
    }

    @Test func aSecondRequestIsNoRequest() throws {
        let server = try ControlServer(path: folder.socket)
        let client = RawClient(folder.socket)
        guard var connection = try server.accept() else { Issue.record(); return }
        #expect(try connection.request() == nil)
        _ = client.send(Array("dump".utf8))
        _ = client.send(Array("dump".utf8))
        #expect(try connection.request() == .dump)
        var failure: ControlError?
        do throws(ControlError) { _ = try connection.request() } catch { failure = error }
        #expect(failure == .badRequest("one request a connection"))
    }

    @Test func aClientThatLeavesIsNoticed() throws {
        let server = try ControlServer(path: folder.socket)
        do {
            let client = RawClient(folder.socket)
            _ = client.send(Array("status".utf8))
        }
        guard var connection = try server.accept() else { Issue.record(); return }
        #expect(try connection.request() == .status)
        // Neither SIGPIPE nor anything else but an error.
        var failures: [ControlError] = []
        do throws(ControlError) { try connection.reply(status: [0x7b, 0x7d]) } catch {
            failures.append(error)
        }
        do throws(ControlError) { _ = try connection.request() } catch { failures.append(error) }
        #expect(failures == [.disconnected, .disconnected])
        #expect(try isNone(server.accept()))
    }

    @Test func aSilentClientIsDroppedInTime() throws {
        let daemon = try TestDaemon(path: folder.socket, patience: 100_000_000)
        defer { daemon.stop() }
        let before = Clock.monotonic()
        let silent = RawClient(folder.socket)
        try stillServes()
        #expect(silent.receive() == nil)
        #expect(Clock.monotonic() - before >= 100_000_000)
        #expect(daemon.dropped.load(ordering: .relaxed) == 1)
    }

    @Test func creationIsOnTheMonotonicClock() throws {
        let server = try ControlServer(path: folder.socket)
        let before = Clock.monotonic()
        let client = RawClient(folder.socket)
        guard let connection = try server.accept() else { Issue.record(); return }
        #expect(connection.created >= before && connection.created <= Clock.monotonic())
        _ = client.socket.number
    }

    @Test func descriptorsSentAlongAreNotKept() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        var pipe = PipeWithoutWriter()
        let client = RawClient(folder.socket)
        pipe.sendWriteEnd(over: client.socket, with: Array("status".utf8))
        #expect(client.receive() == "ok\n{\"ready\":true}")
        // The reader sees the end only when no write end is open, in this process neither.
        let isAtEnd = pipe.isAtEnd()
        #expect(isAtEnd)
    }

    @Test func noiseChangesNothing() throws {
        let daemon = try TestDaemon(path: folder.socket, dump: [1])
        defer { daemon.stop() }
        var generator = SystemRandomNumberGenerator()
        for round in 0..<997 {
            let client = RawClient(folder.socket)
            let count = Int.random(in: 0...(round % 10 == 0 ? 70_000 : 80), using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Near misses: the beginning of a true request with noise behind, or one bit wrong.
            if round % 3 == 0 { bytes = Array("status".utf8) + bytes.prefix(3) }
            if round % 3 == 1 {
                bytes = Array("dump".utf8)
                let bit = UInt8.random(in: 0..<8, using: &generator)
                bytes[Int.random(in: 0..<4, using: &generator)] ^= 1 << bit
            }
            _ = client.send(bytes)
            if round % 2 == 0 {
                let answer = client.receive()
                let isTrue = bytes == Array("status".utf8)
                #expect(answer?.hasPrefix(isTrue ? "ok\n" : "error\n") ?? bytes.isEmpty)
            }
        }
        try stillServes()
    }

    private func stillServes() throws {
        let reply = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 5000)
        guard case .status(let text) = consume reply else { Issue.record(); return }
        #expect(text == TestDaemon.status)
    }

    private func isNone(_ connection: consuming ControlConnection?) -> Bool { connection == nil }
}
