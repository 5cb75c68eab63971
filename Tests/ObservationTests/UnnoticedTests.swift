import Observation
import Records
import Testing

/// Connections whose ends are not noticed: every one is counted with both its programs, and what went over it is a lower bound.
@Suite struct UnnoticedTests {
    let server = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 80)
    let wildcard = Endpoint(NetworkAddress(v4: 0), port: 80)
    let none = Endpoint(NetworkAddress(v4: 0), port: 0)

    private func scene() -> Scene {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/server")
        scene.host.add(20, "/usr/bin/client")
        scene.transition(10, 5, .close, .listen, wildcard, none)
        return scene
    }

    private func client(_ port: UInt16) -> Endpoint { Endpoint(server.address, port: port) }

    /// A connection from beginning to end; who took it is only known if the server ends its side.
    private func play(_ scene: inout Scene, _ port: UInt16, ends: Bool = true) {
        let (socket, client) = (UInt64(port), client(port))
        scene.transition(20, socket, .close, .synSent, Endpoint(client.address, port: 0), server)
        scene.transition(77, socket, .synSent, .established, client, server)
        scene.transition(77, socket + 100_000, .synReceived, .established, server, client)
        scene.transition(20, socket, .established, .finWait1, client, server)
        scene.transition(77, socket + 100_000, .established, .closeWait, server, client)
        if ends { scene.transition(10, socket + 100_000, .closeWait, .lastAck, server, client) }
        scene.transition(77, socket, .finWait2, .close, client, server)
        scene.transition(77, socket + 100_000, .lastAck, .close, server, client)
    }

    private func notice(_ scene: inout Scene, _ port: UInt16) {
        scene.closure(client(port), server, sent: 100, received: 51, hasUnreadEnd: true)
        scene.closure(server, client(port), sent: 50, received: 101)
    }

    private func bounds(_ scene: borrowing Scene) -> Int {
        scene.observer.ledger.records.filter(\.isLowerBound).count
    }

    /// On, off and on again: bytes are those of the noticed connections, and no connection is missed or counted twice.
    @Test(arguments: [true, false]) func noticesAreGivenUpAndTakenUpAgain(ends: Bool) {
        var scene = scene()
        let evidence = ends ? "exact" : "inferred"
        func expect(_ count: Int, _ noticed: Int, _ comment: Comment) {
            #expect(
                scene.lines.filter { !$0.contains("listen") } == [
                    "/usr/bin/client connect :80 peer /usr/bin/server x\(count) \(noticed * 100)/\(noticed * 50) "
                        + evidence,
                    "/usr/bin/server accept :80 peer /usr/bin/client x\(count) \(noticed * 50)/\(noticed * 100) "
                        + evidence,
                ], comment)
        }
        for port: UInt16 in 1...23 {
            play(&scene, port, ends: ends)
            notice(&scene, port)
        }
        scene.interpret()
        expect(23, 23, "with notices")
        #expect(bounds(scene) == 0)

        // The last of them are there when they are given up.
        for port: UInt16 in 101...123 { play(&scene, port, ends: ends) }
        for port: UInt16 in 101...107 { notice(&scene, port) }
        scene.noticesSince = .max
        scene.interpret()
        expect(46, 30, "given up")
        #expect(bounds(scene) == 2)
        let waited = scene.observer.awaitedClosures
        #expect(waited == 0)

        // One ended before they were taken up again and one after.
        play(&scene, 201, ends: ends)
        scene.noticesSince = scene.now
        play(&scene, 202, ends: ends)
        notice(&scene, 202)
        scene.interpret()
        expect(48, 31, "taken up again")
        #expect(scene.observer.counters.unnoticedConnections == 2 * 17)
        #expect(scene.observer.counters.unattributedConnections == 0)
    }

    /// The other end's notice is not waited for where none may come.
    @Test func anEndThatIsDoubtedDoesNotWait() {
        var scene = scene()
        let client = client(1)
        scene.transition(20, 1, .close, .synSent, Endpoint(client.address, port: 0), server)
        scene.transition(77, 1, .synSent, .established, client, server)
        scene.transition(77, 101, .synReceived, .established, server, client)
        scene.transition(10, 101, .established, .finWait1, server, client)
        scene.transition(77, 101, .finWait1, .finWait2, server, client)
        _ = scene.tick(60_000)
        scene.transition(77, 101, .finWait2, .close, server, client)
        scene.transition(77, 1, .closeWait, .lastAck, client, server)
        scene.transition(77, 1, .lastAck, .close, client, server)
        scene.closure(server, client, sent: 50, received: 101)
        scene.noticesSince = .max
        scene.interpret()
        let waited = scene.observer.awaitedClosures
        #expect(waited == 0)
        #expect(bounds(scene) == 2)
        #expect(scene.lines.contains("/usr/bin/server accept :80 peer /usr/bin/client x1 50/100 exact"))
    }

    /// A program closes long after the other side has reset the connection: its notice comes when that is forgotten.
    @Test func aNoticeThatComesLateIsNoConnection() {
        var scene = scene()
        scene.noticesSince = .max
        // More than are kept in mind.
        for port: UInt16 in 1001...21_000 { play(&scene, port) }
        scene.interpret()
        let lines = scene.lines
        scene.noticesSince = scene.now
        notice(&scene, 1001)
        scene.interpret()
        #expect(scene.lines == lines)
        #expect(scene.observer.counters.lateNotices == 2)
        // A minute later one that nothing is known of is what it always was.
        _ = scene.tick(61_000_000_000)
        notice(&scene, 30_000)
        scene.interpret()
        #expect(scene.observer.counters.lateNotices == 2)
        #expect(scene.lines.contains { $0.contains(" accept ") && $0.contains(" x20001 ") })
    }

    /// One end's notice comes and the other's does not: its own side has reset it, which wipes the addresses from the notice. A dump
    /// two seconds later says that its bytes are a lower bound, once.
    @Test func anEndThatNoNoticeReportsIsALowerBound() {
        var scene = scene()
        play(&scene, 1)
        scene.closure(client(1), server, sent: 100, received: 51, hasUnreadEnd: true)
        scene.interpret()
        #expect(bounds(scene) == 0 && scene.observer.counters.unnoticedConnections == 0)
        for _ in 0..<2 {
            _ = scene.tick(2_500_000_000)
            scene.interpret()
            #expect(bounds(scene) == 1 && scene.observer.counters.unnoticedConnections == 1)
        }
        #expect(scene.lines.contains("/usr/bin/server accept :80 peer /usr/bin/client x1 0/0 exact"))
        // When it is given up it is not counted again.
        _ = scene.tick(40_000_000_000)
        scene.interpret()
        #expect(bounds(scene) == 1 && scene.observer.counters.unnoticedConnections == 1)
        #expect(scene.observer.awaitedClosures == 0)
    }

    /// The same without a dump before it is given up, and of several connections between the same two ends.
    @Test func whatIsGivenUpIsALowerBound() {
        var scene = scene()
        for _ in 0..<3 { play(&scene, 1) }
        scene.interpret(settles: false)
        _ = scene.tick(40_000_000_000)
        scene.interpret(settles: false)
        // Of the ends between the same two one record says it of all.
        #expect(bounds(scene) == 2 && scene.observer.counters.unnoticedConnections == 6)
    }
}
