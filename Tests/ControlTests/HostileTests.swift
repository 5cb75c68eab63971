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
        case shortened, withNewline, inCapitals, withZero, ofFullLength, tooLong, farTooLong, withSpace,
            empty, field,
            unknownField, twice, badAge, emptyField, notText, everything

        var text: String {
            switch self {
            case .shortened: "retinue-control/2 stat"
            case .withNewline: "retinue-control/2 status\n"
            case .inCapitals: "retinue-control/2 STATUS"
            case .withZero: "retinue-control/2 status\0"
            case .withSpace: "retinue-control/2  status"
            case .empty: "retinue-control/2"
            case .field: "retinue-control/2 dump\0path=/a"
            case .unknownField: "retinue-control/2 forget\0host=a"
            case .twice: "retinue-control/2 forget\0path=/a\0path=/b"
            case .badAge: "retinue-control/2 forget\0age=-1"
            case .emptyField: "retinue-control/2 forget\0path="
            case .notText: "retinue-control/2 forget\0path"
            case .everything: "retinue-control/2 forget"
            case .ofFullLength: String(repeating: "s", count: 16 * 1024)
            case .tooLong: String(repeating: "s", count: 16 * 1024 + 1)
            case .farTooLong: String(repeating: "s", count: 99_991)
            }
        }

        var answer: String {
            switch self {
            case .tooLong: "retinue-control/2 error\na request is at most 16384 bytes long, not 16385"
            case .farTooLong: "retinue-control/2 error\na request is at most 16384 bytes long, not 99991"
            case .unknownField, .twice, .badAge, .emptyField, .notText:
                "retinue-control/2 error\na request with a field that is not understood"
            case .everything:
                "retinue-control/2 error\nforget needs a program, a path, a workload or an age: it never forgets everything"
            default:
                "retinue-control/2 error\nan unknown request; retinued \(retinueVersion) knows status, dump, changes, forget"
            }
        }
    }

    @Test(arguments: Request.allCases)
    func isAnsweredAndClosed(request: Request) throws {
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
        _ = client.send(ControlMessage.encode(.dump))
        _ = client.send(ControlMessage.encode(.dump))
        #expect(try connection.request() == .dump)
        var failure: ControlError?
        do throws(ControlError) { _ = try connection.request() } catch { failure = error }
        #expect(failure == .badRequest("one request a connection"))
    }

    @Test func aClientThatLeavesIsNoticed() throws {
        let server = try ControlServer(path: folder.socket)
        do {
            let client = RawClient(folder.socket)
            _ = client.send(ControlMessage.encode(.status))
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
        pipe.sendWriteEnd(over: client.socket, with: ControlMessage.encode(.status))
        #expect(client.receive() == "retinue-control/2 ok\n{\"ready\":true}")
        // The reader sees the end only when no write end is open, in this process neither.
        let isAtEnd = pipe.isAtEnd()
        #expect(isAtEnd)
    }

    @Test func noiseChangesNothing() throws {
        let daemon = try TestDaemon(path: folder.socket, dump: [1])
        defer { daemon.stop() }
        var generator = SystemRandomNumberGenerator()
        let status = ControlMessage.encode(.status)
        for round in 0..<997 {
            let client = RawClient(folder.socket)
            let count = Int.random(in: 0...(round % 10 == 0 ? 70_000 : 80), using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Near misses: the beginning of a true request with noise behind, or one bit wrong.
            if round % 3 == 0 { bytes = status + bytes.prefix(3) }
            if round % 3 == 1 {
                bytes = ControlMessage.encode(.dump)
                let bit = UInt8.random(in: 0..<8, using: &generator)
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= 1 << bit
            }
            _ = client.send(bytes)
            if round % 2 == 0 {
                let answer = client.receive()
                #expect(
                    answer?.hasPrefix("retinue-control/2 \(bytes == status ? "ok" : "error")\n")
                        ?? bytes.isEmpty)
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
