import CLinux
import Glibc
import SystemCalls
import Transport

/// How it is found out whether a member works.
enum Probe: Equatable {
    /// It takes a connection.
    case tcp
    /// It answers a request for a path, by the first of its ports, with a status of 2xx or 3xx.
    case http(path: String)
    /// A shell command at this host ends with 0 (`RETINUE_HOST`, `RETINUE_PORT`).
    case command(String)

    enum Answer {
        case up, silent
        /// Nobody listens: whatever it had is gone as well.
        case refused
    }

    private static let beginning = "http:"
    /// Characters of a path that neither a request nor a line of settings has to write otherwise.
    private static let plain = Set("-._~!$&()*+,;=:@/?%".utf8)
    /// Seconds for an answer.
    static let patience = 2

    /// Reads `tcp`, `http:/PATH` or a command; without a text it is `tcp`.
    init(_ text: String?) throws(MoveError) {
        guard let text, text != "tcp" else {
            self = .tcp
            return
        }
        guard text.hasPrefix(Self.beginning + "/") else {
            guard !text.isEmpty else { throw MoveError("--probe is tcp, http:/PATH, or a shell command") }
            self = .command(text)
            return
        }
        let path = text.dropFirst(Self.beginning.count)
        guard !path.hasPrefix("//") else {
            throw MoveError("--probe http:/PATH has no host: each member is asked at its own address")
        }
        let isPlain = path.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || Self.plain.contains(byte)
        }
        guard isPlain, path.utf8.count <= 1024 else {
            throw MoveError(
                "--probe http:/PATH has letters, digits and -._~!$&()*+,;=:@/?% alone, others as %XX")
        }
        self = .http(path: String(path))
    }

    /// Read again it is the same.
    var text: String {
        switch self {
        case .tcp: "tcp"
        case .http(let path): Self.beginning + path
        case .command(let command): command
        }
    }

    /// What a server is asked, by haproxy as well.
    static func request(_ path: String) -> String { "GET \(path) HTTP/1.0\r\n\r\n" }

    /// Whether an answer that begins so is that of a server that works.
    static func works(_ line: [UInt8]) -> Bool {
        // HTTP/1.1 204 No Content
        let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...]
        let words = text.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0].starts(with: "HTTP/1.".utf8), words[1].count == 3,
            let status = Int(String(decoding: words[1], as: UTF8.self))
        else { return false }
        return (200..<400).contains(status)
    }

    /// Asks a member.
    func ask(_ address: String, _ port: UInt16) -> Answer {
        if case .command(let command) = self {
            let words = [
                "sh", "-c",
                "RETINUE_HOST=\(address) RETINUE_PORT=\(port)\nexport RETINUE_HOST RETINUE_PORT\n\(command)",
            ]
            return (try? Tool.run(words, seconds: 5))?.status == 0 ? .up : .silent
        }
        do throws(TLSError) {
            let socket = try Sockets.connect(to: address, port: port, seconds: 1)
            guard case .http(let path) = self else { return .up }
            return Self.get(path, over: socket) ? .up : .silent
        } catch {
            return error.description.hasSuffix(SystemError.text(of: ECONNREFUSED)) ? .refused : .silent
        }
    }

    private static func get(_ path: String, over socket: borrowing FileDescriptor) -> Bool {
        let question = Array(request(path).utf8)
        // It fits into the socket's buffer, which is empty.
        guard send(socket.number, question, question.count, Int32(MSG_NOSIGNAL)) == question.count else {
            return false
        }
        let limit = Clock.monotonic() + UInt64(patience) * 1_000_000_000
        var line: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 512)
        while line.count < 4096 {
            // Of a server that sends little by little the whole is waited for no longer.
            let now = Clock.monotonic()
            var waiting = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            guard now < limit, poll(&waiting, 1, Int32((limit - now) / 1_000_000 + 1)) > 0 else {
                return false
            }
            let count = recv(socket.number, &part, part.count, 0)
            guard count > 0 else { return false }
            line += part[..<count]
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) { return works(Array(line[..<end])) }
        }
        return false
    }
}
