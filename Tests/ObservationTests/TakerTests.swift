import Observation
import Records
import Testing

/// Several programs may take connections at one address: which one did is known of the socket that it holds.
@Suite struct TakerTests {
    private static let own: UInt64 = 71
    private static let other: UInt64 = 72

    private let loopback = NetworkAddress(v4: 0x7f00_0001)
    private let none = Endpoint(NetworkAddress(v4: 0), port: 0)
    private var server: Endpoint { Endpoint(loopback, port: 80) }

    private func scene(isNetworkKnown: Bool = false) -> Scene {
        let scene = Scene()
        let network = isNetworkKnown ? Self.own : 0
        scene.host.add(10, "/srv/v1", network: network)
        scene.host.add(11, "/srv/v2", network: network)
        scene.host.add(20, "/usr/bin/client", network: network)
        scene.host.add(30, "/far/server", network: isNetworkKnown ? Self.other : 0)
        scene.host.add(40, "/far/client", network: isNetworkKnown ? Self.other : 0)
        return scene
    }

    private func client(_ number: UInt64) -> Endpoint { Endpoint(loopback, port: 40000 + UInt16(number)) }

    /// Both ends are established; nobody has ended either.
    private func connect(_ scene: inout Scene, _ number: UInt64, by pid: Int32 = 20) {
        scene.transition(pid, number, .close, .synSent, Endpoint(loopback, port: 0), server)
        scene.transition(77, number, .synSent, .established, client(number), server)
        scene.transition(77, number + 100, .synReceived, .established, server, client(number))
    }

    private func end(_ scene: inout Scene, _ number: UInt64, by pid: Int32) {
        scene.ends(pid, number + 100, server, client(number))
        scene.transition(77, number, .lastAck, .close, client(number), server)
        scene.transition(77, number + 100, .finWait2, .close, server, client(number))
        scene.closure(client(number), server, sent: 10, received: 1)
        scene.closure(server, client(number), sent: 1, received: 10)
    }

    private func listen(_ scene: inout Scene, _ pid: Int32, _ socket: UInt64) {
        scene.transition(pid, socket, .close, .listen, server, none)
    }

    private func connections(_ scene: borrowing Scene) -> [String] {
        scene.lines.filter { $0.contains(" connect ") || $0.contains(" accept ") }
    }

    /// Both ends were accepted, as far as their events say: the one of whose program nothing is known leaves no record.
    @Test func twoEndsThatWereBothAccepted() {
        var scene = scene()
        listen(&scene, 10, 5)
        scene.transition(77, 101, .synReceived, .established, server, client(1))
        scene.transition(77, 1, .synReceived, .established, client(1), server)
        end(&scene, 1, by: 10)
        scene.interpret()
        #expect(!scene.observer.ledger.records.contains { $0.key.program == .unknown })
    }

