import Observation
import Records
import Testing

/// One network namespace watched as a host: the changes of state come from all of them, without a name.
@Suite struct NetworkTests {
    private static let own: UInt64 = 71
    private static let other: UInt64 = 72

    private let loopback = NetworkAddress(v4: 0x7f00_0001)
    private let here = NetworkAddress(v4: 0x0a00_0001)
    private let there = NetworkAddress(v4: 0x0a00_0002)
    private let none = Endpoint(NetworkAddress(v4: 0), port: 0)
    private let any = Endpoint(NetworkAddress(v4: 0), port: 80)

    private func scene(addresses: [NetworkAddress]? = nil) -> Scene {
        var scene = Scene(Scope(network: Self.own))
        scene.host.add(10, "/usr/bin/server", network: Self.own)
        scene.host.add(20, "/usr/bin/client", network: Self.own)
        scene.host.add(30, "/usr/bin/far-server", network: Self.other)
        scene.host.add(40, "/usr/bin/far-client", network: Self.other)
        scene.host.add(50, "/usr/bin/nowhere")
        var snapshot = HostSnapshot()
        snapshot.addresses = addresses ?? [here]
        scene.host.ownAddresses = [here]
        scene.observer.take(snapshot, .start)
        return scene
    }

    /// A connection with both its sockets, the client's with an even number.
    private func connect(
        _ scene: inout Scene, _ pid: Int32, _ socket: UInt64, _ client: Endpoint, _ server: Endpoint,
        sides: (client: Bool, server: Bool) = (true, true)
    ) {
        if sides.client {
            scene.transition(pid, socket, .close, .synSent, Endpoint(client.address, port: 0), server)
            scene.transition(77, socket, .synSent, .established, client, server)
        }
        guard sides.server else { return }
        scene.transition(77, socket + 1, .synReceived, .established, server, client)
        let isHere = server.address == here || pid == 20 && server.address == loopback
        scene.ends(isHere ? 10 : 30, socket + 1, server, client)
    }

    /// In each of two namespaces the same two ends are connected, and accepted: both connects come first, and then the accept
    /// of the one or of the other.
    private func connectTwice(
        _ scene: inout Scene, _ isOutsideFirst: Bool
    ) -> (client: Endpoint, server: Endpoint) {
        let client = Endpoint(loopback, port: 40000)
        let server = Endpoint(loopback, port: 80)
        scene.transition(10, 3, .close, .listen, server, none)
        scene.transition(30, 5, .close, .listen, server, none)
        for (pid, socket): (Int32, UInt64) in [(20, 100), (40, 200)] {
            scene.transition(pid, socket, .close, .synSent, Endpoint(loopback, port: 0), server)
        }
        for socket: UInt64 in [100, 200] {
            scene.transition(77, socket, .synSent, .established, client, server)
        }
        for socket: UInt64 in isOutsideFirst ? [201, 101] : [101, 201] {
            scene.transition(77, socket, .synReceived, .established, server, client)
        }
        return (client, server)
    }

