import CLinux
import Glibc
import SystemCalls

/// The command line's end of the control socket.
public enum ControlClient {
    /// Asks the daemon that listens on a path, and waits for its answer.
    ///
    /// - Throws: `.notRunning`, `.noPermission`, `.timedOut`, `.refused` with the daemon's sentence,
    ///   `.otherVersion`, `.foreignDaemon` or `.badReply`.
    public static func request(
        _ path: String, _ request: ControlRequest, timeoutMilliseconds: Int
    ) throws(ControlError) -> ControlReply {
        try self.request(path, request, timeoutMilliseconds: timeoutMilliseconds, userOf: DaemonUser.folder)
    }

    /// The same with another folder whose owner is believed, for tests.
    static func request(
        _ path: String, _ request: ControlRequest, timeoutMilliseconds: Int, userOf folder: String
    ) throws(ControlError) -> ControlReply {
        let wait = Wait(path: path, milliseconds: timeoutMilliseconds)
        let place = try SocketPlace(path)
        let socket = try connect(to: place, wait, userOf: folder)
        try send(request, over: socket, path)
        let datagram = try receive(from: socket, wait)
        return try datagram.reply(to: request, path)
    }

    /// A deadline, and what to say when it is missed.
    private struct Wait {
        let path: String
        let milliseconds: Int
        private let end: UInt64

        init(path: String, milliseconds: Int) {
            self.path = path
            self.milliseconds = min(max(milliseconds, 0), 1_000_000_000)
            end = Clock.monotonic() + UInt64(self.milliseconds) * 1_000_000
        }

        /// Milliseconds left, rounded up; 0 when the time is over.
        var left: Int32 {
            let now = Clock.monotonic()
            return now < end ? Int32((end - now + 999_999) / 1_000_000) : 0
        }

        var failure: ControlError { .timedOut(path: path, milliseconds: milliseconds) }
    }

    /// A datagram as it came, with the descriptor that came along.
    private struct Datagram: ~Copyable {
        let bytes: [UInt8]
        let isCut: Bool
        let descriptor: FileDescriptor?

        consuming func reply(
            to request: ControlRequest, _ path: String
        ) throws(ControlError) -> ControlReply {
            guard !isCut else { throw .badReply(path: path, "an answer that is too long") }
            if let version = ControlMessage.version(of: bytes), version != ControlMessage.version {
                throw .otherVersion(path: path, version)
            }
            // Protocol 1 answers without a version, to a request of any later one with an error.
            if bytes.starts(with: ControlMessage.oldFailure) || bytes.starts(with: ControlMessage.oldSuccess)
            {
                throw .otherVersion(path: path, 1)
            }
            if bytes.starts(with: ControlMessage.failure) {
                let sentence = bytes.dropFirst(ControlMessage.failure.count)
                throw .refused(String(decoding: sentence, as: UTF8.self))
            }
            guard bytes.starts(with: ControlMessage.success) else {
                throw .badReply(path: path, "an answer that is neither ok nor error")
            }
            let text = Array(bytes.dropFirst(ControlMessage.success.count))
            switch request {
            case .status:
                guard let descriptor else { return .status(text) }
                do throws(SystemError) {
                    return .status(try descriptor.readAll(limit: ControlClient.longestStatus))
                } catch { throw .system(error, path: path) }
            case .dump:
                guard let descriptor else { throw .badReply(path: path, "a dump without its file") }
                return .dump(descriptor)
            case .changes:
                guard let descriptor else { return .changes(text) }
                return .dump(descriptor)
            case .forget:
                guard let counts = Self.counts(text) else {
                    throw .badReply(path: path, "a number of forgotten records that is none")
                }
                return .forgotten(counts)
            }
        }

