import Observation
import Records
import Testing

/// Connects to Unix sockets, which scans give their servers.
@Suite struct UnixConnectTests {
    private static let server: Int32 = 10
    private static let other: Int32 = 11
    private static let client: Int32 = 20

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(Self.server, "/usr/bin/server", network: 71)
        scene.host.add(Self.other, "/usr/bin/other", network: 71)
        scene.host.add(Self.client, "/usr/bin/client", network: 71)
        scene.host.add(Scene.ownPid, "/usr/sbin/retinued", network: 71)
        return scene
    }

    private func listener(
        _ inode: UInt32, _ name: String, _ holder: Int32, changed: UInt64 = 0, isDatagram: Bool = false
    ) -> UnixListener {
        UnixListener(
            inode: inode, isDatagram: isDatagram, bound: Array(name.utf8), name: Array(name.utf8),
            holders: [holder], changed: changed)
    }

    private func look(
        _ scene: inout Scene, at time: UInt64, _ listeners: [UnixListener], channels: [ChannelSnapshot] = [],
        isComplete: Bool = true, failures: [ScanFailure] = []
    ) {
        var snapshot = HostSnapshot()
        (snapshot.monotonic, snapshot.wall, snapshot.network) = (time, time, 71)
        snapshot.isComplete = isComplete
        snapshot.failures = failures
        snapshot.processes = scene.host.processes.values.map { ProcessSnapshot(facts: $0, files: []) }
        snapshot.unixListeners = listeners
        snapshot.channels = channels
        scene.observer.take(snapshot, .start)
    }

    private func connect(
        _ scene: inout Scene, at time: UInt64, _ name: String?, times: Int = 1, socket: UInt64 = 0,
        call: LocalConnect.Call = .connect, pid: Int32 = client
    ) {
        var batch = EventBatch()
        (batch.cutoff, batch.wall) = (time + 100, time + 100)
        for number in 0..<times {
            batch.connects.append(
                LocalConnect(
                    time: time + UInt64(number), pid: pid, call: call, socket: socket,
                    name: name.map { Array($0.utf8) }))
        }
        scene.observer.interpret(batch)
    }

    private func links(_ scene: borrowing Scene) -> [String] {
        func name(_ program: ProgramID) -> String {
            let text = scene.observer.ledger[program].executable
            return String(decoding: scene.observer.ledger.texts.array(text), as: UTF8.self)
        }
        var lines: [String] = []
        for record in scene.observer.ledger.records where record.key.relation == .ipc {
            lines.append(
                "\(name(record.key.program)) \(name(record.key.peer)) \(record.count) \(record.evidence)")
        }
        return lines.sorted()
    }

    /// A listener that was there before and is still there is whom the name meant.
    @Test func whoWasThereBefore() {
        var scene = scene()
        look(&scene, at: 1000, [listener(1, "/run/s", Self.server)])
        connect(&scene, at: 2000, "/run/s", times: 5)
        connect(&scene, at: 2500, "/var/run/s", times: 2)
        #expect(links(scene).isEmpty)
        look(&scene, at: 3000, [listener(1, "/run/s", Self.server)])
        #expect(
            links(scene) == [
                "/usr/bin/client /usr/bin/server 7 exact", "/usr/bin/server /usr/bin/client 7 exact",
            ])
        #expect(scene.observer.counters.unattributedUnix == 0)
    }

    /// One that came since may be another than the one that was meant, unless its file is older than the connect.
    @Test(arguments: [(UInt64(0), "inferred"), (1_000_000_000, "exact"), (1_990_000_000, "inferred")])
    func whoCameSince(changed: UInt64, evidence: String) {
        var scene = scene()
        look(&scene, at: 1000, [listener(9, "/run/else", Self.other)])
        connect(&scene, at: 2_000_000_000, "/run/s")
        look(&scene, at: 3_000_000_000, [listener(2, "/run/s", Self.server, changed: changed)])
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 \(evidence)"))
    }

    /// Of two sockets of one name, and of one that has gone, all that may have been meant.
    @Test func allThatMayBeMeant() {
        var scene = scene()
        look(&scene, at: 1000, [listener(1, "/run/s", Self.server)])
        connect(&scene, at: 2000, "/run/s")
        look(&scene, at: 3000, [listener(2, "/run/s", Self.other)])
        #expect(
            links(scene) == [
                "/usr/bin/client /usr/bin/other 1 inferred", "/usr/bin/client /usr/bin/server 1 inferred",
                "/usr/bin/other /usr/bin/client 1 inferred", "/usr/bin/server /usr/bin/client 1 inferred",
            ])
    }

    /// A connection that still lives when the scan comes is known better than by a name that two sockets have.
    @Test func whoStillHoldsIt() {
        var scene = scene()
        let both = [listener(1, "app.sock", Self.server), listener(2, "app.sock", Self.other)]
        look(&scene, at: 1000, both)
        connect(&scene, at: 2000, "app.sock")
        var channel = ChannelSnapshot(
            .unix, name: Array("app.sock".utf8), holders: [Self.client], peers: [Self.other])
        channel.number = 7
        look(&scene, at: 3000, both, channels: [channel])
        #expect(
            links(scene) == [
                "/usr/bin/client /usr/bin/other 1 snapshot", "/usr/bin/other /usr/bin/client 1 snapshot",
            ])
        // Of two that were made since, one is gone: it may have been with either.
        connect(&scene, at: 4000, "app.sock", times: 2)
        channel.number = 8
        look(&scene, at: 5000, both, channels: [channel])
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 inferred"))
        #expect(scene.observer.counters.unattributedUnix == 0)
    }

    /// Where a listener lies is learnt from a name; what lay there before, or does since it has gone, is another one.
    @Test func whereAListenerLies() {
        var scene = scene()
        let listeners = [listener(1, "/run/s", Self.server)]
        look(&scene, at: 1000, listeners)
        connect(&scene, at: 2000, nil, times: 3, socket: 77)
        connect(&scene, at: 2010, "/run/s", socket: 77)
        connect(&scene, at: 2020, nil, times: 2, socket: 78)
        look(&scene, at: 3000, listeners)
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 4 exact"))
        #expect(scene.observer.counters.unattributedUnix == 2)
        look(&scene, at: 4000, [listener(2, "/run/t", Self.server)])
        connect(&scene, at: 5000, nil, socket: 77)
        look(&scene, at: 6000, [listener(2, "/run/t", Self.server)])
        #expect(scene.observer.counters.unattributedUnix == 3)
    }

    /// What a scan finds open is one of the connects that it cannot name, and is counted in its record alone.
    @Test func whatAScanFinds() {
        var scene = scene()
        let listeners = [listener(1, "/run/s", Self.server)]
        look(&scene, at: 1000, listeners)
        connect(&scene, at: 2000, nil, times: 3, socket: 5)
        let channel = ChannelSnapshot(
            .unix, name: Array("/run/s".utf8), holders: [Self.client], peers: [Self.server], number: 12)
        for time: UInt64 in [3000, 4000] { look(&scene, at: time, listeners, channels: [channel]) }
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 snapshot"))
        #expect(scene.observer.counters.unattributedUnix == 2)
    }

    /// A packet of a connection whose connect has its record adds nothing to it.
    @Test func aPacketIsNoConnect() {
        var scene = scene()
        let listeners = [listener(1, "/run/s", Self.server)]
        look(&scene, at: 1000, listeners)
        connect(&scene, at: 2000, "/run/s")
        connect(&scene, at: 2100, nil, socket: 5, call: .datagram)
        let channel = ChannelSnapshot(
            .unix, name: Array("/run/s".utf8), holders: [Self.client], peers: [Self.server], number: 12)
        look(&scene, at: 3000, listeners, channels: [channel])
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 exact"))
        #expect(scene.observer.counters.unattributedUnix == 0)
    }

    /// A scan that has not read every process knows the holders from the one before; one that could not read the sockets
    /// decides nothing; the daemon's own are no dependency.
    @Test func partOfAScan() {
        var scene = scene()
        let own = listener(3, "/run/own", Scene.ownPid)
        let unread = UnixListener(
            inode: 1, isDatagram: false, bound: Array("/run/s".utf8), name: Array("/run/s".utf8), holders: [])
        look(&scene, at: 1000, [listener(1, "/run/s", Self.server), own])
        connect(&scene, at: 2000, "/run/s")
        connect(&scene, at: 2100, "/run/own")
        look(&scene, at: 3000, [unread, own], isComplete: false)
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 exact"))
        connect(&scene, at: 4000, "/run/s")
        look(&scene, at: 5000, [], failures: [ScanFailure("Unix sockets", 5)])
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 exact"))
        look(&scene, at: 6000, [listener(1, "/run/s", Self.server), own])
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 2 exact"))
        #expect(scene.observer.counters.unattributedUnix == 0)
        // Nobody knows who holds it.
        connect(&scene, at: 7000, "/run/t")
        look(
            &scene, at: 8000,
            [UnixListener(inode: 9, isDatagram: false, bound: Array("/run/t".utf8), name: [], holders: [])],
            isComplete: false)
        #expect(scene.observer.counters.unattributedUnix == 1)
    }

    /// Datagrams of one process to one receiver are one link; of a name alone nobody knows whether it was reached.
    @Test func datagrams() {
        var scene = scene()
        let listeners = [
            listener(1, "/run/log", Self.server, isDatagram: true), listener(2, "/run/log", Self.other),
        ]
        look(&scene, at: 1000, listeners)
        connect(&scene, at: 2000, "/run/log", times: 9, call: .datagram)
        look(&scene, at: 3000, listeners)
        #expect(links(scene).contains("/usr/bin/client /usr/bin/server 1 exact"))
        connect(&scene, at: 4000, "/run/log", times: 9, call: .send, pid: Self.other)
        connect(&scene, at: 4100, nil, times: 9, socket: 99, call: .datagram, pid: Self.other)
        look(&scene, at: 5000, listeners)
        #expect(links(scene).contains("/usr/bin/other /usr/bin/server 1 inferred"))
        #expect(scene.observer.counters.unattributedUnix == 1)
    }

    /// Who closed a UDP socket is whose it was.
    @Test func whoClosedADatagramSocket() {
        var scene = scene()
        func end(_ port: UInt16) -> Endpoint { Endpoint(NetworkAddress(v4: 0x7f00_0001), port: port) }
        var batch = EventBatch()
        (batch.cutoff, batch.wall) = (2000, 2000)
        batch.datagramEnds = [
            DatagramEvent(time: 1500, pid: Self.client, local: end(4000), remote: end(53))
        ]
        batch.closures = [
            ClosureEvent(.udp, local: end(4000), remote: end(53)),
            ClosureEvent(.udp, local: end(4001), remote: end(53)),
        ]
        scene.observer.interpret(batch)
        let records = scene.observer.ledger.records.filter { $0.key.relation == .connect }
        #expect(records.map(\.evidence) == [.exact])
        #expect(scene.observer.counters.unattributedDatagrams == 1)
    }
}
