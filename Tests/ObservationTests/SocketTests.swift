import Observation
import Records
import Testing

/// Connections: which program, which peer, how many bytes.
@Suite struct SocketTests {
    let client = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 40000)
    let server = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 80)
    let wildcard = Endpoint(NetworkAddress(v4: 0), port: 80)
    let none = Endpoint(NetworkAddress(v4: 0), port: 0)

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(10, "/usr/bin/server")
        scene.host.add(20, "/usr/bin/client")
        return scene
    }

    private func unbound(_ endpoint: Endpoint) -> Endpoint { Endpoint(endpoint.address, port: 0) }

    private func connect(_ scene: inout Scene, _ socket: UInt64 = 1) {
        scene.transition(20, socket, .close, .synSent, unbound(client), server)
        // The later changes happen in the context of whoever is interrupted.
        scene.transition(77, socket, .synSent, .established, client, server)
        scene.transition(77, socket + 100, .synReceived, .established, server, client)
        scene.ends(10, socket + 100, server, client)
    }

    @Test func bothSidesAreJoinedAndBytesAreThoseOfThePayload() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        // The client closes first: the server reads the end, the client never reads the server's.
        scene.transition(20, 1, .established, .finWait1, client, server)
        scene.transition(77, 101, .established, .closeWait, server, client)
        scene.transition(10, 101, .closeWait, .lastAck, server, client)
        scene.transition(77, 1, .finWait2, .close, client, server)
        scene.transition(77, 101, .lastAck, .close, server, client)
        scene.closure(client, server, sent: 100, received: 51, hasUnreadEnd: true)
        scene.closure(server, client, sent: 50, received: 101)
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x1 100/50 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x1 50/100 exact",
                "/usr/bin/server listen :80 exact",
            ])
        let number = scene.observer.awaitedClosures
        #expect(number == 0)
    }

    /// Who shuts down, reads to the end and only then closes has received the other side's FIN.
    @Test(arguments: [(UInt64(500), 51), (60_000, 50)]) func aFinThatIsWaitedForIsNoPayload(
        wait: UInt64, received: Int
    ) {
        var scene = scene()
        scene.transition(20, 1, .close, .synSent, unbound(client), server)
        scene.transition(77, 1, .synSent, .established, client, server)
        scene.transition(20, 1, .established, .finWait1, client, server)
        scene.transition(77, 1, .finWait1, .finWait2, client, server)
        _ = scene.tick(wait)
        scene.transition(77, 1, .finWait2, .close, client, server)
        scene.closure(client, server, sent: 100, received: 51)
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/client connect :80 x1 100/\(received) exact"])
    }

    /// What the other end of a connection on this host sent is the exact figure.
    @Test func theOtherEndsCountIsTheExactOne() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.closure(client, server, sent: 100, received: 51)
        scene.closure(server, client, sent: 50, received: 101)
        scene.interpret()
        #expect(scene.lines.contains { $0.hasPrefix("/usr/bin/client connect") && $0.contains(" 100/50 ") })
        #expect(scene.lines.contains { $0.hasPrefix("/usr/bin/server accept") && $0.contains(" 50/100 ") })
    }

    /// A busy processor draws out the last state: whether a FIN was counted is what the other end's notice says, though it
    /// comes in a later batch; one that does not come is not waited for.
    @Test(arguments: [true, false]) func aFinThatIsDoubtedWaitsForTheOtherEnd(comes: Bool) {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.transition(77, 101, .finWait1, .finWait2, server, client)
        _ = scene.tick(60_000)
        scene.transition(77, 101, .finWait2, .close, server, client)
        scene.transition(77, 1, .closeWait, .lastAck, client, server)
        scene.transition(77, 1, .lastAck, .close, client, server)
        scene.closure(server, client, sent: 50, received: 100)
        scene.interpret(settles: false)
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 2)
        if comes {
            scene.closure(client, server, sent: 100, received: 50)
        } else {
            _ = scene.tick(2_000_000_000)
        }
        scene.interpret()
        #expect(
            scene.lines.contains(
                "/usr/bin/server accept :80 peer /usr/bin/client x1 50/\(comes ? 100 : 99) exact"),
            "\(scene.lines)")
    }

    /// Ports are few on a busy host: the same two ends are connected anew before the notices of the first
    /// connection are worked off. Each has its own traffic, and its own FIN.
    @Test(arguments: [1, 2]) func theSameEndsConnectedAnew(batches: Int) {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        for socket: UInt64 in [1, 2, 3] {
            connect(&scene, socket)
            scene.transition(77, socket, .established, .closeWait, client, server)
            scene.transition(20, socket, .lastAck, .close, client, server)
            scene.transition(77, socket + 100, .finWait2, .close, server, client)
        }
        for number: UInt64 in [1, 2, 3] {
            // In one batch the two ends tell each other what they sent; in two they cannot.
            scene.closure(client, server, sent: number * 100, received: number * 10 + 1)
            if batches == 2 { scene.interpret() }
            scene.closure(server, client, sent: number * 10, received: number * 100)
        }
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x3 600/60 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x3 60/600 exact",
                "/usr/bin/server listen :80 exact",
            ])
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0)
    }

    /// A busy processor reports the ends that it has seen seconds after another one: what is reported late, after others'
    /// notices have reported younger ends, is no connection of its own.
    @Test(arguments: [false, true]) func aNoticeThatIsVeryLate(isConnectedAnew: Bool) {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.transition(77, 1, .lastAck, .close, client, server)
        scene.transition(77, 101, .finWait2, .close, server, client)
        scene.interpret()
        if isConnectedAnew { connect(&scene, 2) }
        _ = scene.tick(31_000_000_000)
        scene.interpret()
        let awaited = scene.observer.awaitedClosures
        #expect(awaited == 0, "no dump waits for it any more")
        scene.closure(client, server, sent: 100, received: 50)
        scene.closure(server, client, sent: 50, received: 100)
        scene.interpret()
        let count = isConnectedAnew ? 2 : 1
        #expect(
            scene.lines == [
                "/usr/bin/client connect :80 peer /usr/bin/server x\(count) 100/50 exact",
                "/usr/bin/server accept :80 peer /usr/bin/client x\(count) 50/100 exact",
                "/usr/bin/server listen :80 exact",
            ])
    }

    /// The ring of the processor that saw the accept was drained behind that of the connect.
    @Test func anAcceptThatIsReadBeforeItsConnectWaitsForIt() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.transition(20, 1, .close, .synSent, unbound(client), server)
        scene.interpret()
        let connectTime = scene.tick()
        scene.transition(77, 101, .synReceived, .established, server, client)
        scene.ends(10, 101, server, client)
        scene.closure(server, client, sent: 50, received: 100)
        scene.interpret(early: 2500)
        let isHeld = scene.observer.hasHeldEvents
        #expect(isHeld)
        scene.transition(77, 1, .synSent, .established, client, server, at: connectTime)
        scene.closure(client, server, sent: 100, received: 50)
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/server accept :80 peer /usr/bin/client x1 50/100 exact"))
        #expect(scene.lines.contains("/usr/bin/client connect :80 peer /usr/bin/server x1 100/50 exact"))
    }

    /// Connections that never cease: each batch has a change that waits. Ends wait for one batch, not for
    /// a quiet moment, after which their connections would be forgotten and they inferred.
    @Test func endsDoNotWaitForAQuietMoment() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.transition(20, 1, .lastAck, .close, client, server)
        scene.transition(77, 101, .finWait2, .close, server, client)
        scene.closure(client, server, sent: 100, received: 50)
        scene.closure(server, client, sent: 50, received: 100)
        for number: UInt64 in 0..<3 {
            let other = Endpoint(client.address, port: 50000 + UInt16(number))
            scene.transition(20, 200 + number, .close, .synSent, unbound(other), server)
            scene.interpret(early: 1500)
            let isHeld = scene.observer.hasHeldEvents
            #expect(isHeld)
            _ = scene.tick(3_000_000_000)
        }
        #expect(scene.lines.contains("/usr/bin/client connect :80 peer /usr/bin/server x1 100/50 exact"))
        #expect(scene.lines.contains("/usr/bin/server accept :80 peer /usr/bin/client x1 50/100 exact"))
        #expect(!scene.lines.contains { $0.contains("inferred") })
    }

    @Test func theProgramIsThatOfTheMomentOfTheConnect() {
        var scene = scene()
        scene.host.heads["/usr/bin/cat"] = .plain
        scene.transition(10, 5, .close, .listen, wildcard, none)
        scene.open(20, "/etc/hosts")
        connect(&scene)
        scene.exec(20, "/usr/bin/cat")
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 exact"))
    }

    @Test func aConnectionThatIsStillOpenIsCountedOnceHoweverOftenItIsLookedAt() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.interpret()
        var snapshot = HostSnapshot()
        snapshot.wall = 1_700_000_001_000_000_000
        snapshot.sockets = [
            SocketSnapshot(
                .tcp, isListening: false, local: client, remote: server, holders: [20], sent: 10, received: 5)
        ]
        scene.observer.take(snapshot, .look)
        scene.observer.take(snapshot, .look)
        scene.closure(client, server, sent: 30, received: 7)
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/client connect :80 peer /usr/bin/server x1 30/7 exact"))
    }

    @Test func aFailedConnectIsNoDependency() {
        var scene = scene()
        scene.transition(20, 1, .close, .synSent, unbound(client), server)
        scene.transition(77, 1, .synSent, .close, client, server)
        scene.closure(Endpoint(client.address, port: 40000), none, sent: 0, received: 0)
        scene.interpret()
        #expect(scene.lines.isEmpty)
    }

    @Test func aConnectionThatNobodySawIsInferredFromItsLike() {
        var scene = scene()
        scene.transition(10, 5, .close, .listen, wildcard, none)
        connect(&scene)
        scene.closure(client, server, sent: 1, received: 1)
        scene.interpret()
        let other = Endpoint(client.address, port: 40001)
        scene.closure(other, server, sent: 3, received: 4)
        scene.closure(server, other, sent: 4, received: 3)
        scene.interpret()
        #expect(scene.lines.contains { $0.hasPrefix("/usr/bin/client connect") && $0.contains("x2 4/5") })
        #expect(scene.lines.contains { $0.hasPrefix("/usr/bin/server accept") && $0.contains("x2") })
    }

    @Test func aConnectionThatCannotBeInferredIsCounted() {
        var scene = scene()
        scene.closure(client, server, sent: 3, received: 4)
        scene.interpret()
        #expect(scene.lines.isEmpty)
        let number = scene.observer.counters.unattributedConnections
        #expect(number == 1)
    }

    @Test func whatAScanFindsIsEvidenceOfItsKind() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.wall = 1_700_000_001_000_000_000
        snapshot.processes = [10, 20].map { pid in
            ProcessSnapshot(
                facts: scene.host.processes[pid]!,
                files: [
                    HeldFile(path: Array("/data/\(pid)".utf8), access: [.opened, .written], kind: .regular)
                ])
        }
        snapshot.sockets = [
            // The server's end first: the peers are known in any order.
            SocketSnapshot(.tcp, isListening: false, local: server, remote: client, holders: [10]),
            SocketSnapshot(.tcp, isListening: false, local: client, remote: server, holders: [20]),
            SocketSnapshot(.tcp, isListening: true, local: wildcard, remote: none, holders: [10]),
        ]
        snapshot.channels = [ChannelSnapshot(.unix, name: Array("/run/s".utf8), holders: [20], peers: [10])]
        scene.observer.take(snapshot, .start)
        let lines = scene.lines
        #expect(lines.contains("/usr/bin/server listen :80 snapshot"))
        #expect(lines.contains("/usr/bin/client connect :80 peer /usr/bin/server x1 0/0 snapshot"))
        #expect(lines.contains { $0.hasPrefix("/usr/bin/server accept :80 peer /usr/bin/client") })
        #expect(lines.contains("/usr/bin/client file /data/20 rw"))
        #expect(lines.contains("/usr/bin/client file /usr/bin/client x"))
        #expect(lines.contains("/usr/bin/client ipc /run/s peer /usr/bin/server"))
        #expect(lines.contains("/usr/bin/server ipc /run/s peer /usr/bin/client"))
        let evidence = Set(scene.observer.ledger.records.map(\.evidence))
        #expect(evidence == [.snapshot])
        let before = scene.observer.ledger.records.map(\.count)
        scene.observer.take(snapshot, .look)
        let behind = scene.observer.ledger.records.map(\.count)
        #expect(behind == before)
    }

    @Test func anEventMakesASnapshotExact() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.processes = [
            ProcessSnapshot(
                facts: scene.host.processes[20]!,
                files: [HeldFile(path: Array("/data".utf8), access: .opened, kind: .regular)])
        ]
        scene.observer.take(snapshot, .start)
        scene.open(20, "/data")
        scene.interpret()
        let record = scene.observer.ledger.records.first { $0.key.relation == .file && $0.access == .opened }
        #expect(record?.evidence == .exact)
        #expect(record?.count == 2)
    }
}