        private static func counts(_ text: [UInt8]) -> [ForgottenCount]? {
            var counts: [ForgottenCount] = []
            for word in String(decoding: text, as: UTF8.self).split(separator: " ") {
                let parts = word.split(separator: "=", omittingEmptySubsequences: false)
                guard parts.count == 2, let records = UInt64(parts[1]) else { return nil }
                counts.append(ForgottenCount(relation: String(parts[0]), records: records))
            }
            return counts
        }
    }

    /// As much of a status is read, bytes.
    static let longestStatus = 256 << 20

    private static func connect(
        to place: borrowing SocketPlace, _ wait: Wait, userOf folder: String
    ) throws(ControlError) -> FileDescriptor {
        let socket = try controlSocket(0, path: place.path)
        let number = socket.number
        // Bounds connect when the daemon's queue of connections is full.
        var time = timeval()
        let left = max(wait.left, 1)
        time.tv_sec = Int(left / 1000)
        time.tv_usec = Int(left % 1000) * 1000
        do throws(SystemError) {
            _ = try systemCall("setsockopt") {
                setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            }
            _ = try systemCall("connect") { place.withAddress { Glibc.connect(number, $0, $1) } }
        } catch {
            if error.code == EAGAIN { throw wait.failure }
            if error.code == EPROTOTYPE {
                throw .badReply(path: place.path, "a socket of another type")
            }
            throw ControlError(error, path: place.path)
        }
        // Who listens in a folder that others may write in need not be a daemon: what it says is believed only of
        // those who could deceive this user anyway, and of whom root has running the daemon.
        var user: UInt32 = 0
        guard clinux_peer_user(number, &user) == 0 else {
            throw .system(SystemError("getsockopt"), path: place.path)
        }
        guard user == 0 || user == geteuid() || DaemonUser.isBelieved(user, at: place.path, folder) else {
            throw .foreignDaemon(path: place.path, user: user)
        }
        return socket
    }

    private static func send(
        _ request: ControlRequest, over socket: borrowing FileDescriptor, _ path: String
    ) throws(ControlError) {
        let number = socket.number
        let bytes = ControlMessage.encode(request)
        do throws(SystemError) {
            _ = try systemCall("sendmsg") { clinux_send_message(number, bytes, bytes.count, -1) }
        } catch {
            // A daemon that does not serve this user has answered and closed already: read that.
            if error.code != EPIPE && error.code != ECONNRESET { throw .system(error, path: path) }
        }
    }

    private static func receive(
        from socket: borrowing FileDescriptor, _ wait: Wait
    ) throws(ControlError) -> Datagram {
        let number = socket.number
        // One byte more than any answer, to notice a longer one even without its flag.
        var bytes = [UInt8](repeating: 0, count: ControlMessage.limit + 1)
        var wasReset = false
        while true {
            var descriptor: Int32 = -1
            var flags: Int32 = 0
            let count: Int?
            do throws(SystemError) {
                count = try systemCallUnlessBlocked("recvmsg") {
                    clinux_receive_message(number, &bytes, bytes.count, &descriptor, &flags)
                }
            } catch {
                // The kernel reports once that the peer closed with something unread, ahead of the
                // answer that it sent before.
                guard error.code == ECONNRESET, !wasReset else { throw .system(error, path: wait.path) }
                wasReset = true
                continue
            }
            guard let count else {
                try sleep(on: number, wait)
                continue
            }
            // Owned before anything can be thrown.
            let file = descriptor == -1 ? nil : FileDescriptor(owning: descriptor)
            guard count > 0 else { throw .badReply(path: wait.path, "closed without an answer") }
            return Datagram(
                bytes: Array(bytes[..<count]),
                isCut: flags & clinux_MSG_TRUNC != 0 || count > ControlMessage.limit,
                descriptor: file)
        }
    }

    private static func sleep(on number: Int32, _ wait: Wait) throws(ControlError) {
        let left = wait.left
        guard left > 0 else { throw wait.failure }
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        // An interruption or an end of time: the caller tries again, and comes back with what is left.
        _ = poll(&entry, 1, left)
    }
}
