import CLinux
import Glibc
@_exported public import Net

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

/// Which states a dump shows.
public struct SocketStates: OptionSet, Sendable {
    /// One bit a state: `1 << state`.
    public let rawValue: UInt32
    /// Makes a set from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The set of one state.
    public init(_ state: TCPState) { rawValue = 1 << UInt32(state.rawValue & 31) }
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