    @Test func bothEndsInsideAreJoined() {
        var scene = scene()
        scene.transition(10, 3, .close, .listen, any, none)
        connect(&scene, 20, 100, Endpoint(loopback, port: 40000), Endpoint(loopback, port: 80))
        connect(&scene, 20, 102, Endpoint(here, port: 40000), Endpoint(here, port: 80))
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 exact",
                "/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 0/0 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 0/0 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }

    /// The machine sees both ends; to the namespace the other one is another host.
    @Test func theOtherNamespaceIsAnotherHost() {
        var scene = scene()
        scene.transition(10, 3, .close, .listen, any, none)
        scene.transition(30, 5, .close, .listen, any, none)
        connect(&scene, 20, 100, Endpoint(here, port: 40000), Endpoint(there, port: 80))
        connect(&scene, 40, 102, Endpoint(there, port: 40000), Endpoint(here, port: 80))
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 x1 0/0 exact", "/usr/bin/server accept :80 x1 0/0 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }

    /// The same addresses and ports outside, at the same time, leave nothing, whichever comes first.
    @Test(arguments: [false, true]) func loopbackOutsideLeavesNothing(isOutsideFirst: Bool) {
        var scene = scene()
        let client = Endpoint(loopback, port: 40000)
        let server = Endpoint(loopback, port: 80)
        scene.transition(10, 3, .close, .listen, any, none)
        scene.transition(30, 5, .close, .listen, server, none)
        scene.interpret()
        for _ in 0..<3 {
            connect(&scene, isOutsideFirst ? 40 : 20, isOutsideFirst ? 200 : 100, client, server)
            connect(&scene, isOutsideFirst ? 20 : 40, isOutsideFirst ? 100 : 200, client, server)
            // What becomes of theirs is nothing to ours.
            scene.transition(77, 200, .established, .closeWait, client, server)
            scene.transition(77, 200, .lastAck, .close, client, server)
            scene.closure(client, server, sent: 100, received: 50)
            scene.closure(server, client, sent: 50, received: 100)
            scene.interpret()
        }
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x3 300/150 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x3 150/300 exact",
                "/usr/bin/server listen :80 exact",
            ])
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0)
    }

    /// Two processors, two namespaces, the same two ends: which accept is whose nobody says but who ends it.
    @Test(arguments: [false, true]) func theSameEndsAtTheSameMoment(isOutsideFirst: Bool) {
        var scene = scene()
        let (client, server) = connectTwice(&scene, isOutsideFirst)
        let ends: [(Int32, UInt64)] = [(30, 201), (10, 101)]
        for (pid, socket) in isOutsideFirst ? ends : ends.reversed() {
            scene.ends(pid, socket, server, client)
        }
        scene.closure(client, server, sent: 100, received: 50)
        scene.closure(server, client, sent: 50, received: 100)
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 100/50 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 50/100 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }

    /// Nobody in here connects; somebody in here waits at the same port.
    @Test func loopbackOutsideAloneIsNoAccept() {
        var scene = scene()
        scene.transition(10, 3, .close, .listen, any, none)
        scene.transition(30, 5, .close, .listen, any, none)
        connect(&scene, 40, 200, Endpoint(loopback, port: 40000), Endpoint(loopback, port: 80))
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/server listen :80 exact"])
    }

    /// An address that came after the last scan is asked for, once a batch, and only where somebody waits.
    @Test func anAddressThatCameLaterIsAskedFor() {
        var scene = scene(addresses: [])
        connect(&scene, 40, 200, Endpoint(there, port: 40000), Endpoint(here, port: 81))
        scene.interpret()
        #expect(!scene.host.questions.contains("addresses"))
        scene.transition(10, 3, .close, .listen, any, none)
        connect(&scene, 40, 202, Endpoint(there, port: 40001), Endpoint(there, port: 80))
        connect(&scene, 40, 204, Endpoint(there, port: 40002), Endpoint(here, port: 80))
        scene.interpret()
        #expect(scene.host.questions.filter { $0 == "addresses" }.count == 1)
        #expect(
            scene.lines == [
                "/usr/bin/server accept :80 x1 0/0 exact", "/usr/bin/server listen :80 exact",
            ])
    }

    /// A process that could not be asked is judged by its addresses.
    @Test func whoseNamespaceIsNotKnownIsJudgedByAddress() {
        var scene = scene()
        scene.transition(50, 3, .close, .listen, Endpoint(there, port: 80), none)
        scene.transition(50, 5, .close, .listen, Endpoint(here, port: 81), none)
        connect(
            &scene, 50, 100, Endpoint(there, port: 40000), Endpoint(here, port: 82), sides: (true, false))
        connect(
            &scene, 50, 102, Endpoint(here, port: 40000), Endpoint(there, port: 83), sides: (true, false))
        scene.interpret()
        #expect(
            scene.lines == ["/usr/bin/nowhere connect :83 x1 0/0 exact", "/usr/bin/nowhere listen :81 exact"])
    }

    /// Children are where their parent is; who becomes another program says anew where it is.
    @Test func aNamespaceIsInheritedAndReadAtExec() {
        var scene = scene()
        scene.host.heads["/usr/bin/cat"] = .plain
        scene.fork(20, 60)
        scene.fork(40, 61)
        scene.fork(40, 62)
        scene.exec(62, "/usr/bin/cat", network: Self.own)
        scene.fork(20, 64)
        scene.exec(64, "/usr/bin/cat", network: Self.other)
        scene.fork(40, 63)
        // Gone before anybody could look: likely it stayed where it was, and its address tells.
        scene.exec(63, "/usr/bin/cat", isSeen: false)
        let servers: [(Int32, UInt16)] = [(60, 1), (61, 2), (62, 3), (63, 4), (64, 6)]
        for (pid, port) in servers {
            let server = Endpoint(loopback, port: port)
            connect(
                &scene, pid, UInt64(pid) * 2, Endpoint(loopback, port: 40000 + port), server,
                sides: (true, false))
        }
        connect(
            &scene, 63, 200, Endpoint(here, port: 40000), Endpoint(there, port: 5), sides: (true, false))
        scene.interpret()
        #expect(
            scene.lines.filter { $0.contains(" connect ") } == [
                "/usr/bin/cat connect :3 x1 0/0 exact", "/usr/bin/cat connect :5 x1 0/0 exact",
                "/usr/bin/client connect :1 x1 0/0 exact",
            ])
    }

    /// A process can enter a namespace without an exec; the next look finds it there.
    @Test func aLookTellsWhereAProcessIsNow() {
        var scene = scene()
        scene.write(40, "/data")
        scene.interpret()
        var snapshot = HostSnapshot()
        snapshot.addresses = [here]
        snapshot.processes = [
            ProcessSnapshot(
                facts: ProcessFacts(pid: 40, parent: 0, executable: [], network: Self.own), files: [])
        ]
        scene.observer.take(snapshot, .look)
        connect(
            &scene, 40, 100, Endpoint(loopback, port: 40000), Endpoint(loopback, port: 80),
            sides: (true, false))
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/far-client connect :80 x1 0/0 exact"))
    }

    /// A socket that was made elsewhere, in the hands of a process in here: its address is another host's.
    @Test func anAddressElsewhereIsNoPeer() {
        var scene = scene()
        scene.transition(10, 3, .close, .listen, any, none)
        connect(&scene, 20, 100, Endpoint(there, port: 40000), Endpoint(here, port: 80))
        scene.interpret()
        #expect(
            scene.lines.filter { $0.contains(" accept ") } == ["/usr/bin/server accept :80 x1 0/0 exact"])
    }

    /// A pipe or a Unix socket can lead into another namespace: who is there is no program of this host.
    @Test func whoIsElsewhereIsNoPeer() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.processes = [10, 20, 30].map { pid in
            ProcessSnapshot(facts: scene.host.processes[pid]!, files: [])
        }
        for (name, peer) in [("/near", Int32(10)), ("/far", 30)] {
            snapshot.channels.append(
                ChannelSnapshot(.unix, name: Array(name.utf8), holders: [20], peers: [peer]))
        }
        scene.observer.take(snapshot, .start)
        #expect(
            scene.lines.filter { $0.contains(" ipc ") } == [
                "/usr/bin/client ipc /far", "/usr/bin/client ipc /near peer /usr/bin/server",
                "/usr/bin/far-server ipc /far peer /usr/bin/client",
                "/usr/bin/server ipc /near peer /usr/bin/client",
            ])
    }

    /// Without a restriction too: two containers that wait at the same port of their loopback.
    @Test func aLoopbackIsThatOfItsNamespace() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/server", network: Self.own)
        scene.host.add(20, "/usr/bin/client", network: Self.own)
        scene.host.add(30, "/usr/bin/far-server", network: Self.other)
        scene.transition(10, 3, .close, .listen, any, none)
        scene.transition(30, 5, .close, .listen, any, none)
        connect(&scene, 20, 100, Endpoint(loopback, port: 40000), Endpoint(loopback, port: 80))
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 exact",
                "/usr/bin/far-server listen :80 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 0/0 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }

    /// Without a restriction too: the same two ends at the same moment in two containers.
    @Test(arguments: [false, true]) func theSameEndsInTwoContainers(isSwapped: Bool) {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/server", network: Self.own)
        scene.host.add(20, "/usr/bin/client", network: Self.own)
        scene.host.add(30, "/usr/bin/far-server", network: Self.other)
        scene.host.add(40, "/usr/bin/far-client", network: Self.other)
        var snapshot = HostSnapshot()
        snapshot.network = Self.own
        scene.observer.take(snapshot, .start)
        let (client, server) = connectTwice(&scene, isSwapped)
        for (pid, socket): (Int32, UInt64) in [(10, 101), (30, 201)] {
            scene.ends(pid, socket, server, client)
        }
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 exact",
                "/usr/bin/far-client connect :80 peer /usr/bin/far-server x1 0/0 exact",
                "/usr/bin/far-server accept :80 peer /usr/bin/far-client x1 0/0 exact",
                "/usr/bin/far-server listen :80 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 0/0 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }
}
