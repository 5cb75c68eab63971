/// The state of a TCP socket by the kernel's number (`TCP_*` in net/tcp_states.h), which sockets of other protocols share.
public struct TCPState: RawRepresentable, Hashable, Sendable {
    /// The kernel's number.
    public let rawValue: Int32
    /// Makes a state from the kernel's number.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// Makes a state from the kernel's number, as sock_diag writes it.
    public init(_ number: UInt8) { self.init(rawValue: Int32(number)) }

    /// `TCP_ESTABLISHED`: connected; also a UDP or Unix socket that has a peer.
    public static let established = TCPState(rawValue: 1)
    /// `TCP_SYN_SENT`: a connect waits for its answer.
    public static let synSent = TCPState(rawValue: 2)
    /// `TCP_SYN_RECV`: a connection arrives and is not yet acknowledged; sock_diag shows it without inode.
    public static let synReceived = TCPState(rawValue: 3)
    /// `TCP_FIN_WAIT1`: closed on this side.
    public static let finWait1 = TCPState(rawValue: 4)
    /// `TCP_FIN_WAIT2`: closed on this side, and the peer has acknowledged it.
    public static let finWait2 = TCPState(rawValue: 5)
    /// `TCP_TIME_WAIT`: a remnant without inode.
    public static let timeWait = TCPState(rawValue: 6)
    /// `TCP_CLOSE`: not connected.
    public static let close = TCPState(rawValue: 7)
    /// `TCP_CLOSE_WAIT`: closed by the peer.
    public static let closeWait = TCPState(rawValue: 8)
    /// `TCP_LAST_ACK`: closed by the peer, then by this side.
    public static let lastAck = TCPState(rawValue: 9)
    /// `TCP_LISTEN`.
    public static let listen = TCPState(rawValue: 10)
    /// `TCP_CLOSING`: closed by both sides at once.
    public static let closing = TCPState(rawValue: 11)
    /// `TCP_NEW_SYN_RECV`: a request that has no socket yet (since Linux 4.4).
    public static let newSynReceived = TCPState(rawValue: 12)

    /// Whether a socket in this state has taken in the peer's FIN.
    public var hasReceivedFin: Bool {
        switch self {
        case .closeWait, .lastAck, .closing, .timeWait: true
        default: false
        }
    }
}
