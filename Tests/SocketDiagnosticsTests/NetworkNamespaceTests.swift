import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls
import TestSupport
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

    /// One listener hears every namespace that has a number, and says of each notice from which it comes.
    @Test func oneListenerHearsThoseThatAreMet() throws {
        let numbers = try NetworkNumbers()
        let listener = try DestroyListener(asksOthers: true)
        let hears = listener.hearsOthers
        #expect(hears)
        let nearFile = try makeNamespace()
        let farFile = try makeNamespace()
        let near = try NetworkNamespace(path: "/proc/self/fd/\(nearFile.number)")
        let far = try NetworkNamespace(path: "/proc/self/fd/\(farFile.number)")
        let inode = near.inode
        // Nothing is heard of the other.
        let isMet = near.meet(numbers)
        #expect(isMet)
        try near.run { connectAndClose() }
        try far.run { connectAndClose() }
        let heard = try heard(listener, SocketAddress(v4: 0x7f00_004e, port: 0).low, 23)
        #expect(heard.count == 23)
        #expect(heard.allSatisfy { $0.flatMap { numbers.inode(of: $0) } == inode })
        // Asked again it has the same number.
        near.meet(numbers)
        far.meet(numbers)
        let number = try #require(heard.first ?? nil)
        #expect(numbers.inode(of: number) == inode)
    }

    /// The number of a namespace that has ended is another's later; what its last notices say is still its own.
    @Test func oneThatHasEndedIsThereNoLonger() throws {
        let numbers = try NetworkNumbers()
        var (first, second) = (UInt64(0), UInt64(0))
        do {
            let file = try makeNamespace()
            let namespace = try NetworkNamespace(path: "/proc/self/fd/\(file.number)")
            let stays = try makeNamespace()
            let other = try NetworkNamespace(path: "/proc/self/fd/\(stays.number)")
            (first, second) = (namespace.inode, other.inode)
            let areMet = [namespace.meet(numbers), other.meet(numbers)]
            #expect(areMet == [true, true])
            #expect(numbers.isThere(first) && numbers.isThere(second))
            #expect(numbers.knows(first) && numbers.isThere(numbers.own))
        }
        // The kernel's worker ends it some time after its last descriptor was closed.
        let hasEnded: Bool? = eventually(within: 20) { numbers.isThere(first) ? nil : true }
        #expect(hasEnded == true)
        #expect(!numbers.knows(first) && !numbers.isThere(0))
    }

    private func connectAndClose() {
        let server = Loopback.bound(AF_INET, host: 78)
        for _ in 0..<23 {
            _ = Loopback.connected(AF_INET, to: Loopback.port(of: server), host: 78)
            _ = Loopback.accepted(server)
        }
    }

    /// The numbers with the notices of connected sockets at an address, until there are so many and a moment longer.
    private func heard(
        _ listener: borrowing DestroyListener, _ address: UInt64, _ count: Int
    ) throws -> [Int32?] {
        var result: [Int32?] = []
        var patience = 100
        while patience > 0 {
            var bytes: [UInt8] = []
            var number: Int32?
            guard case .datagram = try listener.receive(appendingTo: &bytes, from: &number) else {
                usleep(10_000)
                patience = result.count < count ? patience - 1 : min(patience - 1, 20)
                continue
            }
            try DestroyListener.parse(bytes.span.bytes) { socket in
                if socket.remote.low == address, socket.remote.port != 0 { result.append(number) }
            }
        }
        return result
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
