import CLinux
import Foundation
import Glibc
import Synchronization
import SystemCalls

@testable import Control

/// A daemon that does nothing but answer: one poller, one thread, as the real one.
final class TestDaemon: Sendable {
    static let status = Array(#"{"ready":true}"#.utf8)

    private let isStopped = Atomic<Bool>(false)
    /// Connections dropped since they stayed silent.
    let dropped = Atomic<Int>(0)
    /// Requests and connections that ended in an error.
    let failed = Atomic<Int>(0)
    private let thread: TestThread

    /// Starts to serve `path`.
    ///
    /// - Parameters:
    ///   - patience: nanoseconds that a connection may stay silent.
    ///   - dump: what a dump file holds; `nil` answers with an error.
    init(
        path: String, status: [UInt8] = TestDaemon.status, dump: [UInt8]? = [], patience: UInt64 = 1 << 60,
        isServed: @escaping @Sendable (ControlPeer) -> Bool = { $0.role == .root }
    ) throws {
        let answers = Answers(status: status, dump: dump)
        let server = Box(try ControlServer(path: path, isServed: isServed))
        thread = TestThread()
        thread.start { [self] in
            server.with { serve($0, answers, patience: patience) }
        }
    }

    /// Ends the thread; the socket goes with it.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        thread.join()
    }

    private struct Answers: Sendable {
        let status: [UInt8]
        let dump: [UInt8]?
    }

    private final class Client {
        var connection: ControlConnection
        init(_ connection: consuming ControlConnection) { self.connection = connection }
    }

    private func serve(_ server: borrowing ControlServer, _ answers: Answers, patience: UInt64) {
        let poller = try! Poller()
        try! poller.add(server.number, token: 0)
        var clients: [UInt64: Client] = [:]
        var next: UInt64 = 1
        while !isStopped.load(ordering: .relaxed) {
            var ready: [UInt64] = []
            try! poller.wait(timeout: 5) { ready.append($0) }
            for token in ready where token != 0 {
                // A process that another test has just forked may hold a socket open that was closed here.
                if let client = clients[token], answer(client, answers) { clients[token] = nil }
            }
            while let connection = try! server.accept() {
                try! poller.add(connection.number, token: next)
                clients[next] = Client(connection)
                next += 1
            }
            let now = Clock.monotonic()
            for (token, client) in clients where now - client.connection.created > patience {
                clients[token] = nil
                dropped.add(1, ordering: .relaxed)
            }
        }
    }

    /// Whether the connection is done with.
    private func answer(_ client: Client, _ answers: Answers) -> Bool {
        do {
            guard let request = try client.connection.request() else { return false }
            switch request {
            case .status: try client.connection.reply(status: answers.status)
            case .dump:
                if let dump = answers.dump {
                    try client.connection.reply(dump: unnamedFile(dump))
                } else {
                    try client.connection.reply(error: "the disk is full")
                }
            case .changes(let after, _): try client.connection.reply(changes: Array("after \(after)".utf8))
            case .forget(let filter, let isDryRun):
                try client.connection.reply(forgotten: [
                    ForgottenCount(relation: "file", records: filter.age ?? 0),
                    ForgottenCount(relation: "spawn", records: isDryRun ? 1 : 0),
                ])
            }
        } catch {
            failed.add(1, ordering: .relaxed)
        }
        return true
    }
}

/// Carries a value that has one owner into a thread.
final class Box<Value: ~Copyable>: @unchecked Sendable {
    private let value: Value
    init(_ value: consuming Value) { self.value = value }
    func with<Result>(_ body: (borrowing Value) -> Result) -> Result { body(value) }
}

/// A thread of its own, as blocking calls have no place on the shared ones.
final class TestThread: @unchecked Sendable {
    private var thread = pthread_t()

    func start(_ body: @escaping @Sendable () -> Void) {
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        let failure = pthread_create(
            &thread, nil,
            {
                Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, argument)
        precondition(failure == 0)
    }

    func join() { pthread_join(thread, nil) }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

/// A file without a name that holds `bytes`, positioned at its end as after writing.
func unnamedFile(_ bytes: [UInt8]) -> FileDescriptor {
    let folder = TestFolder()
    let file = try! FileDescriptor.open(folder.path + "/dump", O_RDWR | O_CREAT, mode: 0o600)
    bytes.withUnsafeBytes { try! file.writeAll($0) }
    return file
}

/// A folder that goes with its owner.
final class TestFolder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/retinue-control-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    var socket: String { path + "/retinued.sock" }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// A client that speaks as it likes.
struct RawClient: ~Copyable {
    let socket: FileDescriptor

    init(_ path: String, type: Int32 = 5) {
        let place = try! SocketPlace(path)
        let socket = FileDescriptor(owning: Glibc.socket(AF_UNIX, type, 0))
        let number = socket.number
        precondition(place.withAddress { connect(number, $0, $1) } == 0)
        self.socket = socket
    }

    borrowing func send(_ bytes: [UInt8]) -> Int {
        Glibc.send(socket.number, bytes, bytes.count, 0x4000 /* MSG_NOSIGNAL */)
    }

    /// Waits for one datagram; `nil` at the end or when nothing came for two seconds.
    borrowing func receive() -> String? {
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 2000) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 1 << 17)
        let count = recv(socket.number, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}

/// A pipe whose write end is given away.
struct PipeWithoutWriter: ~Copyable {
    private let reading: FileDescriptor
    private var writing: FileDescriptor?

    init() {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        reading = FileDescriptor(owning: ends[0])
        writing = FileDescriptor(owning: ends[1])
    }

    /// Sends the write end along with `bytes`, and keeps none.
    mutating func sendWriteEnd(over socket: borrowing FileDescriptor, with bytes: [UInt8]) {
        let end = writing.take()!
        precondition(clinux_send_message(socket.number, bytes, bytes.count, end.number) == bytes.count)
    }

    /// Whether the end comes within two seconds.
    borrowing func isAtEnd() -> Bool {
        var entry = pollfd(fd: reading.number, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 2000) == 1 else { return false }
        var byte: UInt8 = 0
        return read(reading.number, &byte, 1) == 0
    }
}
