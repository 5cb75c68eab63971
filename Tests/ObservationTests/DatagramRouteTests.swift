import Observation
import Records
import Testing

/// UDP sockets of which nothing is known but the routes that were looked up, and their ends.
@Suite struct DatagramRouteTests {
    private static let own: UInt64 = 71
    private static let other: UInt64 = 72
    private static let server: Int32 = 10
    private static let client: Int32 = 20
    private static let second: Int32 = 21
    private let any = NetworkAddress(high: 0, low: 0)
    private let near = NetworkAddress(v4: 0x7f00_0001)

    private func end(_ port: UInt16) -> Endpoint { Endpoint(near, port: port) }
    private func far(_ port: UInt16) -> Endpoint { Endpoint(NetworkAddress(v4: 0x0a00_0001), port: port) }

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(Self.server, "/usr/bin/server", network: Self.own)
        scene.host.add(Self.client, "/usr/bin/client", network: Self.own)
        scene.host.add(Self.second, "/usr/bin/second", network: Self.own)
        scene.host.add(Scene.ownPid, "/usr/sbin/retinued", network: Self.own)
        return scene
    }

    /// A scan that finds sockets: the server's, which waits, and others.
    private func look(_ scene: inout Scene, _ others: [SocketSnapshot] = [], serves port: UInt16? = 53) {
        var snapshot = HostSnapshot()
        (snapshot.monotonic, snapshot.wall) = (scene.tick(), scene.now)
        (snapshot.network, snapshot.networks) = (Self.own, [Self.own])
        snapshot.processes = scene.host.processes.values.map { ProcessSnapshot(facts: $0, files: []) }
        snapshot.sockets = others
        if let port { snapshot.sockets.append(unconnected(port, Self.server)) }
        scene.observer.take(snapshot, .start)
    }

    private func unconnected(_ port: UInt16, _ pid: Int32) -> SocketSnapshot {
        SocketSnapshot(
            .udp, isListening: true, local: Endpoint(any, port: port), remote: Endpoint(any, port: 0),
            holders: [pid], network: Self.own)
    }

    /// A socket that is connected to the server's.
    private func connected(_ port: UInt16, _ pid: Int32) -> SocketSnapshot {
        SocketSnapshot(
            .udp, isListening: false, local: end(port), remote: end(53), holders: [pid], network: Self.own)
    }

    private func connects(_ scene: borrowing Scene) -> [String] {
        scene.lines { $0.key.relation == .connect }
    }

    /// The end of a socket that was connected, or of one that was not.
    private func ends(_ scene: inout Scene, _ port: UInt16, _ remote: Endpoint?, network: UInt64 = 0) {
        scene.closure(
            Endpoint(remote == nil ? any : near, port: port), remote ?? Endpoint(any, port: 0), sent: 0,
            received: 0, .udp, network: network)
    }

    /// The kernel looks a connect up twice over IPv4, and each of two datagrams that go without one; each socket counts once.
    @Test func eachSocketCountsOnce() {
        var scene = scene()
        look(&scene)
        for port: UInt16 in [40000, 40001, 40002] {
            scene.route(Self.client, from: Endpoint(any, port: port), to: end(53))
            scene.route(Self.client, from: end(port), to: end(53))
            ends(&scene, port, end(53))
        }
        for port: UInt16 in [50000, 50001] {
            scene.route(Self.second, from: Endpoint(any, port: port), to: end(53))
            scene.route(Self.second, from: Endpoint(any, port: port), to: end(53))
            ends(&scene, port, nil)
        }
        scene.interpret()
        #expect(
            connects(scene) == [
                "/usr/bin/client connect :53 peer /usr/bin/server x3 0/0 exact",
                "/usr/bin/second connect :53 peer /usr/bin/server x2 0/0 exact",
            ])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// Until a socket of that port is met nothing is said: a tunnel's packets have a port that is no socket's.
    @Test func withoutASocketNothingIsSaid() {
        var scene = scene()
        look(&scene)
        scene.route(Self.client, from: Endpoint(any, port: 40000), to: far(4789))
        scene.interpret()
        look(&scene)
        #expect(connects(scene).isEmpty)
        // Nor by that of another port, or to another end.
        ends(&scene, 40001, nil)
        ends(&scene, 40000, far(4790))
        scene.interpret()
        #expect(connects(scene).isEmpty)
        #expect(scene.observer.counters.unattributedDatagrams == 2)
    }

    /// A socket that lives on is met by a scan: one that is connected says so itself, and is known for certain.
    @Test func aScanConfirms() {
        var scene = scene()
        look(&scene)
        scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53))
        scene.route(Self.second, from: Endpoint(any, port: 50000), to: end(53))
        scene.interpret()
        #expect(connects(scene).isEmpty)
        for _ in 0..<2 { look(&scene, [connected(40000, Self.client), unconnected(50000, Self.second)]) }
        let expected = [
            "/usr/bin/client connect :53 peer /usr/bin/server x1 0/0 exact",
            "/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 exact",
        ]
        #expect(connects(scene) == expected)
        ends(&scene, 40000, end(53))
        ends(&scene, 50000, nil)
        scene.interpret()
        #expect(connects(scene) == expected)
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// A tunnel's packet may have the port of somebody's socket by chance: who holds that socket did not look the route up.
    @Test func aPortByChanceIsNobodys() {
        var scene = scene()
        look(&scene)
        scene.route(Self.client, from: Endpoint(any, port: 50000), to: far(7000))
        scene.route(Self.second, from: Endpoint(any, port: 50000), to: end(53))
        scene.interpret()
        look(&scene, [unconnected(50000, Self.second)])
        #expect(connects(scene) == ["/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 exact"])
        // Of a socket that has gone nobody knows the holder.
        scene.route(Self.client, from: Endpoint(any, port: 50001), to: far(7000))
        scene.route(Self.second, from: Endpoint(any, port: 50001), to: far(53))
        ends(&scene, 50001, nil)
        scene.interpret()
        #expect(connects(scene).filter { $0.hasSuffix("inferred") }.count == 2)
    }

    /// Whoever holds a connected socket need not be who connected it: then what the scan says remains.
    @Test func aSocketThatWasPassedOnIsTheHolders() {
        var scene = scene()
        look(&scene)
        scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53))
        scene.interpret()
        look(&scene, [connected(40000, Self.second)])
        #expect(connects(scene) == ["/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 snapshot"])
    }

    /// Two sockets at one port, one after the other, of which one drain brings everything: the second's look-up was taken for
    /// another of the first, and is inferred.
    @Test func theNextAtAPortIsInferred() {
        var scene = scene()
        look(&scene)
        for _ in 0..<2 {
            scene.route(Self.client, from: end(40000), to: end(53))
            ends(&scene, 40000, end(53))
        }
        scene.interpret()
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x2 0/0 exact"])
        #expect(
            scene.observer.ledger.records.contains {
                $0.key.relation == .connect && $0.evidence == .exact && $0.count == 2
            })
        // Of another program, or behind the end of the first, it is as certain as the first.
        scene.route(Self.second, from: end(40000), to: end(53))
        ends(&scene, 40000, end(53))
        scene.interpret()
        #expect(connects(scene).contains("/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 exact"))
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// The same of sockets that are not connected: as many as there were look-ups, while the notices of their ends may be late.
    @Test func theNextUnconnectedAtAPortIsInferred() {
        var scene = scene()
        look(&scene)
        for _ in 0..<3 { scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53)) }
        ends(&scene, 40000, nil)
        scene.interpret()
        ends(&scene, 40000, nil)
        scene.interpret()
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x2 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
        // The next look-up is of another socket still, or of this one.
        scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53))
        for _ in 0..<3 { ends(&scene, 40000, nil) }
        scene.interpret()
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x4 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 1)
    }

    /// Of several ends that were looked up, a further socket is given the last.
    @Test func aFurtherSocketTurnsToOneEnd() {
        var scene = scene()
        look(&scene)
        for port: UInt16 in [514, 53] {
            for _ in 0..<2 { scene.route(Self.client, from: Endpoint(any, port: 40000), to: far(port)) }
            ends(&scene, 40000, nil)
            scene.interpret()
        }
        ends(&scene, 40000, nil)
        scene.interpret()
        #expect(
            connects(scene) == [
                "/usr/bin/client connect :514 x1 0/0 exact", "/usr/bin/client connect :53 x2 0/0 exact",
            ])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// A socket that ends much later than a look-up that was left over sent nothing that anybody has seen.
    @Test func aLookUpThatIsLeftOverIsSoonNobodys() {
        for (wait, unattributed): (UInt64, UInt64) in [(900_000_000, 0), (1_100_000_000, 1)] {
            var scene = scene()
            look(&scene)
            for _ in 0..<3 { scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53)) }
            ends(&scene, 40000, nil)
            scene.interpret()
            _ = scene.tick(wait)
            ends(&scene, 40000, nil)
            scene.interpret()
            #expect(scene.observer.counters.unattributedDatagrams == unattributed)
            // Nor does it become one of the next program's.
            scene.route(Self.second, from: Endpoint(any, port: 40000), to: end(53))
            for _ in 0..<2 { ends(&scene, 40000, nil) }
            scene.interpret()
            #expect(connects(scene).contains("/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 exact"))
            #expect(scene.observer.counters.unattributedDatagrams == unattributed + 1)
        }
    }

    /// Two programs' connected sockets at one port, whose ends come after both look-ups: each has its own, and neither is
    /// certain, since the ends' order is not.
    @Test func programsAtOnePortAreBothNamed() {
        var scene = scene()
        look(&scene)
        for pid in [Self.client, Self.second] {
            for _ in 0..<2 { scene.route(pid, from: end(40000), to: end(53)) }
        }
        for _ in 0..<2 { ends(&scene, 40000, end(53)) }
        scene.interpret()
        #expect(
            connects(scene) == [
                "/usr/bin/client connect :53 peer /usr/bin/server x1 0/0 inferred",
                "/usr/bin/second connect :53 peer /usr/bin/server x1 0/0 inferred",
            ])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// The server is met by no scan before the client has gone.
    @Test func whoReceivesTheNextScanFinds() {
        var scene = scene()
        look(&scene, serves: nil)
        for port in 40000..<UInt16(40100) {
            scene.route(Self.client, from: end(port), to: end(514))
            ends(&scene, port, end(514))
        }
        scene.interpret()
        #expect(connects(scene).isEmpty)
        look(&scene, serves: 514)
        #expect(connects(scene) == ["/usr/bin/client connect :514 peer /usr/bin/server x100 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// What a server sends back makes it no client of anybody.
    @Test func answersAreNone() {
        var scene = scene()
        look(&scene)
        scene.route(Self.client, from: Endpoint(any, port: 40000), to: end(53))
        scene.route(Self.server, from: Endpoint(any, port: 53), to: end(40000))
        ends(&scene, 40000, nil)
        scene.interpret()
        look(&scene)
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x1 0/0 exact"])
        #expect(scene.observer.counters.unattributedDatagrams == 0)
    }

    /// The same port in another namespace is another socket's.
    @Test func namespacesAreApart() {
        var scene = scene()
        scene.host.add(30, "/usr/bin/inside", network: Self.other)
        look(&scene)
        scene.route(30, from: Endpoint(any, port: 40000), to: far(53))
        ends(&scene, 40000, far(53))
        scene.interpret()
        #expect(connects(scene).isEmpty)
        #expect(scene.observer.counters.unattributedDatagrams == 1)
        ends(&scene, 40000, far(53), network: Self.other)
        scene.interpret()
        #expect(connects(scene) == ["/usr/bin/inside connect :53 x1 0/0 exact"])
    }

    /// Of a process that nobody knows the socket is counted.
    @Test func anUnknownProgramIsCounted() {
        var scene = scene()
        look(&scene)
        scene.route(99, from: end(40000), to: end(53))
        ends(&scene, 40000, end(53))
        scene.interpret()
        #expect(connects(scene).isEmpty)
        #expect(scene.observer.counters.unattributedDatagrams == 1)
    }

    /// More look-ups than are kept: sockets of which the look-up was given up are counted.
    @Test func whatIsGivenUpIsCounted() {
        var scene = scene()
        look(&scene)
        let count = 3 * 8192
        for number in 0..<count {
            scene.route(
                Self.client, from: end(UInt16(10000 + number % 50000)),
                to: Endpoint(NetworkAddress(v4: 0x0a00_0000 + UInt32(number)), port: 53))
        }
        scene.interpret()
        for number in 0..<count {
            ends(
                &scene, UInt16(10000 + number % 50000),
                Endpoint(NetworkAddress(v4: 0x0a00_0000 + UInt32(number)), port: 53))
        }
        scene.interpret()
        let named = scene.observer.ledger.records.reduce(0) {
            $1.key.relation == .connect ? $0 + Int($1.count) : $0
        }
        #expect(named == 2 * 8192)
        #expect(scene.observer.counters.unattributedDatagrams == UInt64(count - named))
    }

    /// What waits for its socket keeps its program when records are forgotten.
    @Test func forgettingChangesNoProgram() {
        var scene = scene()
        scene.open(Self.server, "/etc/a")
        scene.interpret()
        look(&scene)
        scene.route(Self.client, from: end(40000), to: end(53))
        scene.interpret()
        scene.observer.forget(RecordFilter(path: Glob("/etc/a")).positions(in: scene.observer.ledger))
        ends(&scene, 40000, end(53))
        scene.interpret()
        look(&scene)
        #expect(connects(scene) == ["/usr/bin/client connect :53 peer /usr/bin/server x1 0/0 exact"])
    }
}
