import Observation
import Records
import Testing

/// Connections whose destination is translated on the way, as scans of connection tracking find them.
@Suite struct TranslationTests {
    private static let asked = Endpoint(NetworkAddress(v4: 0x0a00_0001), port: 8080)
    private static let answers = Endpoint(NetworkAddress(v4: 0x0a00_0002), port: 80)

    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(10, "/usr/bin/server", network: 72)
        scene.host.add(20, "/usr/bin/client", network: 71)
        scene.host.add(21, "/usr/bin/stranger", network: 71)
        return scene
    }

    private func flow(_ port: UInt16) -> TranslatedConnection {
        let client = Endpoint(NetworkAddress(v4: 0x0a00_0001), port: port)
        return TranslatedConnection(
            .tcp, client: client, asked: Self.asked, server: Self.answers, seen: client)
    }

    private func look(
        _ scene: inout Scene, _ flows: [TranslatedConnection], isListening: Bool = true,
        addresses: [NetworkAddress] = []
    ) {
        var snapshot = HostSnapshot()
        (snapshot.monotonic, snapshot.wall, snapshot.network) = (scene.tick(), 5, 71)
        snapshot.addresses = addresses
        snapshot.processes = scene.host.processes.values.map { ProcessSnapshot(facts: $0, files: []) }
        snapshot.translations = flows
        if isListening {
            snapshot.sockets = [
                SocketSnapshot(
                    .tcp, isListening: true, local: Self.answers,
                    remote: Endpoint(NetworkAddress(high: 0, low: 0), port: 0), holders: [10], network: 72)
            ]
        }
        scene.observer.take(snapshot, .start)
    }

    private func connect(_ scene: inout Scene, _ pid: Int32, _ remote: Endpoint) {
        let local = Endpoint(NetworkAddress(v4: 0x0a00_0001), port: 4000)
        scene.transition(pid, 1, .close, .synSent, Endpoint(local.address, port: 0), remote)
        scene.transition(0, 1, .synSent, .established, local, remote)
        scene.interpret()
    }

    /// Who connected before is joined to who answers, others are not; the connection is counted where it was.
    @Test func whoAnswersIsThePeer() {
        var scene = scene()
        look(&scene, [])
        connect(&scene, 20, Self.asked)
        connect(&scene, 21, Endpoint(Self.asked.address, port: 8081))
        look(&scene, [flow(5000)])
        let connects = scene.lines.filter { $0.contains(" connect ") }
        #expect(connects.filter { $0.contains("peer /usr/bin/server") }.count == 1, "\(connects)")
        #expect(connects.contains { $0.hasPrefix("/usr/bin/client") && $0.contains("peer /usr/bin/server") })
        #expect(!scene.lines.contains { $0.contains(" listen ") && $0.contains("8080") })
        #expect(scene.observer.counters.untranslated == 0)
    }

    /// The published address of the host is one at which the server listens, for clients elsewhere.
    @Test func publishedAddress() {
        var scene = scene()
        look(&scene, [flow(5000)], addresses: [Self.asked.address])
        #expect(scene.lines.contains { $0.hasPrefix("/usr/bin/server listen") && $0.contains("8080") })
    }

    /// A flow that nobody answers is counted, once.
    @Test func nobodyAnswers() {
        var scene = scene()
        for _ in 0..<2 { look(&scene, [flow(5000)], isListening: false) }
        #expect(scene.observer.counters.untranslated == 1)
    }
}
