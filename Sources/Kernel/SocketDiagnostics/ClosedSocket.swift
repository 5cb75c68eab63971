import CLinux
import Wire
public import Net

/// A socket that is no more, as a destroy notice tells it.
///
/// **Sockets that their own side gave up are reported in part.** When a program resets a connection
/// (`SO_LINGER` of 0, then `close`), and when a connect fails, the kernel wipes the remote port, the local
/// address unless it was bound, and all counters before the notice is made; cookie, local port and
/// remote address stay (measured on Linux 6.18). A notice whose remote port is 0 is such a socket, a
/// listening one, or one that was never connected. The other end of a reset connection is told in full.
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
