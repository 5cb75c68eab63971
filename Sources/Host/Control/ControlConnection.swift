import CLinux
import Glibc
import SystemCalls

/// One client of the daemon, from accept to answer; closed when its owner lets it go.
///
/// The daemon's part: poll `number` until `request` gives one, answer once, let go. Let go as well after
/// any error, and of one whose `created` lies seconds back without a request.
public struct ControlConnection: ~Copyable {
    private let socket: FileDescriptor
    /// Who is at the other end.
    public let peer: ControlPeer
    /// When it was accepted, nanoseconds of `Clock.monotonic()`.
    public let created: UInt64
    private var hasAsked = false
    /// The line that an error begins with, as the client understands it.
    private var failure = ControlMessage.failure

    init(_ socket: consuming FileDescriptor, _ peer: ControlPeer) {
        self.socket = socket
        self.peer = peer
        created = Clock.monotonic()
    }

    /// The number to poll.
    public var number: Int32 { socket.number }

    /// The request, or `nil` when none has come yet.
    ///
    /// - Throws: `.badRequest` when something else came, already answered with an error;
    ///   `.disconnected` when the client has gone.
    public mutating func request() throws(ControlError) -> ControlRequest? {
        let number = number
        var bytes = [UInt8](repeating: 0, count: ControlMessage.requestLimit)
        let count: Int?
        do throws(SystemError) {
            // With MSG_TRUNC the answer is the length sent, not the length that fitted. Descriptors that
            // a hostile peer sends along are never installed, as there is no room for control data.
            count = try systemCallUnlessBlocked("recv") {
                recv(number, &bytes, bytes.count, clinux_MSG_DONTWAIT | clinux_MSG_TRUNC)
            }
        } catch {
            throw .disconnected
        }
        guard let count else { return nil }
        // The end, or an empty datagram: the two look the same.
        guard count > 0 else { throw .disconnected }
        guard count <= bytes.count else {
            throw refusal("a request is at most \(bytes.count) bytes long, not \(count)")
        }
        guard !hasAsked else { throw refusal("one request a connection") }
        hasAsked = true
        let request: ControlRequest
        do throws(ControlMessage.Objection) {
            request = try ControlMessage.decode(bytes[..<count])
        } catch {
            if error == .oldProtocol { failure = ControlMessage.oldFailure }
            throw refusal(error.sentence)
        }
        guard peer.role == .root || !request.verb.needsRoot else {
            throw refusal(
                "\(request.verb.rawValue) is for root; members of the group \(ControlPeer.group) may ask for the status "
                    + "and for dumps")
        }
        return request
    }

    /// Answers a status request.
    ///
    /// - Parameter json: UTF-8 JSON text of any length; what no datagram holds goes as a file in memory that nobody
    ///   can change (memfd_create(2), since Linux 3.17).
    public borrowing func reply(status json: [UInt8]) throws(ControlError) {
        try reply(json, "the status")
    }

    /// Answers a request for what has changed.
    ///
    /// - Parameter lines: as for a status.
    public borrowing func reply(changes lines: [UInt8]) throws(ControlError) {
        try reply(lines, "what has changed")
    }

    private borrowing func reply(_ text: [UInt8], _ name: String) throws(ControlError) {
        if ControlMessage.success.count + text.count <= ControlMessage.limit {
            return try send(ControlMessage.success + text)
        }
        var sealed: FileDescriptor?
        do throws(SystemError) {
            sealed = try Self.sealedFile(text)
        } catch {
            try? reply(error: "\(name) cannot be sent: \(error)")
            throw .system(error, path: name)
        }
        guard let sealed else { return }
        try reply(file: sealed)
    }

    private static func sealedFile(_ bytes: [UInt8]) throws(SystemError) -> FileDescriptor {
        let file = FileDescriptor(
            owning: try systemCall("memfd_create") {
                memfd_create("retinue-answer", UInt32(MFD_CLOEXEC) | UInt32(MFD_ALLOW_SEALING))
            })
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            do throws(SystemError) { try file.writeAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        let number = file.number
        _ = try systemCall("fcntl") { clinux_seal(number) }
        return file
    }

    /// Answers a dump request with a whole file, which the client reads at its leisure.
    ///
    /// What the client gets is open for reading only: by a descriptor that can be written to, a member of the group could
    /// fill the daemon's disk with what has no name. The file's mode has to keep it from opening that anew by /proc.
    ///
    /// - Parameter file: a complete file, which should have no name any more.
    public borrowing func reply(dump file: borrowing FileDescriptor) throws(ControlError) {
        let copy: FileDescriptor
        do throws(SystemError) {
            copy = try FileDescriptor.open("/proc/self/fd/\(file.number)", O_RDONLY)
        } catch {
            try? reply(error: "the dump cannot be sent: \(error)")
            throw .system(error, path: "a dump for a client")
        }
        try reply(file: copy)
    }

    /// Answers a forget request.
    public borrowing func reply(forgotten counts: [ForgottenCount]) throws(ControlError) {
        let words = counts.map { "\($0.relation)=\($0.records)" }
        try send(ControlMessage.success + Array(words.joined(separator: " ").utf8))
    }

    private borrowing func reply(file: borrowing FileDescriptor) throws(ControlError) {
        let number = file.number
        do throws(SystemError) {
            _ = try systemCall("lseek") { lseek(number, 0, SEEK_SET) }
        } catch {
            throw .system(error, path: "a file for a client")
        }
        try send(ControlMessage.success, descriptor: number)
    }

    /// Answers any request with a sentence that says why not.
    public borrowing func reply(error sentence: String) throws(ControlError) {
        try send(Array((failure + sentence.utf8).prefix(ControlMessage.limit)))
    }

    private borrowing func refusal(_ sentence: String) -> ControlError {
        try? reply(error: sentence)
        return .badRequest(sentence)
    }

    private borrowing func send(_ bytes: [UInt8], descriptor: Int32 = -1) throws(ControlError) {
        let number = number
        do throws(SystemError) {
            _ = try systemCall("sendmsg") {
                clinux_send_message(number, bytes, bytes.count, descriptor)
            }
        } catch {
            if error.code == EPIPE || error.code == ECONNRESET { throw .disconnected }
            throw .system(error, path: "a client")
        }
    }
}
