import Glibc
import SystemCalls
import Testing

@testable import Control

@Suite("A client without a daemon that answers")
struct ClientTests {
    let folder = TestFolder()

    @Test func noSocket() {
        #expect(throws: ControlError.notRunning(path: folder.socket)) { try ask() }
        let nowhere = folder.path + "/no/such/folder.sock"
        #expect(throws: ControlError.notRunning(path: nowhere)) {
            _ = try ControlClient.request(nowhere, .status, timeoutMilliseconds: 100)
        }
    }

    @Test func aSocketThatNobodyAnswersOn() throws {
        leaveStaleSocket(folder.socket)
        #expect(throws: ControlError.notRunning(path: folder.socket)) { try ask() }
    }

    @Test func aFileIsNoDaemon() throws {
        _ = try FileDescriptor.open(folder.socket, O_WRONLY | O_CREAT, mode: 0o600)
        #expect(throws: ControlError.notRunning(path: folder.socket)) { try ask() }
    }

    @Test(arguments: ["", "/", "/tmp/", ".", "/tmp/..", "a\0b", "/tmp/" + String(repeating: "n", count: 81)])
    func aPathThatCannotBe(path: String) {
        #expect(throws: ControlError.unusablePath(path)) {
            _ = try ControlClient.request(path, .status, timeoutMilliseconds: 100)
        }
    }

    @Test func aDaemonThatNeverAnswers() throws {
        let server = try ControlServer(path: folder.socket)
        let start = Clock.monotonic()
        #expect(throws: ControlError.timedOut(path: folder.socket, milliseconds: 150)) { try ask(150) }
        let taken = Clock.monotonic() - start
        #expect(taken >= 150_000_000 && taken < 2_000_000_000)
        _ = server.number
    }

    @Test func aDaemonWhoseQueueIsFull() throws {
        let server = try ControlServer(path: folder.socket)
        // Connections wait in the queue until it takes no more.
        var waiting = 0
        for _ in 0..<40 {
            do throws(ControlError) {
                _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 1)
            } catch {
                #expect(error == .timedOut(path: folder.socket, milliseconds: 1))
                waiting += 1
            }
        }
        #expect(waiting == 40)
        // And still another daemon sees that this one lives.
        #expect(throws: ControlError.inUse(path: folder.socket)) {
            _ = try ControlServer(path: folder.socket)
        }
        _ = server.number
    }

    /// What a server answers to a dump request, by how it is called in the output of the tests.
    enum Answer: String, CaseIterable {
        case nothing, nonsense, withoutFile, cut, tooLong

        var text: String {
            switch self {
            case .nothing: ""
            case .nonsense: "nonsense"
            case .withoutFile: "retinue-control/2 ok\n"
            case .cut: "retinue-control/2 ok"
            case .tooLong: String(repeating: "x", count: 61 * 1024)
            }
        }

        var reason: String {
            switch self {
            case .nothing: "closed without an answer"
            case .nonsense, .cut: "an answer that is neither ok nor error"
            case .withoutFile: "a dump without its file"
            case .tooLong: "an answer that is too long"
            }
        }
    }

    @Test(arguments: Answer.allCases)
    func aServerThatSpeaksOtherwise(answer: Answer) throws {
        let listener = try RawListener(folder.socket)
        let path = folder.socket
        let thread = TestThread()
        thread.start { listener.answerOne(Array(answer.text.utf8)) }
        defer { thread.join() }
        #expect(throws: ControlError.badReply(path: path, answer.reason)) {
            _ = try ControlClient.request(path, .dump, timeoutMilliseconds: 5000)
        }
    }

    @Test func everyErrorSaysWhereAndWhatToDo() {
        for error in [
            ControlError.inUse(path: "/p"), .notASocket(path: "/p"), .notRunning(path: "/p"),
            .noPermission(path: "/p"), .timedOut(path: "/p", milliseconds: 3), .badReply(path: "/p", "r"),
            .system(SystemError("bind", code: EROFS), path: "/p"),
        ] {
            #expect(error.description.contains("/p"))
            #expect(!error.description.hasSuffix("."))
        }
    }

    private func ask(_ milliseconds: Int = 1000) throws(ControlError) {
        _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: milliseconds)
    }
}

/// A listener that answers its one client with whatever it is given.
final class RawListener: Sendable {
    private let socket: Box<FileDescriptor>

    init(_ path: String) throws {
        let socket = try controlSocket(0, path: path)
        let place = try SocketPlace(path)
        let number = socket.number
        precondition(place.withAddress { bind(number, $0, $1) } == 0)
        precondition(listen(number, 4) == 0)
        self.socket = Box(socket)
    }

    func answerOne(_ bytes: [UInt8]) {
        let client = FileDescriptor(owning: accept(socket.with { $0.number }, nil, nil))
        var request = [UInt8](repeating: 0, count: 64)
        _ = recv(client.number, &request, request.count, 0)
        if !bytes.isEmpty { _ = send(client.number, bytes, bytes.count, 0x4000 /* MSG_NOSIGNAL */) }
    }
}

/// Leaves what a daemon that was killed leaves behind.
func leaveStaleSocket(_ path: String) {
    let place = try! SocketPlace(path)
    let socket = try! controlSocket(0, path: path)
    let number = socket.number
    precondition(place.withAddress { bind(number, $0, $1) } == 0)
}
