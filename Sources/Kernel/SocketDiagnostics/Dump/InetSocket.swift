import CLinux
import Wire
public import Net

/// A TCP or UDP socket that lives, as a dump shows it.
public struct InetSocket: Equatable, Sendable {
    /// TCP or UDP.
    public let transport: TransportProtocol
    /// The number in `/proc/PID/fd`'s `socket:[N]`; 0 where no descriptor names the socket any more.
    public let inode: UInt32
    /// The state; `close` for a UDP socket without a peer.
    public let state: TCPState
    /// This end.
    public let local: SocketAddress
    /// The other end; port 0 where there is none.
    public let remote: SocketAddress
    /// The owner's user id, as the user namespace of the query counts.
    public let userID: UInt32
    /// The socket's number that is never used twice; a destroy notice has the same.
    public let cookie: UInt64
    /// The cgroup's id, as an inode on the cgroup2 filesystem (`INET_DIAG_CGROUP_ID`, Linux 5.9).
    public let cgroup: UInt64?
    /// The interface that the socket is bound to, or 0.
    public let interface: UInt32
    /// Whether an IPv6 socket that listens refuses IPv4 (`INET_DIAG_SKV6ONLY`).
    public let isV6Only: Bool?
    /// What a TCP socket carried so far.
    public let traffic: TCPTraffic?

    /// The payload bytes a TCP socket received: exact, as a live socket's state tells whether the FIN
    /// that `traffic` may count was received.
    public var payloadReceived: UInt64? { traffic?.payloadReceived(countingFin: state.hasReceivedFin) }

    /// Calls `body` with each socket of a dump's bytes; messages of other kinds are skipped.
    ///
    /// - Throws: `WireError`; an offset inside a message counts from its payload.
    public static func parse(
        _ dump: RawSpan, transport: TransportProtocol, _ body: (borrowing InetSocket) -> Void
    ) throws(WireError) {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: dump) {
            guard Int32(message.type) == SOCK_DIAG_BY_FAMILY else { continue }
            let payload = dump.extracting(message.payload)
            guard var fields = try InetMessage(payload) else { continue }
            // Dumps of old kernels name no protocol: it is the one that was asked for.
            if fields.transport.rawValue == 0 { fields.transport = transport }
            body(InetSocket(fields, fields.traffic(payload)))
        }
    }

    private init(_ fields: InetMessage, _ traffic: TCPTraffic?) {
        transport = fields.transport
        inode = fields.inode
        state = fields.state
        local = fields.local
        remote = fields.remote
        userID = fields.userID
        cookie = fields.cookie
        cgroup = fields.cgroup
        interface = fields.interface
        isV6Only = fields.isV6Only
        self.traffic = traffic
    }
}
