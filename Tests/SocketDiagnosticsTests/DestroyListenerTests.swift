import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls
import Testing

@Suite(.serialized, .enabled(if: isRoot, "needs root: the kernel tells of other processes' sockets"))
struct DestroyListenerTests {
    /// 23 connections: each end is reported once, with the bytes that it carried.
    @Test(arguments: [AF_INET, AF_INET6], Closing.allCases)
    func connections(family: Int32, closing: Closing) throws {
        let listener = try DestroyListener()
        let server = Loopback.bound(family)
        let serverPort = Loopback.port(of: server)
        let listening = Loopback.cookie(of: server)
        let conversations = (0..<23).map {
            Loopback.converse(family, server, up: 1000 + $0, down: 77 * $0, closing)
        }
        Loopback.close(server)

        let cookies = Set(conversations.flatMap { [$0.client, $0.server] } + [listening])
        let all = try listener.sockets(47) { cookies.contains($0.cookie) }
        #expect(all.allSatisfy { $0.transport == .tcp && $0.state == .close })
        #expect(cookies.count == 47)
        #expect(all.count == 47)
        #expect(all.first { $0.cookie == listening }?.local == address(family, serverPort))
        #expect(all.first { $0.cookie == listening }?.remote.port == 0)
        for (index, conversation) in conversations.enumerated() {
            let up = UInt64(1000 + index)
            let down = UInt64(77 * index)
            let port = conversation.port
            let clients = all.filter { $0.cookie == conversation.client }
            let servers = all.filter { $0.cookie == conversation.server }
            try #require(clients.count == 1 && servers.count == 1)
            #expect(clients[0].local.port == port)
            let client = try #require(clients[0].traffic)
            let server = try #require(servers[0].traffic)
            #expect(servers[0].local == address(family, serverPort))
            #expect(servers[0].remote == address(family, port))
            #expect(server.bytesSent == down)
            #expect(server.payloadReceived.contains(up))
            switch closing {
            case .clientFirst:
                #expect(clients[0].remote == address(family, serverPort))
                #expect(client.bytesSent == up)
                #expect(client.payloadReceived.contains(down))
                // Who closed first had read all: unread is the FIN, if it was counted at all.
                #expect(client.bytesReceived - UInt64(client.unread) == down)
                // Who closed second had the FIN.
                #expect(server.bytesReceived == up + 1)
                #expect(server.payloadReceived(countingFin: true) == up)
            case .serverFirst:
                #expect(client.bytesSent == up)
                #expect(client.bytesReceived == down + 1)
                #expect(server.bytesReceived - UInt64(server.unread) == up)
            case .shutdownFirst:
                // The one case that `unread` does not tell: the client read on to the FIN.
                #expect(client.bytesSent == up)
                #expect(client.bytesReceived == down + 1)
                #expect(client.unread == 0)
                #expect(server.bytesReceived == up + 1)
            case .reset:
                // A reset brings no FIN. Its sender's socket was wiped.
                #expect(server.bytesReceived == up)
                #expect(clients[0].remote == address(family, 0))
                #expect(clients[0].local.isUnspecified)
                #expect(client.bytesSent == 0)
                #expect(client.bytesReceived == 0)
            }
        }
        // A client that received nothing but a FIN is known to have received nothing.
        if closing != .reset {
            #expect(all.first { $0.cookie == conversations[0].client }?.traffic?.payloadReceived == 0...0)
        }
    }

    @Test(arguments: [AF_INET, AF_INET6])
    func datagramSockets(family: Int32) throws {
        let listener = try DestroyListener()
        let server = Loopback.bound(family, clinux_SOCK_DGRAM)
        let serverPort = Loopback.port(of: server)
        var ports = [UInt64: UInt16]()
        for _ in 0..<23 {
            let client = Loopback.connected(family, clinux_SOCK_DGRAM, to: serverPort)
            ports[Loopback.cookie(of: client)] = Loopback.port(of: client)
            precondition(write(client.number, "x", 1) == 1)
        }
        let all = try listener.sockets(23) { ports[$0.cookie] != nil }
        #expect(all.count == 23)
        #expect(all.allSatisfy { $0.transport == .udp && $0.traffic == nil })
        #expect(all.allSatisfy { $0.remote == address(family, serverPort) })
        #expect(all.allSatisfy { $0.local == address(family, ports[$0.cookie]!) })
        #expect(Set(all.map(\.cookie)).count == 23)
    }

