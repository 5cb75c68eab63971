import CLinux
import CMnl
import Glibc
public import Net
import SystemCalls
import Wire

/// A listener of the notices that the kernel sends when a TCP or UDP socket dies.
///
/// It hears the network namespace that it was opened in, and on demand those that have a number there (see
/// `NetworkNumbers`). Needs `CAP_NET_ADMIN`, for others `CAP_NET_BROADCAST`, and Linux 4.5 with `CONFIG_INET_DIAG`.
/// Bytes are handed on as received, so that they can be recorded, and parsed elsewhere (`parse`).
///
/// libmnl carries the socket. The receive itself is `recvmsg`: `mnl_socket_recvfrom` reports neither the sender, and one
/// who is root in a container's namespace may send to a listener there, nor the namespace.
public struct DestroyListener: ~Copyable {
    private let socket: OpaquePointer
    private let scratch: UnsafeMutableRawBufferPointer
    /// Whether notices of other network namespaces come as well.
    public let hearsOthers: Bool

    /// What one receive brought.
    public enum Received: Equatable, Sendable {
        /// One datagram, at this range of the buffer.
        case datagram(Range<Int>)
        /// Nothing is waiting.
        case nothing
        /// Notices were lost: the kernel had to drop some (ENOBUFS), or a datagram was longer than any
        /// known one and cut off. Receiving goes on behind the gap.
        case overrun
    }

    /// Opens the socket in the calling thread's network namespace and joins the four groups.
    ///
    /// - Parameter receiveBuffer: bytes of socket buffer to ask for (`SO_RCVBUFFORCE`, else `SO_RCVBUF`).
    ///   The kernel gives twice as much; a notice occupies 1,280 bytes of it (measured on Linux 6.18).
    /// - Parameter asksOthers: whether to ask for notices of other namespaces too (`NETLINK_LISTEN_ALL_NSID`, Linux 4.2);
    ///   `hearsOthers` says whether they come.
    public init(receiveBuffer: Int32 = 32 << 20, asksOthers: Bool = false) throws(SystemError) {
        guard
            let socket = mnl_socket_open2(
                NETLINK_SOCK_DIAG, clinux_SOCK_CLOEXEC | clinux_SOCK_NONBLOCK)
        else { throw SystemError("socket") }
        do throws(SystemError) {
            try Self.prepare(socket, receiveBuffer)
        } catch {
            mnl_socket_close(socket)
            throw error
        }
        self.socket = socket
        var on: Int32 = 1
        hearsOthers =
            asksOthers
            && mnl_socket_setsockopt(
                socket, NETLINK_LISTEN_ALL_NSID, &on, socklen_t(MemoryLayout<Int32>.size)) == 0
        // A notice has 380 bytes on Linux 6.18; it grows with tcp_info.
        scratch = .allocate(byteCount: 8192, alignment: 16)
    }

    deinit {
        mnl_socket_close(socket)
        scratch.deallocate()
    }

    /// The number to poll.
    public var number: Int32 { mnl_socket_get_fd(socket) }

    /// Receives one datagram of any namespace behind what `buffer` holds.
    public borrowing func receive(appendingTo buffer: inout [UInt8]) throws(SystemError) -> Received {
        var namespace: Int32?
        return try receive(appendingTo: &buffer, from: &namespace)
    }

    /// The same; `namespace` becomes the number of the network namespace that the datagram comes from, `nil` for the
    /// listener's own (which may have a number as well).
    public borrowing func receive(
        appendingTo buffer: inout [UInt8], from namespace: inout Int32?
    ) throws(SystemError) -> Received {
        while true {
            var (sender, from): (UInt32, Int32) = (0, -1)
            let count = clinux_receive_netlink(number, scratch.baseAddress, scratch.count, &sender, &from)
            if count < 0 {
                if let received = try Self.received(failing: errno) { return received }
                continue
            }
            // Port 0 is the kernel's.
            if sender != 0 { continue }
            namespace = from < 0 ? nil : from
            if count > scratch.count { return .overrun }
            let start = buffer.count
            buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            return .datagram(start..<buffer.count)
        }
    }

    /// What the `errno` of a receive means; `nil` if it is to be tried again at once.
    ///
    /// - Throws: where the socket itself is not as it should be.
    public static func received(failing code: Int32) throws(SystemError) -> Received? {
        switch code {
        case EINTR: nil
        case EAGAIN: .nothing
        case ENOBUFS: .overrun
        default: throw SystemError("recvmsg", code: code)
        }
    }

    /// Calls `body` with each closed socket of a datagram.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with the notices before it
    /// already delivered. The corresponding C structure is `inet_diag_msg`.
    ///
    /// - Throws: `WireError`; an offset inside a message counts from its payload.
    public static func parse(
        _ datagram: RawSpan, _ body: (borrowing ClosedSocket) -> Void
    ) throws(WireError) {
        try ClosedSocket.parse(datagram, body)
    }

    private static func prepare(_ socket: OpaquePointer, _ receiveBuffer: Int32) throws(SystemError) {
        let number = mnl_socket_get_fd(socket)
        try setReceiveBuffer(number, receiveBuffer)
        // Port 0 lets the kernel choose: a process may have several listeners.
        if mnl_socket_bind(socket, 0, 0) != 0 { throw SystemError("bind") }
        try change(socket, NETLINK_ADD_MEMBERSHIP, [SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY])
        try change(socket, NETLINK_ADD_MEMBERSHIP, tcpGroups)
    }

