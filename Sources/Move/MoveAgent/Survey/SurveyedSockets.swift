import Glibc
import Procfs
import SocketDiagnostics
import SystemCalls

/// All TCP, UDP and Unix sockets of one network namespace, read at once (sock_diag(7)).
struct SurveyedSockets {
    /// By inode.
    private(set) var inet: [UInt64: InetSocket] = [:]
    private(set) var unix: [UInt64: UnixSocket] = [:]
    /// Which TCP socket has two ends, its own first.
    private(set) var connections: [[SocketAddress]: UInt64] = [:]
    /// TCP ports on which somebody listens.
    private(set) var listening: Set<UInt16> = []
    /// Groups that interfaces receive.
    let groups: [MulticastGroup]
    /// What TCP sockets slow down by unless another algorithm was set (`tcp_congestion_control`).
    private(set) var congestion = ""

    /// Reads those of a process's namespace.
    ///
    /// - Throws: why they cannot be read.
    init(of pid: Int32) throws(MoveError) {
        groups = ProcessDirectory(pid)?.multicastGroups() ?? []
        do {
            let network = try NetworkNamespace(path: "/proc/\(pid)/ns/net")
            var query = try network.socketQuery()
            for family in [AddressFamily.v4, .v6] {
                for transport in [TransportProtocol.tcp, .udp] {
                    for socket in try query.inet(family, transport) where socket.inode != 0 {
                        inet[UInt64(socket.inode)] = socket
                        guard transport == .tcp else { continue }
                        if socket.state == .listen { listening.insert(socket.local.port) }
                        guard socket.remote.port != 0 else { continue }
                        connections[[socket.local, socket.remote]] = UInt64(socket.inode)
                    }
                }
            }
            for socket in try query.unix() where socket.inode != 0 { unix[UInt64(socket.inode)] = socket }
            congestion = try Self.congestion(in: network)
        } catch { throw MoveError("the sockets of process \(pid) cannot be read: \(error)") }
    }

    private static func congestion(in network: borrowing NetworkNamespace) throws -> String {
        var bytes: [UInt8] = []
        // The files below /proc/sys/net are those of the reading thread's namespace.
        try network.run {
            let path = "/proc/sys/net/ipv4/tcp_congestion_control"
            bytes = (try? FileDescriptor.open(path, O_RDONLY).readOnce(limit: 64)) ?? []
        }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// What TCP sockets of a process's namespace slow down by unless another algorithm was set; empty where that cannot be read.
    static func congestion(of pid: Int32) -> String {
        guard let network = try? NetworkNamespace(path: "/proc/\(pid)/ns/net") else { return "" }
        return (try? congestion(in: network)) ?? ""
    }

    /// The other end of a TCP connection, where it is of this namespace too.
    func otherEnd(of socket: InetSocket) -> UInt64? { connections[[socket.remote, socket.local]] }

    /// Whether a connection still waits at a Unix listener of its name to be accepted: nobody has its other end then.
    func listener(named name: [UInt8]) -> UInt64? {
        unix.first { $0.value.state == .listen && $0.value.name == name && !name.isEmpty }?.key
    }
}
