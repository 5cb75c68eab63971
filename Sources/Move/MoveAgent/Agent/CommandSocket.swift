import CLinux
import Glibc
import Records
import SystemCalls
import Text

/// Where commands of this host reach the agent: a Unix socket for its owner alone, a line of JSON each way, reports before
/// the last.
enum CommandSocket {
    private static let mostBytes = 256 << 20

    /// Binds the path and serves for ever, each connection on a thread of its own.
    ///
    /// - Parameter ready: called once connections are taken.
    static func serve(_ path: String, _ agent: Agent, ready: () -> Void) throws(MoveError) {
        // Where no unit has made it.
        if path == AgentConfiguration.standardSocket, let slash = path.lastIndex(of: "/") {
            mkdir(String(path[..<slash]), 0o700)
        }
        let socket = try listen(path)
        ready()
        while true {
            let number = clinux_accept(socket.number)
            guard number >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                usleep(100_000)
                continue
            }
            let connection = Connection(FileDescriptor(owning: number))
            guard connection.isOwner else { continue }
            try? DetachedThread.start { answer(connection, agent) }
        }
    }

    private static func listen(_ path: String) throws(MoveError) -> FileDescriptor {
        guard var address = Self.address(path) else {
            throw MoveError("\(path) is too long for a socket's path")
        }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
        let descriptor = FileDescriptor(owning: number)
        func bound() -> Bool {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                }
            }
        }
        fchmod(number, 0o600)
        if !bound() {
            guard errno == EADDRINUSE, isDead(path) else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
            unlink(path)
            guard bound() else { throw MoveError("\(path): \(SystemError.text(of: errno))") }
        }
        guard Glibc.listen(number, 16) == 0 else {
            throw MoveError("\(path): \(SystemError.text(of: errno))")
        }
        return descriptor
    }

    /// Whether nobody answers on it.
    private static func isDead(_ path: String) -> Bool {
        guard var address = Self.address(path) else { return false }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return false }
        defer { close(number) }
        let done = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return done != 0 && errno == ECONNREFUSED
    }

    static func address(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    private static func answer(_ connection: Connection, _ agent: Agent) {
        while let line = connection.line(limit: mostBytes) {
            let last: JSONValue
            do throws(MoveError) {
                guard let request = try? JSONValue(parsing: line) else {
                    throw MoveError("a request is a line of JSON")
                }
                if request["verb"]?.string == "self" {
                    return try serveItself(request, connection, agent)
                }
                last = .object([
                    .init("done", .boolean(true)),
                    .init("answer", try agent.obey(request) { connection.say($0) }),
                ])
            } catch { last = .object([.init("error", .string(error.description))]) }
            connection.say(last)
        }
    }

    /// Seconds that a process has to close its socket.
    private static let closing = 10

    private static func serveItself(
        _ request: JSONValue, _ connection: Connection, _ agent: Agent
    ) throws(MoveError) {
        guard let pid = connection.peer else { throw MoveError("no process is at the other end") }
        let asked = try OwnRequest(request, of: pid, as: agent.name)
        connection.say(.object([.init("done", .boolean(true)), .init("answer", asked.answer)]))
        guard connection.isClosed(within: closing) else {
            return Diagnostics.say("process \(pid) asked for itself, and stays: it has not closed its socket")
        }
        asked.run(agent)
    }

    /// One connection; what is said on one that was closed is lost, and the work goes on.
    private final class Connection: @unchecked Sendable {
        private let socket: FileDescriptor
        private var waiting: [UInt8] = []

        init(_ socket: consuming FileDescriptor) { self.socket = socket }

        /// Whether it is root, or the agent's own user.
        var isOwner: Bool {
            var peer = ucred()
            var size = socklen_t(MemoryLayout<ucred>.size)
            return getsockopt(socket.number, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
                && (peer.uid == 0 || peer.uid == geteuid())
        }

        /// The process that has connected, as this one sees it; `nil` where it does not.
        var peer: Int32? {
            var peer = ucred()
            var size = socklen_t(MemoryLayout<ucred>.size)
            let isKnown =
                getsockopt(socket.number, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0
            return isKnown ? peer.pid : nil
        }

        /// Whether the other end closes in so many seconds; what it still says is not read as a request.
        func isClosed(within seconds: Int) -> Bool {
            let limit = Clock.monotonic() + UInt64(seconds) * 1_000_000_000
            var byte: UInt8 = 0
            while Clock.monotonic() < limit {
                var waiting = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
                _ = poll(&waiting, 1, 200)
                if waiting.revents != 0, recv(socket.number, &byte, 1, Int32(MSG_DONTWAIT)) == 0 {
                    return true
                }
            }
            return false
        }

        func line(limit: Int) -> [UInt8]? {
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            var searched = 0
            while true {
                if let end = waiting[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                    defer { waiting.removeFirst(end + 1) }
                    return Array(waiting[..<end])
                }
                searched = waiting.count
                let count = recv(socket.number, &buffer, buffer.count, 0)
                if count < 0 && errno == EINTR { continue }
                guard count > 0, waiting.count + count <= limit else { return nil }
                waiting += buffer[..<count]
            }
        }

        func say(_ value: JSONValue) {
            let bytes = AgentLink.bytes(value) + [UInt8(ascii: "\n")]
            var offset = 0
            while offset < bytes.count {
                let count = bytes.withUnsafeBytes {
                    send(socket.number, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
                }
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return }
                offset += count
            }
        }
    }
}