    /// The owner stands in a dump; a notice has 0 whoever it was. The cookie joins the two.
    @Test func ownerIsOnlyInDumps() throws {
        let listener = try DestroyListener()
        var query = try SocketQuery()
        let socket = Loopback.bound(AF_INET)
        let cookie = Loopback.cookie(of: socket)
        precondition(fchown(socket.number, 1234, 1234) == 0)
        let living = try #require(try query.inet(.v4, .tcp).first { $0.cookie == cookie })
        #expect(living.userID == 1234)
        Loopback.close(socket)
        let dead = try #require(try listener.sockets(1) { $0.cookie == living.cookie }.first)
        #expect(dead.local == living.local)
        #expect(dead.userID == 0)
        #expect(dead.cgroup == nil)
    }

    /// A failed connect leaves a notice that does not name the peer's port.
    @Test func refusedConnectIsAnonymous() throws {
        let listener = try DestroyListener()
        let server = Loopback.bound(AF_INET)
        let port = Loopback.port(of: server)
        Loopback.close(server)
        let client = Loopback.socket(AF_INET, clinux_SOCK_STREAM)
        let cookie = Loopback.cookie(of: client)
        #expect(Loopback.connect(client, to: port) == ECONNREFUSED)
        Loopback.close(client)
        let received = try listener.sockets(1) { $0.cookie == cookie }
        #expect(received.count == 1)
        #expect(received.first?.local.port != 0)
        #expect(received.first?.local.isUnspecified == true)
        #expect(received.first?.remote == address(AF_INET, 0))
    }

    /// Who is root in a container may send to sockets there, and join in the groups.
    @Test func onlyTheKernelIsBelieved() throws {
        let listener = try DestroyListener()
        let forger = Loopback.socket(AF_NETLINK, clinux_SOCK_RAW, NETLINK_SOCK_DIAG)
        var forged = Fixtures.tcpClientClosed
        forged[60...67] = [0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a]  // cookie
        var address = sockaddr_nl()
        var size = socklen_t(MemoryLayout<sockaddr_nl>.size)
        withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(getsockname(listener.number, address, &size) == 0)
            }
        }
        let ways = [(pid: address.nl_pid, groups: UInt32(0)), (pid: 0, groups: 1)]
        for way in ways {
            address.nl_pid = way.pid
            address.nl_groups = way.groups
            let sent = withUnsafePointer(to: &address) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(forger.number, forged, forged.count, 0, $0, size)
                }
            }
            // To a group it goes to the kernel as well, which does not take it for a request.
            #expect(sent == forged.count || errno == ECONNREFUSED)
        }
        let real = Loopback.socket(AF_INET, clinux_SOCK_STREAM)
        let cookie = Loopback.cookie(of: real)
        Loopback.close(real)
        let received = try listener.sockets(1) { $0.cookie == cookie || $0.cookie == 0x5a5a_5a5a_5a5a_5a5a }
        #expect(received.map(\.cookie) == [cookie])
    }

    @Test func overrunIsReported() throws {
        let listener = try DestroyListener(receiveBuffer: 1)
        let server = Loopback.bound(AF_INET, clinux_SOCK_DGRAM)
        for _ in 0..<300 { _ = Loopback.connected(AF_INET, clinux_SOCK_DGRAM, to: Loopback.port(of: server)) }
        usleep(200_000)
        var buffer = [UInt8]()
        var seen = [DestroyListener.Received]()
        repeat { seen.append(try listener.receive(appendingTo: &buffer)) } while seen.last != .nothing
        #expect(seen.contains(.overrun))
        #expect(seen.count < 300)
    }

    @Test func receiveAppends() throws {
        let listener = try DestroyListener()
        var flags = fcntl(listener.number, F_GETFD)
        #expect(flags & FD_CLOEXEC != 0)
        flags = fcntl(listener.number, F_GETFL)
        #expect(flags & O_NONBLOCK != 0)
        _ = Loopback.bound(AF_INET, clinux_SOCK_DGRAM)
        var buffer: [UInt8] = [1, 2, 3]
        var received = DestroyListener.Received.nothing
        for _ in 0..<100 where received == .nothing {
            received = try listener.receive(appendingTo: &buffer)
            usleep(10_000)
        }
        #expect(received == .datagram(3..<buffer.count))
        #expect(buffer.prefix(3) == [1, 2, 3])
        #expect(buffer.count > 3 + 88)
    }

    private func address(_ family: Int32, _ port: UInt16) -> SocketAddress {
        family == AF_INET
            ? SocketAddress(v4: 0x7f00_0001, port: port) : SocketAddress(high: 0, low: 1, port: port)
    }
}
