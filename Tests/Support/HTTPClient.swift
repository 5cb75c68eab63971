import CLinux
import Foundation
import SystemCalls

/// A client of a test: bytes as they are, and answers as far as a test looks at them.
package final class HTTPClient {
    /// An answer.
    package struct Answer: Equatable {
        package var status: Int
        /// Names in lower case.
        package var fields: [String: String]
        package var body: [UInt8]
        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    private let socket: FileDescriptor
    private var input: [UInt8] = []

    /// Connects to 127.0.0.1.
    package convenience init(port: UInt16) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try self.init(AF_INET, address)
    }

    /// Connects to a Unix socket.
    package convenience init(path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        try self.init(AF_UNIX, address)
    }

    private init<Address>(_ family: Int32, _ address: Address) throws {
        socket = FileDescriptor(
            owning: try systemCall("socket") {
                Glibc.socket(family, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC, 0)
            })
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        _ = setsockopt(
            socket.number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = address
        let number = socket.number
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try systemCall("connect") { connect(number, pointer, socklen_t(MemoryLayout<Address>.size)) }
            }
        }
    }

    /// Sends bytes; a server that has gone is no error here.
    package func send(_ bytes: some Collection<UInt8>) {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Says that nothing more will be sent.
    package func finish() { _ = shutdown(socket.number, Int32(SHUT_WR)) }

    /// Sends a request.
    package func ask(
        _ target: String, method: String = "GET", host: String = "localhost", _ fields: String...
    ) {
        let lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)"] + fields
        send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
    }

    /// The next answer; without a body for HEAD.
    package func answer(hasBody: Bool = true) throws -> Answer {
        let end = Array("\r\n\r\n".utf8)
        while input.firstRange(of: end) == nil { try receive() }
        let head = input.firstRange(of: end)!
        let lines = String(decoding: input[..<head.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        input.removeFirst(head.upperBound)
        var answer = Answer(status: 0, fields: [:], body: [])
        let words = lines[0].split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else { throw Failure(lines[0]) }
        answer.status = status
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { throw Failure(line) }
            answer.fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        guard hasBody, let length = answer.fields["content-length"].flatMap({ Int($0) }) else {
            return answer
        }
        while input.count < length { try receive() }
        answer.body = Array(input.prefix(length))
        input.removeFirst(length)
        return answer
    }

    /// Whether the server has closed, and sent nothing before.
    package func isClosed() throws -> Bool {
        do { try receive() } catch is Closed { return true }
        return false
    }

    /// The other end has closed.
    package struct Closed: Error {}

    private func receive() throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket.number, &buffer, buffer.count, 0)
        if count == 0 || (count < 0 && errno == ECONNRESET) { throw Closed() }
        if count < 0 { throw Failure("no answer: \(String(cString: strerror(errno)))") }
        input += buffer[..<count]
    }
}
