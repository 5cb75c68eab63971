import CLinux
import Glibc
import SystemCalls

/// A socket of the internet that another process has open, as a descriptor of this one's (pidfd_getfd(2), Linux 5.6).
///
/// It is asked itself, since /proc/net/tcp goes through the whole table of the kernel's connections (10 ms and more), and clients wait
/// meanwhile. Not to be kept: one that its process closes would stay open.
final class TakenSocket {
    private(set) var number: Int32
    let isTCP: Bool

    private init(_ number: Int32, isTCP: Bool) { (self.number, self.isTCP) = (number, isTCP) }

    deinit { if number >= 0 { close(number) } }

    /// The descriptor, which is the caller's from now on.
    func release() -> Int32 {
        defer { number = -1 }
        return number
    }

    /// All of some processes; `nil` where they cannot be taken.
    static func all(of pids: [Int32]) -> [TakenSocket]? {
        var found: [TakenSocket] = []
        var process: (pid: Int32, descriptor: Int32) = (0, -1)
        defer { if process.descriptor >= 0 { close(process.descriptor) } }
        for socket in ServerSockets.descriptors(of: pids) {
            if process.pid != socket.pid {
                if process.descriptor >= 0 { close(process.descriptor) }
                process = (socket.pid, clinux_pidfd_open(socket.pid))
            }
            let copy = clinux_pidfd_getfd(process.descriptor, socket.number)
            guard copy >= 0 else {
                // It has been closed since, or its process has ended.
                if errno == EBADF || errno == ESRCH { continue }
                return nil
            }
            let domain = option(copy, SO_DOMAIN)
            let taken = TakenSocket(copy, isTCP: option(copy, SO_TYPE) == Int32(SOCK_STREAM.rawValue))
            if domain == AF_INET || domain == AF_INET6 { found.append(taken) }
        }
        return found
    }

    private static func option(_ socket: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1
    }

    private var isListener: Bool { isTCP && Self.option(number, SO_ACCEPTCONN) == 1 }

    private var port: UInt16? {
        var raw = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let done = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        // At the same place in an address of IPv4.
        return done == 0 ? UInt16(bigEndian: raw.sin6_port) : nil
    }

    /// `POLLRDHUP`.
    private static let otherHasEnded: Int32 = 0x2000

    /// Whether nothing waits to be taken by its process: no datagram, connection or byte.
    var isEmpty: Bool {
        var waiting = pollfd(fd: number, events: Int16(POLLIN | Self.otherHasEnded), revents: 0)
        guard poll(&waiting, 1, 0) > 0, waiting.revents & Int16(POLLIN) != 0 else { return true }
        // An error is its process's to be read.
        guard isTCP, waiting.revents & Int16(POLLERR) == 0 else { return isTCP }
        guard waiting.revents & Int16(Self.otherHasEnded) != 0 else { return false }
        // At the end of what the other one sends there may be bytes, and the end itself is always readable.
        var byte: UInt8 = 0
        return recv(number, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) <= 0
    }

    /// Connections of clients among all of a server's sockets.
    static func connections(_ sockets: [TakenSocket]) -> [TakenSocket] {
        let listening = Set(sockets.filter(\.isListener).compactMap(\.port))
        return sockets.filter { socket in
            guard socket.isTCP, !socket.isListener, let port = socket.port, listening.contains(port) else {
                return false
            }
            // tcpi_state: TCP_ESTABLISHED.
            return (try? OpenConnection.bytes(socket.number, TCP_INFO, 1))?.first == 1
        }
    }
}
