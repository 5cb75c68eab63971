import CLinux
import Glibc
import SystemCalls

/// Whether these tests may ask the kernel for anything.
let isRoot = getuid() == 0

/// TCP connections on the loopback interface.
struct Loopback: ~Copyable {
    let family: Int32
    let port: UInt16
    private let server: FileDescriptor

    init(_ family: Int32 = AF_INET) {
        self.family = family
        let number = socket(family, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC, 0)
        precondition(Self.withAddress(family, 0) { bind(number, $0, $1) } == 0)
        precondition(listen(number, 512) == 0)
        port = Self.port(of: number)
        server = FileDescriptor(owning: number)
    }

    /// Connects; both ends stay open for as long as the result lives.
    borrowing func connect() -> Connection {
        let client = FileDescriptor(owning: socket(family, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC, 0))
        precondition(Self.withAddress(family, port) { Glibc.connect(client.number, $0, $1) } == 0)
        let peer = FileDescriptor(owning: accept(server.number, nil, nil))
        return Connection(port: Self.port(of: client.number), client: client, peer: peer)
    }

    /// Closes the server.
    consuming func stop() {}

    /// Connects over IPv4, and closes; returns an `errno` value.
    static func connect(to port: UInt16) -> Int32 {
        let client = FileDescriptor(owning: socket(AF_INET, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC, 0))
        return withAddress(AF_INET, port) { Glibc.connect(client.number, $0, $1) } == 0 ? 0 : errno
    }

    /// Both ends of a connection, closed in this order: client, server.
    struct Connection: ~Copyable {
        let port: UInt16
        private let client: Int32
        private let peer: Int32

        init(port: UInt16, client: consuming FileDescriptor, peer: consuming FileDescriptor) {
            self.port = port
            self.client = client.release()
            self.peer = peer.release()
        }

        /// Gives the connection up from the client's side (`SO_LINGER` of 0).
        consuming func reset() {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(client, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        }

        deinit {
            close(client)
            close(peer)
        }
    }

    private static func withAddress(
        _ family: Int32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        if family == AF_INET {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    private static func port(of number: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        precondition(result == 0)
        return UInt16(bigEndian: address.sin6_port)  // IPv4 has it in the same place.
    }
}
