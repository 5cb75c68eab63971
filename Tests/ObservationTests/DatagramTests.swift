import Observation
import Records
import Testing

/// Datagrams from UDP sockets that are not connected.
@Suite struct DatagramTests {
    private static let own: UInt64 = 71
    private static let server: Int32 = 10
    private static let client: Int32 = 20
    private let any = NetworkAddress(high: 0, low: 0)

    private func end(_ port: UInt16) -> Endpoint { Endpoint(NetworkAddress(v4: 0x7f00_0001), port: port) }
    private func far(_ port: UInt16) -> Endpoint { Endpoint(NetworkAddress(v4: 0x0a00_0001), port: port) }

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(Self.server, "/usr/bin/server", network: Self.own)
        scene.host.add(Self.client, "/usr/bin/client", network: Self.own)
        scene.host.add(Scene.ownPid, "/usr/sbin/retinued", network: Self.own)
        return scene
    }

    /// A scan that finds sockets by their ports and processes.
    private func look(_ scene: inout Scene, _ sockets: [(port: UInt16, pid: Int32)]) {
        var snapshot = HostSnapshot()
        (snapshot.monotonic, snapshot.wall) = (scene.tick(), scene.now)
        (snapshot.network, snapshot.networks) = (Self.own, [Self.own])
        snapshot.processes = scene.host.processes.values.map { ProcessSnapshot(facts: $0, files: []) }
        snapshot.sockets = sockets.map {
            SocketSnapshot(
                .udp, isListening: true, local: Endpoint(any, port: $0.port),
                remote: Endpoint(any, port: 0), holders: [$0.pid], network: Self.own)
        }
        scene.observer.take(snapshot, .start)
    }

    private func send(
        _ scene: inout Scene, _ pid: Int32, from port: UInt16, to remote: Endpoint, times: Int = 1
    ) {
        var batch = EventBatch()
        for _ in 0..<times {
            batch.datagramSends.append(
                DatagramEvent(
                    time: scene.tick(), pid: pid, local: Endpoint(any, port: port), remote: remote))
        }
        (batch.cutoff, batch.wall) = (scene.tick(), scene.now)
        scene.observer.interpret(batch)
    }

    private func connects(_ scene: borrowing Scene) -> [String] {
        scene.lines { $0.key.relation == .connect }
    }

    /// Of a hundred datagrams and their answers there is one link.
    @Test func aClientAndItsServer() {
        var scene = scene()
        look(&scene, [(53, Self.server)])
        for _ in 0..<50 {
            send(&scene, Self.client, from: 40000, to: end(53), times: 2)
            send(&scene, Self.server, from: 53, to: end(40000))
        }
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x1 0/0 exact"])
        // Another socket is another link.
        send(&scene, Self.client, from: 40001, to: end(53))
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x2 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// Several processes of one program, of which one sends to the port that another one holds.
    @Test func aProgramThatSendsToItself() {
        var scene = scene()
        look(&scene, [(53, Self.server)])
        send(&scene, Self.server, from: 40000, to: end(53))
        #expect(connects(scene) == ["/usr/bin/server connect :53 peer /usr/bin/server x1 0/0 exact"])
    }

    /// The server was met by no scan when the first datagram was sent to it; nobody waits at another address.
    @Test func whoReceivesAScanFinds() {
        var scene = scene()
        look(&scene, [])
        send(&scene, Self.client, from: 40000, to: end(514), times: 9)
        send(&scene, Self.client, from: 40000, to: end(515), times: 9)
        #expect(connects(scene).isEmpty)
        look(&scene, [(514, Self.server), (40000, Self.client)])
        #expect(
            connects(scene) == [
                "/usr/bin/client connect :514 peer /usr/bin/server x1 0/0 exact",
                "/usr/bin/client connect :515 x1 0/0 exact",
            ])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// A server answers clients of other hosts at ports of all kinds: none of them is one that it turns to. What two ports
    /// do not tell is counted, once for a socket.
    @Test func portsTellWhoAsks() {
        var scene = scene()
        look(&scene, [(53, Self.server)])
        for port: UInt16 in [1024, 20000, 50000] { send(&scene, Self.server, from: 53, to: far(port)) }
        send(&scene, Self.server, from: 8125, to: far(50000))
        #expect(connects(scene).isEmpty)
        #expect(scene.observer.counters.unattributedDatagrams == 0)
        send(&scene, Self.server, from: 123, to: far(123))
        send(&scene, Self.client, from: 2000, to: far(53))
        send(&scene, Self.client, from: 50000, to: far(8125))
        #expect(
            connects(scene) == [
                "/usr/bin/client connect :53 x1 0/0 exact", "/usr/bin/client connect :8125 x1 0/0 exact",
                "/usr/bin/server connect :123 x1 0/0 exact",
            ])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
        send(&scene, Self.client, from: 50001, to: far(50002))
        send(&scene, Self.client, from: 50001, to: far(50003))
        send(&scene, Self.client, from: 5000, to: far(6000))
        #expect(connects(scene).count == 3)
        #expect(scene.observer.counters.unattributedDatagrams == 2)
    }

    /// Where no probe tells, a socket at a port that the kernel chose is counted, whether a scan meets it or its end does.
    @Test func whatNobodyTellsIsCountedOnce() {
        var scene = scene()
        look(&scene, [(53, Self.server), (40000, Self.client)])
        look(&scene, [(53, Self.server), (40000, Self.client)])
        #expect(scene.observer.counters.unattributedDatagrams == 1)
        scene.closure(Endpoint(any, port: 40000), Endpoint(any, port: 0), sent: 0, received: 0, .udp)
        scene.closure(Endpoint(any, port: 40001), Endpoint(any, port: 0), sent: 0, received: 0, .udp)
        scene.interpret()
        #expect(scene.observer.counters.unattributedDatagrams == 2)
        // One that is known to have sent is none of them, and neither is the next one at its port.
        send(&scene, Self.client, from: 40002, to: end(53))
        scene.closure(Endpoint(any, port: 40002), Endpoint(any, port: 0), sent: 0, received: 0, .udp)
        scene.interpret()
        #expect(scene.observer.counters.unattributedDatagrams == 2)
        scene.closure(Endpoint(any, port: 40002), Endpoint(any, port: 0), sent: 0, received: 0, .udp)
        scene.interpret()
        #expect(scene.observer.counters.unattributedDatagrams == 3)
    }

    /// The kernel gives a port again: the next socket at it is another, whether or not the end of the first was heard.
    @Test func theNextAtAPortIsAnother() {
        var scene = scene()
        look(&scene, [(53, Self.server)])
        var batch = EventBatch()
        for _ in 0..<3 {
            batch.datagramSends.append(
                DatagramEvent(
                    time: scene.tick(), pid: Self.client, local: Endpoint(any, port: 40000), remote: end(53)))
            batch.datagramEnds.append(
                DatagramEvent(
                    time: scene.tick(), pid: Self.client, local: Endpoint(any, port: 40000),
                    remote: Endpoint(any, port: 0)))
        }
        (batch.cutoff, batch.wall) = (scene.tick(), scene.now)
        scene.observer.interpret(batch)
        for _ in 0..<3 {
            scene.closure(Endpoint(any, port: 40000), Endpoint(any, port: 0), sent: 0, received: 0, .udp)
        }
        scene.interpret()
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x3 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// What waits for a scan keeps its program when records are forgotten.
    @Test func forgettingChangesNoProgram() {
        var scene = scene()
        scene.open(Self.server, "/etc/a")
        scene.interpret()
        look(&scene, [])
        send(&scene, Self.client, from: 40000, to: end(514))
        scene.observer.forget(RecordFilter(path: Glob("/etc/a")).positions(in: scene.observer.ledger))
        look(&scene, [(514, Self.server)])
        #expect(connects(scene) == ["/usr/bin/client connect :514 peer /usr/bin/server x1 0/0 exact"])
    }
}
