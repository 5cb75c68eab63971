import CLinux
import CNl
import Glibc
import SystemCalls
import Wire

/// Asks the kernel for the sockets that live now (`NETLINK_SOCK_DIAG`); may be used again and again.
///
/// It sees the network namespace that it was opened in, and no other (see `NetworkNamespace`). Unix
/// sockets belong to the namespace that they were made in. Linux 3.3.
///
/// libnl carries question and answer: it asks for the whole dump, checks lengths, and reports when the
/// kernel's tables changed meanwhile.
public struct SocketQuery: ~Copyable {
    private let socket: OpaquePointer
    /// Whether the last answer was left unfinished, so that the rest of it may still come.
    private var isUnsettled = false

    /// How often an interrupted dump is tried at most.
    public static let attempts = 5

    /// Opens the socket in the calling thread's network namespace.
    public init() throws(SocketQueryError) {
        guard let socket = nl_socket_alloc() else { throw .system(SystemError("malloc", code: ENOMEM)) }
        do throws(SocketQueryError) {
            try Self.prepare(socket)
        } catch {
            nl_socket_free(socket)
            throw error
        }
        self.socket = socket
    }

    deinit { nl_socket_free(socket) }

    /// The TCP or UDP sockets of one family.
    ///
    /// - Parameter states: which; `owned` leaves out what no process holds.
    public mutating func inet(
        _ family: AddressFamily, _ transport: TransportProtocol, states: SocketStates = .owned
    ) throws(SocketQueryError) -> [InetSocket] {
        var request = inet_diag_req_v2()
        request.sdiag_family = family.number
        request.sdiag_protocol = transport.rawValue
        request.idiag_states = states.rawValue
        if transport == .tcp { request.idiag_ext = 1 << UInt8(INET_DIAG_INFO - 1) }
        let bytes = try dump(withUnsafeBytes(of: &request) { [UInt8]($0) })
        var sockets = [InetSocket]()
        do throws(WireError) {
            try InetSocket.parse(bytes.span.bytes, transport: transport) { sockets.append(copy $0) }
        } catch {
            throw .malformed(error)
        }
        return sockets
    }

    /// The Unix sockets.
    public mutating func unix(states: SocketStates = .all) throws(SocketQueryError) -> [UnixSocket] {
        var request = unix_diag_req()
        request.sdiag_family = UInt8(AF_UNIX)
        request.udiag_states = states.rawValue
        request.udiag_show = UInt32(
            UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_UID)
        let bytes = try dump(withUnsafeBytes(of: &request) { [UInt8]($0) })
        var sockets = [UnixSocket]()
        do throws(WireError) {
            try UnixSocket.parse(bytes.span.bytes) { sockets.append(copy $0) }
        } catch {
            throw .malformed(error)
        }
        return sockets
    }

    /// Sends a request until its dump comes through undisturbed; returns the messages as they came.
    private mutating func dump(_ request: [UInt8]) throws(SocketQueryError) -> [UInt8] {
        for _ in 0..<Self.attempts {
            if let answer = try dumpOnce(request) { return answer }
        }
        throw .interrupted(attempts: Self.attempts)
    }

    /// One attempt; `nil` when it was interrupted.
    private mutating func dumpOnce(_ request: [UInt8]) throws(SocketQueryError) -> [UInt8]? {
        if isUnsettled { discardRest() }
        isUnsettled = true
        try send(request)
        var answer = Answer()
        let result = withUnsafeMutablePointer(to: &answer) { answer in
            // The pointer is used by `nl_recvmsgs_default` alone, and set anew before each call of it.
            nl_socket_modify_cb(socket, NL_CB_MSG_IN, NL_CB_CUSTOM, Answer.collect, answer)
            return nl_recvmsgs_default(socket)
        }
        isUnsettled = answer.ending == nil
        if let failure = answer.failure { throw .malformed(failure) }
        if let ending = answer.ending, ending.code != 0 {
            throw .refused(code: ending.code, reason: ending.reason)
        }
        if result == -NLE_DUMP_INTR { return nil }
        if result < 0 { throw .library(code: -result) }
        return answer.bytes
    }

