import CLinux
import Glibc
@_exported public import Net
import Wire

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

/// The address and port of one end of a socket.
///
/// IPv4 addresses take their IPv4-mapped form (`::ffff:a.b.c.d`), so that a connection looks the same
/// from both of its ends even where one of them is an IPv6 socket that also serves IPv4.
public struct SocketAddress: Hashable, Sendable {
    /// The first eight bytes of the address, the first byte most significant.
    public let high: UInt64
    /// The last eight bytes of the address.
    public let low: UInt64
    /// The port, in host order.
    public let port: UInt16

    /// An IPv6 address.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// An IPv4 address, the first byte most significant: 127.0.0.1 is `0x7f00_0001`.
    public init(v4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(address), port: port)
    }

    /// Whether this is an IPv4 address in its IPv4-mapped form.
    public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// Whether this is the address that stands for any (`::`, 0.0.0.0), whatever the port.
    public var isUnspecified: Bool { high == 0 && (low == 0 || low == 0xffff_0000_0000) }
}

/// What a TCP socket carried, out of the kernel's `tcp_info`.
///
/// **Sent** is exact: the kernel counts payload (no SYN, no FIN), and counts what it sent again apart.
///
/// **Received** counts sequence numbers, so that a FIN that arrived in order counts as one byte; a SYN
/// does not (measured on Linux 6.18). A destroy notice does not say whether a FIN was counted. It was
///
/// - where the peer closed first: the socket went through `TCP_CLOSE_WAIT`, `TCP_LAST_ACK` or
///   `TCP_CLOSING`;
/// - never where a reset ended it: from `TCP_ESTABLISHED`, `TCP_FIN_WAIT1` or `TCP_SYN_SENT` to
///   `TCP_CLOSE`;
/// - where this side closed first (`TCP_FIN_WAIT2` to `TCP_CLOSE`): if `unread` is 1. A closed socket
///   has read all there was, or it would have been reset, so what is unread can only be the FIN. With
///   `unread` 0 the kernel swapped the socket for a time-wait remnant before the FIN came, and counted
///   none; unless the program called `shutdown`, waited for the end of the stream, and only then closed.
///
/// Where the states are not known, the other end's `bytesSent` is the exact figure, and
/// `payloadReceived` gives both that are possible.
public struct TCPTraffic: Equatable, Sendable {
    /// Payload bytes sent, each counted once however often it was sent (Linux 4.19; `nil` before).
    public let bytesSent: UInt64?
    /// The kernel's `tcpi_bytes_received` (Linux 4.1): payload bytes received, and one for a FIN.
    public let bytesReceived: UInt64
    /// Segments with payload that arrived (`tcpi_data_segs_in`, Linux 4.6; `nil` before).
    public let dataSegmentsReceived: UInt32?
    /// All segments that arrived (`tcpi_segs_in`, Linux 4.2; `nil` before).
    public let segmentsReceived: UInt32?
    /// All segments that were sent (`tcpi_segs_out`, Linux 4.2; `nil` before).
    public let segmentsSent: UInt32?
    /// Sequence numbers received and not read: payload, and one for a FIN (`idiag_rqueue`).
    public let unread: UInt32

    /// The payload bytes received, as far as one notice alone says: one figure or two neighbours.
    public var payloadReceived: ClosedRange<UInt64> {
        if bytesReceived == 0 || (bytesReceived == 1 && dataSegmentsReceived == 0) { return 0...0 }
        return (bytesReceived - 1)...bytesReceived
    }

    /// The payload bytes received, by one who knows whether the peer's FIN was.
    public func payloadReceived(countingFin: Bool) -> UInt64 {
        bytesReceived - (countingFin && bytesReceived > 0 ? 1 : 0)
    }

    /// Reads the fields out of a `tcp_info`, which is as long as the running kernel knows it: `nil` where
    /// it ends before the first of them.
    init?(_ information: RawSpan, unread: UInt32) {
        func field<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int32) -> Value? {
            try? information.integer(at: Int(offset))
        }
        guard let received: UInt64 = field(clinux_tcp_info_bytes_received) else { return nil }
        bytesReceived = received
        dataSegmentsReceived = field(Int32(clinux_tcp_info_data_segs_in))
        segmentsReceived = field(clinux_tcp_info_segs_in)
        segmentsSent = field(clinux_tcp_info_segs_out)
        if let sent: UInt64 = field(clinux_tcp_info_bytes_sent),
            let again: UInt64 = field(clinux_tcp_info_bytes_retrans)
        {
            // What could not be sent again for want of memory counts among `again` alone.
            bytesSent = sent - min(sent, again)
        } else {
            bytesSent = nil
        }
        self.unread = unread
    }
}
