import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls

/// A question to the agent of this host, and what it says: lines of JSON on a Unix socket, reports before the answer.
struct AgentClient: ~Copyable {
    private let socket: FileDescriptor
    private var waiting: [UInt8] = []

    /// Where the agent is reached, unless another place is named.
    static let standardPath = "/run/retinue-agent/agent.sock"

    init(_ path: String) throws(Failure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure("\(path.printable) is too long for a socket's path", status: ExitStatus.badInput)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw Failure("socket: \(SystemError.text(of: errno))") }
        let done = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard done == 0 else {
            let code = errno
            close(number)
            throw Failure(
                "no agent answers on \(path.printable): \(SystemError.text(of: code))",
                details: ["start it on this host: retinue-agent --listen ADDRESS; see retinue-agent(8)"],
                status: ExitStatus.unreachable)
        }
        // It is given what to move, and what it says is believed: of nobody who could not do either himself.
        var user: UInt32 = 0
        guard clinux_peer_user(number, &user) == 0, user == 0 || user == geteuid() else {
            close(number)
            throw Failure(
                "what answers on \(path.printable) runs as user \(user), and not as root or the user who asks: "
                    + "it is not asked", status: ExitStatus.unreachable)
        }
        socket = FileDescriptor(owning: number)
    }

    /// Asks, and waits for the answer.
    ///
    /// - Parameter report: called with what the agent reports meanwhile.
    mutating func ask(_ request: JSONValue, _ report: (JSONValue) -> Void) throws(Failure) -> JSONValue {
        try send(request)
        return try answer(report)
    }

    /// Asks; the answer is to be waited for.
    func send(_ request: JSONValue) throws(Failure) {
        var out = JSONWriter()
        out.value(request)
        let bytes = out.bytes + [UInt8(ascii: "\n")]
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket.number, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw Failure("the agent does not listen: \(SystemError.text(of: errno))")
            }
            offset += count
        }
    }

    /// Waits for the answer to what was asked.
    ///
    /// - Parameter report: called with what the agent reports meanwhile.
    mutating func answer(_ report: (JSONValue) -> Void) throws(Failure) -> JSONValue {
        while true {
            let line = try line()
            guard let value = try? JSONValue(parsing: line) else {
                throw Failure("the agent said what is no JSON")
            }
            if let reason = value["error"]?.string { throw Failure(reason.printableOnce) }
            if value["done"] != nil { return value["answer"] ?? .null }
            report(value)
        }
    }

    private mutating func line() throws(Failure) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            if let end = waiting.firstIndex(of: UInt8(ascii: "\n")) {
                defer { waiting.removeFirst(end + 1) }
                return Array(waiting[..<end])
            }
            let count = recv(socket.number, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw Failure(
                    "the agent has ended; what was begun is undone or carried on when it is started again: "
                        + "retinue move status",
                    status: ExitStatus.unreachable)
            }
            waiting += buffer[..<count]
        }
    }
}

extension HostPlace {
    /// As an agent is asked to pass a request on.
    var value: JSONValue {
        .object([
            .init("host", .string(host)), .init("address", .string(address)),
            .init("port", .integer(Int128(port))),
        ])
    }
}