    /// Two programs share a port: each connection is that of whoever ended it, whenever that was.
    @Test(arguments: [false, true]) func aSharedPortIsDividedAsItWas(isLong: Bool) {
        var scene = scene()
        listen(&scene, 10, 5)
        listen(&scene, 11, 6)
        for number: UInt64 in 1...3 { connect(&scene, number) }
        if isLong { scene.interpret(settles: false) }
        #expect(connections(scene).isEmpty)
        for number: UInt64 in 1...3 { end(&scene, number, by: number == 2 ? 11 : 10) }
        scene.interpret()
        #expect(
            connections(scene) == [
                "/srv/v1 accept :80 peer /usr/bin/client x2 2/20 exact",
                "/srv/v2 accept :80 peer /usr/bin/client x1 1/10 exact",
                "/usr/bin/client connect :80 peer /srv/v1 x2 20/2 exact",
                "/usr/bin/client connect :80 peer /srv/v2 x1 10/1 exact",
            ])
    }

    /// Nothing says who took it: all that wait there may have, and none is exact.
    @Test func whoCannotBeToldApartIsInferred() {
        var scene = scene()
        listen(&scene, 10, 5)
        listen(&scene, 11, 6)
        connect(&scene, 1)
        scene.transition(77, 101, .established, .close, server, client(1))
        scene.interpret()
        #expect(
            connections(scene) == [
                "/srv/v1 accept :80 peer /usr/bin/client x1 0/0 inferred",
                "/srv/v2 accept :80 peer /usr/bin/client x1 0/0 inferred",
                "/usr/bin/client connect :80 peer /srv/v1 x1 0/0 inferred",
                "/usr/bin/client connect :80 peer /srv/v2 x1 0/0 inferred",
            ])
        // A listener that is gone takes nothing.
        scene.transition(10, 5, .listen, .close, server, none)
        connect(&scene, 2)
        scene.transition(77, 102, .established, .close, server, client(2))
        scene.interpret()
        #expect(connections(scene).contains("/srv/v2 accept :80 peer /usr/bin/client x2 0/0 inferred"))
        #expect(connections(scene).contains("/srv/v1 accept :80 peer /usr/bin/client x1 0/0 inferred"))
    }

    /// Socket activation: who listens becomes, or starts, the program that accepts.
    @Test(arguments: [false, true]) func whoListensNeedNotTake(isForked: Bool) {
        var scene = scene()
        scene.host.heads["/srv/service"] = .plain
        listen(&scene, 10, 5)
        connect(&scene, 1)
        scene.interpret(settles: false)
        if isForked { scene.fork(10, 12) }
        scene.exec(isForked ? 12 : 10, "/srv/service")
        end(&scene, 1, by: isForked ? 12 : 10)
        scene.interpret()
        #expect(
            connections(scene) == [
                "/srv/service accept :80 peer /usr/bin/client x1 1/10 exact",
                "/usr/bin/client connect :80 peer /srv/service x1 10/1 exact",
            ])
    }

    /// A scan finds the accepted socket with a program that does not listen.
    @Test func whoHoldsTheAcceptedSocketHasTakenIt() {
        var scene = scene()
        listen(&scene, 10, 5)
        connect(&scene, 1)
        scene.interpret(settles: false)
        var snapshot = HostSnapshot()
        snapshot.monotonic = scene.tick()
        snapshot.processes = [10, 11, 20].map { ProcessSnapshot(facts: scene.host.processes[$0]!, files: []) }
        snapshot.sockets = [
            SocketSnapshot(.tcp, isListening: true, local: server, remote: none, holders: [10]),
            SocketSnapshot(
                .tcp, isListening: false, local: server, remote: client(1), holders: [11], sent: 3,
                received: 4),
            SocketSnapshot(
                .tcp, isListening: false, local: client(1), remote: server, holders: [20], sent: 4,
                received: 3),
        ]
        scene.observer.take(snapshot, .start)
        let expected = [
            "/srv/v2 accept :80 peer /usr/bin/client x1 3/4 exact",
            "/usr/bin/client connect :80 peer /srv/v2 x1 4/3 exact",
        ]
        #expect(connections(scene) == expected)
        scene.observer.take(snapshot, .look)
        #expect(connections(scene) == expected)
    }

    /// What was inferred for a dump is corrected by the end.
    @Test func theEndSaysMoreThanTheGuess() {
        var scene = scene()
        listen(&scene, 10, 5)
        connect(&scene, 1)
        scene.interpret()
        #expect(
            connections(scene) == [
                "/srv/v1 accept :80 peer /usr/bin/client x1 0/0 inferred",
                "/usr/bin/client connect :80 peer /srv/v1 x1 0/0 inferred",
            ])
        end(&scene, 1, by: 10)
        scene.interpret()
        #expect(
            connections(scene) == [
                "/srv/v1 accept :80 peer /usr/bin/client x1 1/10 exact",
                "/usr/bin/client connect :80 peer /srv/v1 x1 10/1 exact",
            ])
    }

    /// The client has gone, and its notice has come, before its server ends its side.
    @Test func aClientThatIsGoneFirst() {
        var scene = scene()
        listen(&scene, 11, 5)
        connect(&scene, 1)
        scene.transition(77, 101, .established, .closeWait, server, client(1))
        scene.transition(77, 1, .finWait1, .finWait2, client(1), server)
        scene.transition(77, 1, .finWait2, .close, client(1), server)
        scene.closure(client(1), server, sent: 10, received: 1)
        scene.interpret(settles: false)
        #expect(connections(scene).isEmpty)
        scene.transition(11, 101, .closeWait, .lastAck, server, client(1))
        scene.interpret(settles: false)
        #expect(connections(scene).contains("/usr/bin/client connect :80 peer /srv/v2 x1 10/1 exact"))
    }

    /// A server that was there before, in a namespace that is not scanned; on the same port of its own loopback another
    /// one waits.
    @Test func theSamePortOfAnotherNamespaceIsAnother() {
        var scene = scene(isNetworkKnown: true)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        scene.observer.take(snapshot, .start)
        listen(&scene, 10, 5)
        connect(&scene, 1, by: 40)
        scene.interpret()
        #expect(connections(scene) == ["/far/client connect :80 x1 0/0 exact"])
        let unattributed = scene.observer.counters.unattributedConnections
        #expect(unattributed == 1, "the accept, of a program that is not known")
        // Who ends it is in that namespace, and is joined; who ends the like in here is not.
        connect(&scene, 2, by: 40)
        end(&scene, 2, by: 30)
        connect(&scene, 3, by: 20)
        end(&scene, 3, by: 10)
        scene.interpret()
        #expect(
            connections(scene) == [
                "/far/client connect :80 peer /far/server x1 10/1 exact",
                "/far/client connect :80 x1 0/0 exact",
                "/far/server accept :80 peer /far/client x1 1/10 exact",
                "/srv/v1 accept :80 peer /usr/bin/client x1 1/10 exact",
                "/usr/bin/client connect :80 peer /srv/v1 x1 10/1 exact",
            ])
    }

    /// The same two ends in two namespaces, of which the scan found both.
    @Test func endsThatAScanFindsAreThoseOfTheirNamespace() {
        var scene = scene(isNetworkKnown: true)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        snapshot.networks = [Self.own, Self.other]
        snapshot.processes = [10, 20, 30, 40].map {
            ProcessSnapshot(facts: scene.host.processes[$0]!, files: [])
        }
        for (network, listener, holder) in [(Self.own, Int32(10), Int32(20)), (Self.other, 30, 40)] {
            let port = network == Self.own ? client(1) : client(2)
            snapshot.sockets += [
                SocketSnapshot(
                    .tcp, isListening: true, local: server, remote: none, holders: [listener],
                    network: network),
                SocketSnapshot(
                    .tcp, isListening: false, local: server, remote: port, holders: [listener],
                    network: network),
                SocketSnapshot(
                    .tcp, isListening: false, local: port, remote: server, holders: [holder], network: network
                ),
            ]
        }
        scene.observer.take(snapshot, .start)
        #expect(
            connections(scene) == [
                "/far/client connect :80 peer /far/server x1 0/0 snapshot",
                "/far/server accept :80 peer /far/client x1 0/0 snapshot",
                "/srv/v1 accept :80 peer /usr/bin/client x1 0/0 snapshot",
                "/usr/bin/client connect :80 peer /srv/v1 x1 0/0 snapshot",
            ])
    }

    /// Who sent the last datagrams to an address says nothing of the next.
    @Test func datagramsThatNobodySawAreCounted() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.processes = [10, 20].map { ProcessSnapshot(facts: scene.host.processes[$0]!, files: []) }
        snapshot.sockets = [
            SocketSnapshot(.udp, isListening: true, local: server, remote: none, holders: [10]),
            SocketSnapshot(.udp, isListening: false, local: client(1), remote: server, holders: [20]),
        ]
        scene.observer.take(snapshot, .start)
        let expected = ["/usr/bin/client connect :80 peer /srv/v1 x1 0/0 snapshot"]
        #expect(connections(scene) == expected)
        for number: UInt64 in 2...4 {
            scene.closure(client(number), server, sent: 0, received: 0, .udp)
            scene.closure(
                Endpoint(NetworkAddress(v4: 0), port: 50000 + UInt16(number)), none, sent: 0, received: 0,
                .udp)
        }
        // One that was never used has no port, and what a scan has met is recorded.
        scene.closure(none, none, sent: 0, received: 0, .udp)
        scene.closure(server, none, sent: 0, received: 0, .udp)
        scene.closure(client(1), server, sent: 0, received: 0, .udp)
        scene.interpret()
        #expect(connections(scene) == expected)
        let unattributed = scene.observer.counters.unattributedDatagrams
        #expect(unattributed == 6)
    }

    /// Writers of one pipe have nothing to do with each other.
    @Test func writersMeetReadersAlone() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.processes = [10, 11, 20].map { ProcessSnapshot(facts: scene.host.processes[$0]!, files: []) }
        snapshot.channels = [
            ChannelSnapshot(.pipe, name: Array("pipe".utf8), holders: [10, 11], peers: [20])
        ]
        scene.observer.take(snapshot, .start)
        #expect(
            scene.lines.filter { $0.contains(" ipc ") } == [
                "/srv/v1 ipc pipe peer /usr/bin/client", "/srv/v2 ipc pipe peer /usr/bin/client",
                "/usr/bin/client ipc pipe peer /srv/v1", "/usr/bin/client ipc pipe peer /srv/v2",
            ])
    }

    /// A program of this namespace connects to another namespace's address.
    private func connectOut(
        _ scene: inout Scene, to remote: Endpoint, from number: UInt64, isTakenHere: Bool
    ) -> Endpoint {
        let local = Endpoint(NetworkAddress(v4: 0x0a58_0001), port: 40000 + UInt16(number))
        scene.transition(20, number, .close, .synSent, Endpoint(local.address, port: 0), remote)
        scene.transition(77, number, .synSent, .established, local, remote)
        if isTakenHere { scene.transition(77, number + 100, .synReceived, .established, remote, local) }
        return local
    }

    private func sceneOfTwoNamespaces() -> Scene {
        var scene = scene(isNetworkKnown: true)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        scene.observer.take(snapshot, .start)
        scene.transition(30, 5, .close, .listen, Endpoint(NetworkAddress(v4: 0), port: 80), none)
        return scene
    }

    /// Both ends are on this machine, each in its namespace: each has the other's program.
    @Test func aServerOfAnotherNamespaceAtItsOwnAddress() {
        var scene = sceneOfTwoNamespaces()
        let there = Endpoint(NetworkAddress(v4: 0x0a58_0002), port: 80)
        let local = connectOut(&scene, to: there, from: 1, isTakenHere: true)
        scene.ends(30, 101, there, local)
        scene.transition(77, 1, .lastAck, .close, local, there)
        scene.transition(77, 101, .finWait2, .close, there, local)
        scene.closure(local, there, sent: 10, received: 1)
        scene.closure(there, local, sent: 1, received: 10)
        scene.interpret()
        #expect(
            connections(scene) == [
                "/far/server accept :80 peer /usr/bin/client x1 1/10 exact",
                "/usr/bin/client connect :80 peer /far/server x1 10/1 exact",
            ])
    }

    /// Somebody in another namespace waits at the port of every address: that is no reason to take another machine's
    /// server for it.
    @Test func anotherMachineAtAPortThatAContainerHas() {
        var scene = sceneOfTwoNamespaces()
        let there = Endpoint(NetworkAddress(v4: 0xc000_0209), port: 80)
        let local = connectOut(&scene, to: there, from: 1, isTakenHere: false)
        scene.interpret()
        scene.observer.settleConnections()
        #expect(connections(scene) == ["/usr/bin/client connect :80 x1 0/0 exact"])
        scene.ends(20, 1, local, there)
        scene.closure(local, there, sent: 10, received: 1)
        _ = connectOut(&scene, to: there, from: 1, isTakenHere: false)
        scene.interpret()
        scene.observer.settleConnections()
        #expect(
            connections(scene).map { $0.replacing("10/1", with: "N") } == [
                "/usr/bin/client connect :80 x2 N exact"
            ])
    }
}
