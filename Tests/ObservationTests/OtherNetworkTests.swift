import Observation
import Records
import Testing

/// Connections that stay within network namespaces other than the daemon's own, each with a loopback.
struct OtherNetworkTests {
    private static let own: UInt64 = 0xF000_0000
    private static let others: [UInt64] = [0xF000_1111, 0xF000_2222]
    private let client = Endpoint(NetworkAddress(high: 0, low: 0xffff_7f00_0001), port: 40000)
    private let server = Endpoint(NetworkAddress(high: 0, low: 0xffff_7f00_0001), port: 80)
    private let none = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)

    /// A server and a client in each of two namespaces, after a scan that says which is the daemon's.
    private func scene() -> Scene {
        var scene = Scene()
        for (index, network) in Self.others.enumerated() {
            let pid = Int32(index + 1) * 10
            scene.host.add(pid, "/usr/bin/server-\(index)", network: network)
            scene.host.add(pid + 1, "/usr/bin/client-\(index)", network: network)
        }
        scene.host.add(30, "/usr/bin/stray", network: Self.own)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        scene.observer.take(snapshot, .start)
        for pid: Int32 in [10, 20] { scene.transition(pid, UInt64(pid), .close, .listen, server, none) }
        return scene
    }

    /// The two ends of a connection, by sockets that the maker's process numbers.
    private func connect(_ scene: inout Scene, _ pid: Int32) {
        let socket = UInt64(pid) * 10
        scene.transition(pid, socket, .close, .synSent, client, server)
        scene.transition(pid, socket, .synSent, .established, client, server)
        scene.transition(pid, socket + 1, .synReceived, .established, server, client)
    }

    /// The server's process ends a connection, then the client's.
    private func end(_ scene: inout Scene, _ pid: Int32) {
        let socket = UInt64(pid) * 10
        scene.transition(pid - 1, socket + 1, .established, .finWait1, server, client)
        scene.transition(0, socket, .established, .closeWait, client, server)
        scene.transition(0, socket + 1, .finWait1, .finWait2, server, client)
        scene.transition(pid, socket, .closeWait, .lastAck, client, server)
        scene.transition(0, socket + 1, .finWait2, .close, server, client)
        scene.transition(0, socket, .lastAck, .close, client, server)
    }

    private func notices(_ scene: inout Scene, of network: UInt64, _ sent: UInt64, _ received: UInt64) {
        scene.closure(server, client, sent: received, received: sent, network: network)
        scene.closure(client, server, sent: sent, received: received + 1, network: network)
    }

    /// The same two ends at once, and the notices in the order that is not that of the ends.
    @Test func equalEndsOfTwoNamespacesStayApart() {
        var scene = scene()
        for _ in 0..<3 {
            connect(&scene, 11)
            connect(&scene, 21)
            end(&scene, 11)
            end(&scene, 21)
            notices(&scene, of: Self.others[1], 200, 20)
            notices(&scene, of: Self.others[0], 1000, 100)
            scene.interpret()
        }
        #expect(
            scene.lines == [
                "/usr/bin/client-0 connect :80 peer /usr/bin/server-0 x3 3000/300 exact",
                "/usr/bin/client-1 connect :80 peer /usr/bin/server-1 x3 600/60 exact",
                "/usr/bin/server-0 accept :80 peer /usr/bin/client-0 x3 300/3000 exact",
                "/usr/bin/server-0 listen :80 exact",
                "/usr/bin/server-1 accept :80 peer /usr/bin/client-1 x3 60/600 exact",
                "/usr/bin/server-1 listen :80 exact",
            ])
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0)
    }

    /// Made within microseconds of one another: who holds the accepted socket says which is which.
    @Test(arguments: [[11, 21], [21, 11]] as [[Int32]])
    func equalEndsThatCrossAreSorted(_ order: [Int32]) {
        var scene = scene()
        for pid: Int32 in [11, 21] {
            scene.transition(pid, UInt64(pid) * 10, .close, .synSent, client, server)
            scene.transition(pid, UInt64(pid) * 10, .synSent, .established, client, server)
        }
        for pid in order {
            scene.transition(pid, UInt64(pid) * 10 + 1, .synReceived, .established, server, client)
        }
        end(&scene, 21)
        end(&scene, 11)
        notices(&scene, of: Self.others[1], 200, 20)
        notices(&scene, of: Self.others[0], 1000, 100)
        scene.interpret()
        #expect(
            scene.lines { $0.key.relation != .listen } == [
                "/usr/bin/client-0 connect :80 peer /usr/bin/server-0 x1 1000/100 exact",
                "/usr/bin/client-1 connect :80 peer /usr/bin/server-1 x1 200/20 exact",
                "/usr/bin/server-0 accept :80 peer /usr/bin/client-0 x1 100/1000 exact",
                "/usr/bin/server-1 accept :80 peer /usr/bin/client-1 x1 20/200 exact",
            ])
    }

    /// One after another within a moment, the end of the first heard already.
    @Test func equalEndsThatFollowOneAnother() {
        var scene = scene()
        for (index, pid) in ([11, 21, 11] as [Int32]).enumerated() {
            connect(&scene, pid)
            end(&scene, pid)
            notices(&scene, of: Self.others[index % 2], 100, 10)
            scene.interpret()
        }
        #expect(
            scene.lines { $0.key.relation == .accept } == [
                "/usr/bin/server-0 accept :80 peer /usr/bin/client-0 x2 20/200 exact",
                "/usr/bin/server-1 accept :80 peer /usr/bin/client-1 x1 10/100 exact",
            ])
    }

    /// A process that has entered a namespace without an exec: its connection is known by its end.
    @Test func aConnectionOfWhoEnteredUnseenIsCountedOnce() {
        var scene = scene()
        connect(&scene, 30)
        scene.transition(30, 300, .established, .finWait1, client, server)
        scene.transition(0, 301, .lastAck, .close, server, client)
        scene.transition(0, 300, .finWait2, .close, client, server)
        notices(&scene, of: Self.others[0], 1000, 100)
        scene.interpret()
        let connects = scene.lines { $0.key.relation == .connect }
        #expect(connects == ["/usr/bin/stray connect :80 x1 1000/100 exact"])
    }

    /// A namespace of which nothing is known: nothing is guessed of what stays within it.
    @Test func aNoticeFromNowhereIsNoConnection() {
        var scene = scene()
        connect(&scene, 11)
        scene.interpret()
        notices(&scene, of: ClosureEvent.unknownNetwork, 1000, 100)
        scene.interpret()
        #expect(
            scene.lines { $0.key.relation == .connect }
                == ["/usr/bin/client-0 connect :80 peer /usr/bin/server-0 x1 0/0 inferred"])
    }

    /// The UDP sockets of another namespace are not those of the daemon's own at the same port.
    @Test func aDatagramSocketIsThatOfItsNamespace() {
        var scene = scene()
        let port = Endpoint(server.address, port: 53)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        snapshot.networks = [Self.own]
        snapshot.processes = [ProcessSnapshot(facts: scene.host.processes[30]!, files: [])]
        snapshot.sockets = [
            SocketSnapshot(
                .udp, isListening: true, local: port, remote: none, holders: [30], network: Self.own)
        ]
        scene.observer.take(snapshot, .start)
        for network in [Self.others[0], 0] {
            scene.closure(port, none, sent: 0, received: 0, .udp, network: network)
            scene.interpret()
        }
        let counted = scene.observer.counters.unattributedDatagrams
        #expect(counted == 1)
    }
}
