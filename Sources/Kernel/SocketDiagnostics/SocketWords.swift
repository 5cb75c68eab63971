import CLinux
import Glibc

/// An address family that sock_diag can dump.
public enum AddressFamily: Sendable {
    /// `AF_INET`.
    case v4
    /// `AF_INET6`.
    case v6

    var number: UInt8 {
        switch self {
        case .v4: UInt8(AF_INET)
        case .v6: UInt8(AF_INET6)
        }
    }
}

/// A transport protocol by its number (`IPPROTO_TCP` and others).
public struct TransportProtocol: RawRepresentable, Hashable, Sendable {
    /// The protocol's number; 0 where the kernel did not say.
    public let rawValue: UInt8
    /// Makes a protocol from its number.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// `IPPROTO_TCP`.
    public static let tcp = TransportProtocol(rawValue: 6)
    /// `IPPROTO_UDP`.
    public static let udp = TransportProtocol(rawValue: 17)
}

/// A socket's state by the kernel's number; the names are those of TCP, which other sockets share.
public struct SocketState: RawRepresentable, Hashable, Sendable {
    /// The kernel's number (`TCP_ESTABLISHED` and others).
    public let rawValue: UInt8
    /// Makes a state from the kernel's number.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// `TCP_ESTABLISHED`: connected; also a UDP or Unix socket that has a peer.
    public static let established = SocketState(rawValue: 1)
    /// `TCP_SYN_SENT`: a connect waits for its answer.
    public static let synSent = SocketState(rawValue: 2)
    /// `TCP_SYN_RECV`: a connection that is not yet acknowledged; it has no inode.
    public static let synReceived = SocketState(rawValue: 3)
    /// `TCP_FIN_WAIT1`: closed on this side.
    public static let finWait1 = SocketState(rawValue: 4)
    /// `TCP_FIN_WAIT2`: closed on this side, and the peer knows.
    public static let finWait2 = SocketState(rawValue: 5)
    /// `TCP_TIME_WAIT`: a remnant without inode.
    public static let timeWait = SocketState(rawValue: 6)
    /// `TCP_CLOSE`: not connected.
    public static let close = SocketState(rawValue: 7)
    /// `TCP_CLOSE_WAIT`: closed by the peer.
    public static let closeWait = SocketState(rawValue: 8)
    /// `TCP_LAST_ACK`: closed by the peer, then by this side.
    public static let lastAcknowledgement = SocketState(rawValue: 9)
    /// `TCP_LISTEN`.
    public static let listen = SocketState(rawValue: 10)
    /// `TCP_CLOSING`: closed by both sides at once.
    public static let closing = SocketState(rawValue: 11)

    /// Whether a TCP socket in this state has taken in the peer's FIN.
    var isBehindFin: Bool {
        switch self {
        case .closeWait, .lastAcknowledgement, .closing, .timeWait: true
        default: false
        }
    }
}

/// Which states a dump shows.
public struct SocketStates: OptionSet, Sendable {
    /// One bit a state: `1 << state`.
    public let rawValue: UInt32
    /// Makes a set from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The set of one state.
    public init(_ state: SocketState) { rawValue = 1 << UInt32(state.rawValue & 31) }
    /// Every state.
    public static let all = SocketStates(rawValue: .max)
    /// Listening sockets.
    public static let listening = SocketStates(.listen)
    /// All but the remnants without inode: `TCP_TIME_WAIT`, `TCP_SYN_RECV` and, since Linux 4.4,
    /// `TCP_NEW_SYN_RECV` (12).
    public static let owned = all.subtracting([
        SocketStates(.timeWait), SocketStates(.synReceived), SocketStates(rawValue: 1 << 12),
    ])
}
