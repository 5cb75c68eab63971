import Observation
import Records
import Testing

/// A connection that a scan finds and the ring tells of is one connection, whichever comes first.
@Suite struct ScanAndRingTests {
    let client = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 40000)
    let server = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 80)
    let wildcard = Endpoint(NetworkAddress(v4: 0), port: 80)
    let none = Endpoint(NetworkAddress(v4: 0), port: 0)

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(10, "/usr/bin/server")
        scene.host.add(20, "/usr/bin/client")
        scene.host.add(21, "/usr/bin/other")
        return scene
    }

    /// The changes of state of both ends; `lost` leaves the first out, which names the client's program.
    private func connect(_ scene: inout Scene, _ socket: UInt64 = 1, lost: Bool = false, by pid: Int32 = 20) {
        if !lost {
            scene.transition(pid, socket, .close, .synSent, Endpoint(client.address, port: 0), server)
        }
        scene.transition(77, socket, .synSent, .established, client, server)
        scene.transition(77, socket + 100, .synReceived, .established, server, client)
        scene.ends(10, socket + 100, server, client)
    }

    private func close(_ scene: inout Scene, _ socket: UInt64 = 1) {
        scene.transition(77, socket, .lastAck, .close, client, server)
        scene.transition(77, socket + 100, .finWait2, .close, server, client)
    }

    private func notices(_ scene: inout Scene, sent: UInt64, received: UInt64) {
        scene.closure(client, server, sent: sent, received: received)
        scene.closure(server, client, sent: received, received: sent)
    }

    /// A scan of this moment that finds the connection and the listener.
    private func scan(_ scene: inout Scene, _ purpose: Observer.SnapshotPurpose = .start, took: UInt64 = 0) {
        var snapshot = HostSnapshot()
        snapshot.monotonic = scene.tick() - took
        snapshot.socketsRead = took == 0 ? 0 : scene.now
        snapshot.wall = snapshot.monotonic + 1_700_000_000_000_000_000
        snapshot.processes = [10, 20, 21].map {
            ProcessSnapshot(facts: scene.host.processes[$0]!, files: [])
        }
        snapshot.sockets = [
            SocketSnapshot(.tcp, isListening: true, local: wildcard, remote: none, holders: [10]),
            SocketSnapshot(
                .tcp, isListening: false, local: client, remote: server, holders: [20], sent: 10, received: 5),
            SocketSnapshot(
                .tcp, isListening: false, local: server, remote: client, holders: [10], sent: 5, received: 10),
        ]
        scene.observer.take(snapshot, purpose)
    }

    private func lines(_ scene: borrowing Scene) -> [String] {
        scene.lines.filter { $0.contains(" connect ") || $0.contains(" accept ") }
    }

    private func expected(_ count: Int, _ sent: Int, _ received: Int, _ evidence: String = "exact")
        -> [String]
    {
        [
            "/usr/bin/client connect :80 peer /usr/bin/server x\(count) \(sent)/\(received) \(evidence)",
            "/usr/bin/server accept :80 peer /usr/bin/client x\(count) \(received)/\(sent) \(evidence)",
        ]
    }

    @Test(arguments: [Observer.SnapshotPurpose.start, .look])
    func theEventThatIsReadAfterTheScanCountsNothing(purpose: Observer.SnapshotPurpose) {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        // Each process has been met: a mere look adopts none.
        scene.open(20, "/etc/hosts")
        scene.interpret()
        connect(&scene)
        scan(&scene, purpose)
        #expect(lines(scene).allSatisfy { $0.contains(" x1 ") })
        scene.interpret()
        #expect(lines(scene) == expected(1, 10, 5))
        // And its end finds it.
        close(&scene)
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        #expect(lines(scene) == expected(1, 30, 7))
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0)
    }

    @Test func itsWholeLifeIsReadAfterTheScan() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scan(&scene)
        close(&scene)
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        #expect(lines(scene) == expected(1, 30, 7))
    }

    @Test func theScanAfterTheEventCountsNothing() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.interpret()
        scan(&scene)
        #expect(lines(scene) == expected(1, 10, 5))
    }

    /// A scan takes a while: what was established meanwhile is in it as well.
    @Test func whatWasEstablishedDuringTheScanIsInIt() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scan(&scene, took: 1_000_000)
        scene.interpret()
        #expect(lines(scene) == expected(1, 10, 5))
    }

    /// The same two ends, connected anew after the scan: a second connection.
    @Test func anEventAfterTheScanIsANewConnection() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.interpret()
        scan(&scene)
        connect(&scene)
        scene.interpret()
        notices(&scene, sent: 30, received: 7)
        notices(&scene, sent: 100, received: 50)
        scene.interpret()
        #expect(lines(scene) == expected(2, 130, 57))
    }

    /// The same two ends three times before the scan, which met the last.
    @Test func earlierConnectionsOfTheSameEndsAreCounted() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.interpret()
        for socket: UInt64 in [1, 2, 3] {
            connect(&scene, socket)
            if socket < 3 { close(&scene, socket) }
        }
        scan(&scene)
        for _ in 1...3 { notices(&scene, sent: 20, received: 8) }
        scene.interpret()
        #expect(lines(scene) == expected(3, 60, 24))
    }

    /// Of an earlier connection of the same ends only the end was not lost: the one that was met lives on.
    @Test func anEndBeforeTheScanIsNotThatOfWhatItMet() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.interpret()
        close(&scene, 7)
        connect(&scene, 8)
        scan(&scene)
        scene.interpret()
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0)
        _ = scene.tick(3_000_000_000)
        scene.interpret()
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        #expect(lines(scene) == expected(1, 30, 7))
    }

    /// The change that names the program was lost: the scan has named it, and nothing is unattributed.
    @Test func theScanNamesTheProgramOfAConnectWhoseBeginningWasLost() {
        var scene = scene()
        scan(&scene)
        connect(&scene, lost: true)
        scene.interpret()
        // After the scan it is another connection, and unknown; before it, the same.
        var number = scene.observer.counters.unattributedConnections
        #expect(number == 1)

        scene = self.scene()
        connect(&scene, lost: true)
        scan(&scene)
        scene.interpret()
        number = scene.observer.counters.unattributedConnections
        #expect(number == 0)
        _ = scene.tick(3_000_000_000)
        scene.interpret()
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        // Of the accept the event was there.
        #expect(
            lines(scene) == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 30/7 snapshot",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 7/30 exact",
            ])
    }

    /// The kernel tells of ends from a work queue, which a busy host keeps waiting for seconds.
    @Test func noticesThatComeLateFindTheirConnection() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        close(&scene)
        let others: [UInt16] = [50000, 50001]
        for (index, port) in others.enumerated() {
            let other = Endpoint(client.address, port: port)
            scene.transition(20, 30, .close, .synSent, Endpoint(client.address, port: 0), server)
            scene.transition(77, 30, .synSent, .established, other, server)
            scene.transition(77, 31, .synReceived, .established, server, other)
            scene.ends(10, 31, server, other)
            scene.transition(77, 30, .lastAck, .close, other, server)
            _ = scene.tick(1_500_000_000)
            // Something is reported all the time, only not yet of the first.
            if index == 0 { scene.closure(Endpoint(client.address, port: 9), none, sent: 0, received: 0) }
            scene.interpret()
        }
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        #expect(lines(scene).contains("/usr/bin/server accept :80 peer /usr/bin/client x3 7/30 exact"))
        #expect(lines(scene).contains("/usr/bin/client connect :80 peer /usr/bin/server x3 30/7 exact"))
    }

    /// A socket was handed on: who made the connection depends on it as well as who holds it.
    @Test func whoMadeItAndWhoHoldsItBothDepend() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.interpret()
        connect(&scene, by: 21)
        scan(&scene)
        scene.interpret()
        #expect(
            lines(scene).filter { $0.contains(" connect ") } == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 10/5 snapshot",
                "/usr/bin/other connect :80 peer /usr/bin/server x1 0/0 exact",
            ])
        notices(&scene, sent: 30, received: 7)
        scene.interpret()
        #expect(
            lines(scene).filter { $0.contains(" connect ") } == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 10/5 snapshot",
                "/usr/bin/other connect :80 peer /usr/bin/server x1 20/2 exact",
            ])
    }
}
