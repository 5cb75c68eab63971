import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls
import Testing

@Suite(.serialized, .enabled(if: isRoot, "needs root: cgroups and owners of sockets are shown to root alone"))
struct SocketQueryTests {
    @Test(arguments: [(AF_INET, AddressFamily.v4), (AF_INET6, .v6)])
    func listeningSocket(family: Int32, asked: AddressFamily) throws {
        var query = try SocketQuery()
        let server = Loopback.bound(family)
        let inode = Loopback.inode(of: server)
        let found = try query.inet(asked, .tcp, states: .listening).filter { $0.inode == inode }
        try #require(found.count == 1)
        #expect(found[0].state == .listen)
        #expect(found[0].local.port == Loopback.port(of: server))
        #expect(found[0].remote.port == 0)
        // The kernel says so of every IPv6 address but `::`.
        #expect(found[0].isV6Only == (family == AF_INET6 ? true : nil))
        #expect(found[0].cookie == Loopback.cookie(of: server))
        #expect(try query.inet(asked, .tcp, states: .init(.established)).allSatisfy { $0.inode != inode })
    }

    @Test func connectionWithItsBytes() throws {
        var query = try SocketQuery()
        let server = Loopback.bound(AF_INET)
        let client = Loopback.connected(AF_INET, to: Loopback.port(of: server))
        let clientInode = Loopback.inode(of: client)
        let peer = Loopback.accepted(server)
        let peerInode = Loopback.inode(of: peer)
        Loopback.send(1000, from: client, to: peer)
        Loopback.send(77, from: peer, to: client)
        usleep(50_000)

        var all = try query.inet(.v4, .tcp)
        let near = try #require(all.first { $0.inode == clientInode })
        var far = try #require(all.first { $0.inode == peerInode })
        #expect(near.local == far.remote)
        #expect(near.remote == far.local)
        #expect(near.traffic?.bytesSent == 1000)
        #expect(near.payloadReceived == 77)
        #expect(far.traffic?.bytesSent == 77)
        #expect(far.payloadReceived == 1000)
        #expect(near.cookie != far.cookie)
        #expect(near.cgroup != nil)

        // The FIN counts in the raw figure, not in the payload.
        Loopback.close(client)
        usleep(50_000)
        all = try query.inet(.v4, .tcp)
        far = try #require(all.first { $0.inode == peerInode })
        #expect(far.state == .closeWait)
        #expect(far.traffic?.bytesReceived == 1001)
        #expect(far.payloadReceived == 1000)
        #expect(all.allSatisfy { $0.inode != clientInode })
    }

    @Test func datagramSocket() throws {
        var query = try SocketQuery()
        let server = Loopback.bound(AF_INET, clinux_SOCK_DGRAM)
        let client = Loopback.connected(AF_INET, clinux_SOCK_DGRAM, to: Loopback.port(of: server))
        let inode = Loopback.inode(of: client)
        let found = try #require(try query.inet(.v4, .udp).first { $0.inode == inode })
        #expect(found.transport == .udp)
        #expect(found.state == .established)
        #expect(found.remote.port == Loopback.port(of: server))
        #expect(found.traffic == nil)
    }

    @Test func unixPair() throws {
        var query = try SocketQuery()
        var pair: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, clinux_SOCK_STREAM, 0, &pair) == 0)
        let one = FileDescriptor(owning: pair[0])
        let other = FileDescriptor(owning: pair[1])
        let inodes = (Loopback.inode(of: one), Loopback.inode(of: other))
        let all = try query.unix()
        let near = try #require(all.first { $0.inode == inodes.0 })
        let far = try #require(all.first { $0.inode == inodes.1 })
        #expect(near.peer == inodes.1)
        #expect(far.peer == inodes.0)
        #expect(near.state == .established)
        #expect(near.name.isEmpty)
        #expect(near.userID == 0)
        #expect(near.cookie != far.cookie)
    }

    @Test func unixNames() throws {
        var query = try SocketQuery()
        let path = "/tmp/retinue-\(getpid()).socket"
        defer { unlink(path) }
        let names = [Array(path.utf8), [0] + Array("retinue-\(getpid())".utf8) + [0, 1]]
        var inodes = [UInt32]()
        var sockets = [Int32]()
        for name in names {
            let socket = Loopback.socket(AF_UNIX, clinux_SOCK_STREAM)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
            let size = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket.number, $0, size) }
            }
            precondition(result == 0 && listen(socket.number, 1) == 0)
            inodes.append(Loopback.inode(of: socket))
            sockets.append(socket.release())
        }
        defer { for socket in sockets { _ = Glibc.close(socket) } }
        let all = try query.unix(states: .listening)
        let bound = try #require(all.first { $0.inode == inodes[0] })
        #expect(bound.name == names[0])
        #expect(bound.state == .listen)
        #expect(bound.peer == 0)
        var status = stat()
        precondition(stat(path, &status) == 0)
        #expect(bound.file?.inode == UInt32(truncatingIfNeeded: status.st_ino))
        // The C library's form of a device number, for small numbers: major << 8 | minor.
        #expect(bound.file?.device == UInt32((status.st_dev >> 8) << 20 | status.st_dev & 0xff))
        let abstract = try #require(all.first { $0.inode == inodes[1] })
        #expect(abstract.name == names[1])
        #expect(abstract.isAbstract)
    }

    /// More than one receive's worth (32 KiB), and a socket that goes on to be of use.
    @Test func manySockets() throws {
        var query = try SocketQuery()
        var expected = Set<UInt32>()
        var sockets = [Int32]()
        for _ in 0..<400 {
            let socket = Loopback.bound(AF_INET)
            expected.insert(Loopback.inode(of: socket))
            sockets.append(socket.release())
        }
        for _ in 0..<3 {
            let found = try query.inet(.v4, .tcp, states: .listening).map(\.inode)
            #expect(expected.isSubset(of: found))
            #expect(Set(found).count == found.count)
        }
        for socket in sockets { _ = Glibc.close(socket) }
        // What another test has forked holds them open until it executes.
        var left = expected
        for _ in 0..<500 where !left.isEmpty {
            left.formIntersection(try query.inet(.v4, .tcp, states: .listening).map(\.inode))
            if !left.isEmpty { usleep(10_000) }
        }
        #expect(left.isEmpty)
    }

    @Test func refusalIsReported() throws {
        var query = try SocketQuery()
        for _ in 0..<2 {
            #expect {
                try query.inet(.v4, TransportProtocol(rawValue: 77))
            } throws: { error in
                guard case .refused(ENOENT, _) = error as? SocketQueryError else { return false }
                return true
            }
            _ = try query.inet(.v4, .tcp)
        }
    }
}

/// Tables whose module is not there.
@Suite struct AvailabilityTests {
    @Test func allAreThereOnThisKernel() throws {
        var query = try SocketQuery()
        #expect(query.unavailable().isEmpty)
    }

    /// A protocol that has no diagnostics is refused as a module that cannot be loaded is.
    @Test func missingModuleIsNamed() throws {
        var query = try SocketQuery()
        let error = #expect(throws: SocketQueryError.self) {
            _ = try query.inet(.v4, TransportProtocol(rawValue: 250))
        }
        #expect(error?.code == ENOENT)
        let missing = UnavailableSocketTable(.udp, try #require(error))
        #expect(missing.isModuleMissing)
        #expect(
            missing.description
                == "no UDP sockets: the kernel's module udp_diag is not there; load it (modprobe udp_diag)")
        // And the query goes on.
        #expect(query.unavailable().isEmpty)
    }
}
