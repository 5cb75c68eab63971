import CLinux
import Glibc
import SystemCalls

/// Which protocol a socket speaks that no table shows.
public enum SocketProtocol: Equatable, Sendable {
    case sctp, udpLite
    /// ICMP echo sockets.
    case ping
    /// Sockets between a virtual machine and its host (vsock(7)).
    case vsock

    /// The protocol by the name that the kernel gives it (`struct proto`); `nil` for any other.
    public init?(name: [UInt8]) {
        switch String(decoding: name, as: UTF8.self) {
        case "SCTP", "SCTPv6": self = .sctp
        case "UDP-Lite", "UDPLITEv6": self = .udpLite
        case "PING", "PINGv6": self = .ping
        case "AF_VSOCK": self = .vsock
        default: return nil
        }
    }
}

extension ProcessDirectory {
    /// The protocol of the socket behind a descriptor; `nil` if it is none of these, or gone.
    ///
    /// The corresponding C function is `getxattr`, with `system.sockprotoname` (Linux 2.6.18), which is why no module of
    /// diagnostics is needed.
    public borrowing func socketProtocol(_ descriptor: Int32) -> SocketProtocol? {
        socketProtocolName(descriptor).flatMap(SocketProtocol.init(name:))
    }

    /// The name of that protocol, such as `TCP` or `MPTCP`, of whatever socket; `nil` if it is none, or gone.
    public borrowing func socketProtocolName(_ descriptor: Int32) -> [UInt8]? {
        var name = [UInt8](repeating: 0, count: 64)
        // No call takes a path relative to a directory (before `getxattrat`, Linux 6.13).
        let path = "/proc/self/fd/\(directory.number)/fd/\(descriptor)"
        let count = getxattr(path, "system.sockprotoname", &name, name.count)
        return count > 0 ? Array(name[..<count].prefix { $0 != 0 }) : nil
    }
}
