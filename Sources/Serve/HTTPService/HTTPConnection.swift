import Glibc
import SystemCalls

/// One client, and how far it is. Never waits.
final class HTTPConnection {
    enum State {
        /// The head of a request is on its way, or will be.
        case reading
        /// Somebody works on the answer.
        case answering
        /// The answer is on its way.
        case writing
        /// All is sent, and no more of this side will be; what the client still sends is thrown away for a moment, since a
        /// close with unread bytes would take the answer from it (RFC 9112, section 9.6).
        case lingering
    }

    private let socket: FileDescriptor
    var number: Int32 { socket.number }
    var state = State.reading
    /// When it is let go, nanoseconds of `Clock.monotonic`.
    var deadline: UInt64
    /// When it began to wait for what it waits for.
    var since: UInt64
    /// What the poller watches; nothing while it is answered.
    var interest: Poller.Interest?
    /// Requests that were answered.
    var served = 0
    /// Whether the request that is answered is HEAD, and whether another may follow.
    var request: (isHead: Bool, keepsAlive: Bool) = (false, false)
    private(set) var input: [UInt8] = []
    private var output: [UInt8] = []
    private var sent = 0
    private var lingered = 0

    init(_ socket: consuming FileDescriptor, now: UInt64, deadline: UInt64) {
        self.socket = socket
        self.deadline = deadline
        since = now
    }

    /// Bytes of an answer that are held for it.
    var pending: Int { output.count - sent }

    enum Progress {
        case more, nothing, closed
    }

    /// Reads what has come, up to the longest head: what follows it is left in the kernel.
    func receive() -> Progress {
        let room = HTTPParser.longestHead - input.count
        guard room > 0 else { return .nothing }
        let (bytes, progress) = read(upTo: min(room, 16 << 10))
        input += bytes
        return progress
    }

    /// Takes a request's bytes away.
    func consume(_ count: Int) { input.removeFirst(count) }

    func discardInput() { input = [] }

    func put(_ bytes: [UInt8]) {
        output = bytes
        sent = 0
    }

    /// Sends what the kernel takes; whether all is sent.
    func send() -> Progress {
        while sent < output.count {
            let (number, offset) = (socket.number, sent)
            let count = output.withUnsafeBytes { bytes in
                Glibc.send(
                    number, bytes.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN ? .nothing : .closed
            }
            sent += count
        }
        output = []
        sent = 0
        return .more
    }

    /// Says that nothing more will be sent.
    func finish() { _ = shutdown(socket.number, Int32(SHUT_WR)) }

    /// Throws away what the client sends; no more than a bound.
    func linger() -> Progress {
        let (bytes, progress) = read(upTo: 16 << 10)
        lingered += bytes.count
        return lingered > 1 << 20 ? .closed : progress
    }

    private func read(upTo limit: Int) -> ([UInt8], Progress) {
        let number = socket.number
        var progress = Progress.more
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let length = recv(number, buffer.baseAddress, limit, 0)
            count = max(length, 0)
            if length == 0 { progress = .closed }
            if length < 0 { progress = errno == EAGAIN || errno == EINTR ? .nothing : .closed }
        }
        return (bytes, progress)
    }
}