    private borrowing func send(_ request: [UInt8]) throws(SocketQueryError) {
        guard let message = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_ROOT | NLM_F_MATCH) else {
            throw .system(SystemError("malloc", code: ENOMEM))
        }
        defer { nlmsg_free(message) }
        var request = request
        var result = nlmsg_append(message, &request, request.count, Int32(NLMSG_ALIGNTO))
        if result >= 0 { result = nl_send_auto(socket, message) }
        if result < 0 { throw .library(code: -result) }
    }

    /// Reads what an unfinished answer still has to say: each receive makes the kernel go on with its
    /// dump, and while that goes on it takes no other request.
    private borrowing func discardRest() {
        let number = nl_socket_get_fd(socket)
        var byte: UInt8 = 0
        while recv(number, &byte, 1, clinux_MSG_DONTWAIT) >= 0 || errno == EINTR || errno == ENOBUFS {}
    }

    private static func prepare(_ socket: OpaquePointer) throws(SocketQueryError) {
        let result = nl_connect(socket, NETLINK_SOCK_DIAG)
        if result < 0 { throw .library(code: -result) }
        let number = nl_socket_get_fd(socket)
        do throws(SystemError) {
            try connectToKernel(number)
            try setReceiveBuffer(number, 1 << 20)
            // An answer that does not come must not hold up the daemon for ever.
            var patience = timeval(tv_sec: 5, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            if setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &patience, size) != 0 {
                throw SystemError("setsockopt")
            }
        } catch {
            throw .system(error)
        }
        // Wanted, not needed: the kernel's sentence with its error (Linux 4.12).
        var on: Int32 = 1
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            _ = setsockopt(number, SOL_NETLINK, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        // After a failure libnl's count of answers would be behind for ever; `discardRest` replaces it.
        nl_socket_disable_seq_check(socket)
        // A dump ends with NLMSG_DONE, an acknowledgement would only be one message more.
        nl_socket_disable_auto_ack(socket)
        // The kernel fills at most 32 KiB at a time when it is given room for it.
        nl_socket_disable_msg_peek(socket)
        nl_socket_set_msg_buf_size(socket, 64 << 10)
    }

    /// Nobody but the kernel may answer: one who is root in a container could otherwise send to a
    /// socket there, and end a dump before its time.
    static func connectToKernel(_ number: Int32) throws(SystemError) {
        var kernel = sockaddr_nl()
        kernel.nl_family = sa_family_t(AF_NETLINK)
        let result = withUnsafePointer(to: &kernel) { kernel in
            kernel.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        if result != 0 { throw SystemError("connect") }
    }
}

/// What libnl's callback gathers during one dump.
private struct Answer {
    /// The messages that carry sockets, one behind the other, padded.
    var bytes = [UInt8]()
    var ending: Ending?
    var failure: WireError?

    /// libnl calls it with each message, whose length it has checked against what was received.
    static let collect: nl_recvmsg_msg_cb_t = { message, argument in
        let answer = argument!.assumingMemoryBound(to: Answer.self)
        let header = nlmsg_hdr(message)!
        let bytes = UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len))
        answer.pointee.take(bytes, type: Int32(header.pointee.nlmsg_type))
        return Int32(NL_OK.rawValue)
    }

    private mutating func take(_ message: UnsafeRawBufferPointer, type: Int32) {
        if type == SOCK_DIAG_BY_FAMILY {
            bytes.append(contentsOf: message)
            bytes.append(contentsOf: repeatElement(0, count: -message.count & 3))
            return
        }
        do throws(WireError) {
            if let ending = try Ending(message.bytes) { self.ending = ending }
        } catch {
            failure = error
        }
    }
}