    private static var tcpGroups: [sknetlink_groups] {
        [SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY]
    }

    private static func change(
        _ socket: OpaquePointer, _ option: Int32, _ groups: [sknetlink_groups]
    ) throws(SystemError) {
        for group in groups {
            var group = Int32(group.rawValue)
            let size = socklen_t(MemoryLayout<Int32>.size)
            if mnl_socket_setsockopt(socket, option, &group, size) != 0 { throw SystemError("setsockopt") }
        }
    }

    /// Leaves the groups of TCP: where nobody listens the kernel makes no notice of a TCP socket's end. Those that it
    /// has made already can still be received. UDP is heard as ever.
    ///
    /// The corresponding option is `NETLINK_DROP_MEMBERSHIP`, see netlink(7); Linux 2.6.23.
    public borrowing func leaveTCP() throws(SystemError) {
        try Self.change(socket, NETLINK_DROP_MEMBERSHIP, Self.tcpGroups)
    }

    /// Joins the groups of TCP again: sockets that end from now on are reported.
    ///
    /// The corresponding option is `NETLINK_ADD_MEMBERSHIP`, see netlink(7).
    public borrowing func joinTCP() throws(SystemError) {
        try Self.change(socket, NETLINK_ADD_MEMBERSHIP, Self.tcpGroups)
    }
}

/// Sets a socket's receive buffer, beyond the system's limit where that is allowed.
func setReceiveBuffer(_ number: Int32, _ bytes: Int32) throws(SystemError) {
    for option in [SO_RCVBUFFORCE, SO_RCVBUF] {
        var bytes = bytes
        if setsockopt(number, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<Int32>.size)) == 0 { return }
    }
    throw SystemError("setsockopt")
}

/// A socket that is no more, as a destroy notice reports it.
///
/// **Sockets that their own side gave up are reported in part.** When a program resets a connection
/// (`SO_LINGER` of 0, then `close`), and when a connect fails, the kernel wipes the remote port, the local
/// address unless it was bound, and all counters before the notice is made; cookie, local port and
/// remote address stay (measured on Linux 6.18). A notice whose remote port is 0 is such a socket, a
/// listening one, or one that was never connected. The other end of a reset connection is reported in full.
public struct ClosedSocket: Equatable, Sendable {
    /// TCP or UDP.
    public let transport: TransportProtocol
    /// The state at the end: for TCP always `close`; a connected UDP socket keeps `established`.
    public let state: TCPState
    /// This end.
    public let local: SocketAddress
    /// The other end; port 0 where there was none, or where it is no longer known (see above).
    public let remote: SocketAddress
    /// The socket's number that is never used twice, and that dumps show too.
    public let cookie: UInt64
    /// The owner's user id. **Always 0 up to Linux 6.18, whoever owned the socket**: nothing to go by.
    public let userID: UInt32
    /// The cgroup's id (`INET_DIAG_CGROUP_ID`): dumps have it, notices do not up to Linux 6.18.
    public let cgroup: UInt64?
    /// The interface that the socket was bound to, or 0.
    public let interface: UInt32
    /// What a TCP socket carried.
    public let traffic: TCPTraffic?

    /// Whether this is no connection's socket, but a second one that was made of one handshake and thrown away.
    ///
    /// Where two packets complete a handshake on two processors at once, each makes a socket, and the later one is undone
    /// (`inet_csk_complete_hashdance`): its notice has the two ends of the connection that lives, and nothing was counted on it.
    /// No socket of a connection ends like that: its end takes a segment of its own, or a reset behind the one that completed
    /// the handshake; and where a program resets it the remote port is wiped (seen on Linux 6.1 to 7.3).
    public var isDuplicate: Bool {
        guard transport == .tcp, remote.port != 0, let traffic, traffic.bytesReceived == 0,
            let received = traffic.segmentsReceived, let sent = traffic.segmentsSent
        else { return false }
        return sent == 0 && received <= 1
    }

    /// Calls `body` with each notice of a datagram; messages of other kinds are skipped.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with the notices before it
    /// already delivered. The corresponding C structure is `inet_diag_msg`.
    ///
    /// - Throws: `WireError`; an offset inside a message counts from its payload.
    static func parse(
        _ datagram: RawSpan, _ body: (borrowing ClosedSocket) -> Void
    ) throws(WireError) {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: datagram) {
            guard Int32(message.type) == SOCK_DIAG_BY_FAMILY else { continue }
            let payload = datagram.extracting(message.payload)
            guard let fields = try InetMessage(payload) else { continue }
            body(ClosedSocket(fields, fields.traffic(payload)))
        }
    }

    private init(_ fields: InetMessage, _ traffic: TCPTraffic?) {
        transport = fields.transport
        state = fields.state
        local = fields.local
        remote = fields.remote
        cookie = fields.cookie
        userID = fields.userID
        cgroup = fields.cgroup
        interface = fields.interface
        self.traffic = traffic
    }
}
