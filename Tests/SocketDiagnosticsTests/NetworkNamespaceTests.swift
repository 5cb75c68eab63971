import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls
import Testing

@Suite(.serialized, .enabled(if: isRoot, "needs root: it makes a network namespace"))
struct NetworkNamespaceTests {
    /// A namespace that nothing but its descriptor keeps, with its loopback up.
    private func makeNamespace() throws -> FileDescriptor {
        var made: Int32 = -1
        try NetworkNamespace(path: "/proc/self/ns/net").run {
            guard unshare(CLONE_NEWNET) == 0 else { return }
            let control = Loopback.socket(AF_INET, clinux_SOCK_DGRAM)
            var request = [UInt8](repeating: 0, count: 40)  // struct ifreq: name, flags
            request[0...1] = [UInt8(ascii: "l"), UInt8(ascii: "o")]
            request[16] = UInt8(IFF_UP)
            precondition(clinux_ioctl_pointer(control.number, UInt(SIOCSIFFLAGS), &request) == 0)
            made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }
        return FileDescriptor(owning: made)
    }

    private func inode(_ path: String) -> UInt64 {
        var status = stat()
        precondition(stat(path, &status) == 0)
        return UInt64(status.st_ino)
    }

    @Test func socketsAreSeenOnlyFromWithin() throws {
        let descriptor = try makeNamespace()
        let namespace = try NetworkNamespace(path: "/proc/self/fd/\(descriptor.number)")
        let home = inode("/proc/thread-self/ns/net")
        #expect(namespace.inode != home)

        let outside = try DestroyListener()
        let inside = try namespace.destroyListener()
        var queryOutside = try SocketQuery()
        var queryInside = try namespace.socketQuery()

        // Nothing else uses 127.0.0.77.
        let there = SocketAddress(v4: 0x7f00_004d, port: 0).low
        var serverNumber: Int32 = -1
        var serverPort: UInt16 = 0
        try namespace.run {
            let server = Loopback.bound(AF_INET, host: 77)
            serverPort = Loopback.port(of: server)
            for _ in 0..<23 {
                _ = Loopback.connected(AF_INET, to: serverPort, host: 77)
                _ = Loopback.accepted(server)
            }
            serverNumber = server.release()
        }
        let server = FileDescriptor(owning: serverNumber)
        let mine: (ClosedSocket) -> Bool = { $0.remote.low == there && $0.remote.port == serverPort }
        #expect(try inside.sockets(23, where: mine).count == 23)
        #expect(try outside.sockets(0, where: mine).isEmpty)

        let listening = Loopback.inode(of: server)
        #expect(try queryInside.inet(.v4, .tcp, states: .listening).map(\.inode) == [listening])
        #expect(try queryOutside.inet(.v4, .tcp, states: .listening).allSatisfy { $0.inode != listening })
        // This thread never left.
        #expect(inode("/proc/thread-self/ns/net") == home)
    }

    @Test func whatIsNoNamespaceIsRefused() throws {
        #expect(throws: SystemError.self) {
            _ = try NetworkNamespace(path: "/run/netns/none-of-that-name")
        }
        for path in ["/proc/self/ns/uts", "/dev/null"] {
            let other = try NetworkNamespace(path: path)
            #expect(throws: SystemError("setns", code: EINVAL)) { try other.run { Issue.record("ran") } }
            #expect(throws: SystemError.self) { _ = try other.destroyListener() }
            #expect(throws: SocketQueryError.self) { _ = try other.socketQuery() }
        }
    }
}
