import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls
import Testing

/// Whether these tests may ask the kernel for anything.
let isRoot = getuid() == 0

/// How a conversation ends.
enum Closing: CaseIterable, Sendable {
    case clientFirst, serverFirst
    /// The client says that it is done, waits for the server's end, then closes.
    case shutdownFirst
    /// The client resets the connection.
    case reset
}

/// Sockets on the loopback interface of the calling thread's network namespace.
enum Loopback {
    /// A socket's address with a port, on the loopback or on 127.0.0.`host`.
    private static func withAddress<Result>(
        _ family: Int32, port: UInt16, host: UInt32 = 1,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        if family == AF_INET {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = (0x7f00_0000 | host).bigEndian
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

    static func socket(_ family: Int32, _ type: Int32, _ protocolNumber: Int32 = 0) -> FileDescriptor {
        FileDescriptor(owning: Glibc.socket(family, type | clinux_SOCK_CLOEXEC, protocolNumber))
    }

    static func close(_ socket: consuming FileDescriptor) {}

    /// A socket bound to a free port; listening, if it is a stream.
    static func bound(_ family: Int32, _ type: Int32 = clinux_SOCK_STREAM, host: UInt32 = 1) -> FileDescriptor
    {
        let server = socket(family, type)
        precondition(withAddress(family, port: 0, host: host) { bind(server.number, $0, $1) } == 0)
        if type == clinux_SOCK_STREAM { precondition(listen(server.number, 64) == 0) }
        return server
    }

    static func connected(
        _ family: Int32, _ type: Int32 = clinux_SOCK_STREAM, to port: UInt16, host: UInt32 = 1
    ) -> FileDescriptor {
        let client = socket(family, type)
        precondition(
            withAddress(family, port: port, host: host) { Glibc.connect(client.number, $0, $1) } == 0)
        return client
    }

    /// Connects over IPv4; returns an `errno` value.
    static func connect(_ client: borrowing FileDescriptor, to port: UInt16) -> Int32 {
        withAddress(AF_INET, port: port) { Glibc.connect(client.number, $0, $1) } == 0 ? 0 : errno
    }

    static func accepted(_ server: borrowing FileDescriptor) -> FileDescriptor {
        FileDescriptor(owning: accept(server.number, nil, nil))
    }

    static func port(of descriptor: borrowing FileDescriptor) -> UInt16 {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor.number, $0, &size) }
        }
        precondition(result == 0)
        return UInt16(bigEndian: address.sin6_port)  // IPv4 has it in the same place.
    }

    /// The number that notices and dumps call a socket by (`SO_COOKIE`).
    static func cookie(of descriptor: borrowing FileDescriptor) -> UInt64 {
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        precondition(getsockopt(descriptor.number, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0)
        return cookie
    }

    static func inode(of descriptor: borrowing FileDescriptor) -> UInt32 {
        var status = stat()
        precondition(fstat(descriptor.number, &status) == 0)
        return UInt32(status.st_ino)
    }

    static func send(
        _ count: Int, from sender: borrowing FileDescriptor, to receiver: borrowing FileDescriptor
    ) {
        let bytes = [UInt8](repeating: 7, count: count)
        precondition(write(sender.number, bytes, count) == count)
        var room = bytes
        precondition(count == 0 || recv(receiver.number, &room, count, Int32(MSG_WAITALL)) == count)
    }

    /// Reads the end of the stream.
    static func awaitEnd(_ descriptor: borrowing FileDescriptor) {
        var byte: UInt8 = 0
        _ = read(descriptor.number, &byte, 1)
    }

    /// A connection that carries some bytes each way and ends.
    ///
    /// - Returns: the client's port, and the cookies of both ends.
    static func converse(
        _ family: Int32, _ server: borrowing FileDescriptor, up: Int, down: Int, _ closing: Closing
    ) -> (port: UInt16, client: UInt64, server: UInt64) {
        let client = connected(family, to: port(of: server))
        let peer = accepted(server)
        let ends = (port(of: client), cookie(of: client), cookie(of: peer))
        send(up, from: client, to: peer)
        send(down, from: peer, to: client)
        switch closing {
        case .clientFirst:
            close(client)
            awaitEnd(peer)
        case .serverFirst:
            close(peer)
            awaitEnd(client)
        case .shutdownFirst:
            shutdown(client.number, Int32(SHUT_WR))
            awaitEnd(peer)
            close(peer)
            awaitEnd(client)
        case .reset:
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(client.number, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            close(client)
            awaitEnd(peer)
        }
        return ends
    }
}

extension DestroyListener {
    /// Receives until so many sockets that `isWanted` were reported, and then a little longer.
    borrowing func sockets(
        _ count: Int, where isWanted: (ClosedSocket) -> Bool
    ) throws -> [ClosedSocket] {
        var wanted = [ClosedSocket]()
        var patience = 500
        while patience > 0 {
            var buffer = [UInt8]()
            switch try receive(appendingTo: &buffer) {
            case .datagram(let range):
                #expect(range == 0..<buffer.count)
                for socket in try closedSockets(buffer) where isWanted(socket) { wanted.append(socket) }
            case .overrun: Issue.record("overrun")
            case .nothing:
                if wanted.count >= count { patience = min(patience, 20) }
                usleep(10_000)
                patience -= 1
            }
        }
        return wanted
    }
}
