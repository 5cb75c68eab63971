import Observation
import Records
import Testing

/// Objects that any number of processes share, as scans find them.
@Suite struct SharingTests {
    private func scene(_ scope: Scope = Scope()) -> Scene {
        let scene = Scene(scope)
        scene.host.add(10, "/usr/bin/server", workload: "a", network: 71)
        scene.host.add(11, "/usr/bin/server", workload: "a", network: 71)
        scene.host.add(20, "/usr/bin/client", workload: "b", network: 71)
        scene.host.add(30, "/usr/bin/far", workload: "b", network: 72)
        scene.host.add(Scene.ownPid, "/usr/sbin/retinued")
        return scene
    }

    private func look(
        _ scene: inout Scene, _ mechanism: Mechanism, _ pids: [Int32], name: String = "/x",
        _ purpose: Observer.SnapshotPurpose = .start
    ) {
        var snapshot = HostSnapshot()
        snapshot.wall = 5
        snapshot.processes = scene.host.processes.values.map { ProcessSnapshot(facts: $0, files: []) }
        snapshot.channels = [
            ChannelSnapshot(mechanism, name: Array(name.utf8), holders: pids, peers: pids)
        ]
        scene.observer.take(snapshot, purpose)
    }

    private func ipc(_ scene: borrowing Scene) -> [String] { scene.lines.filter { $0.contains(" ipc ") } }

    private static let shared: [Mechanism] = [.shm, .sem, .msg, .posixShm, .mqueue]

    @Test(arguments: shared) func eachNamesEachOther(mechanism: Mechanism) {
        var scene = scene()
        look(&scene, mechanism, [10, 11, 20, 30, 10])
        #expect(
            ipc(scene) == [
                "/usr/bin/client ipc /x peer /usr/bin/far", "/usr/bin/client ipc /x peer /usr/bin/server",
                "/usr/bin/far ipc /x peer /usr/bin/client", "/usr/bin/far ipc /x peer /usr/bin/server",
                "/usr/bin/server ipc /x peer /usr/bin/client", "/usr/bin/server ipc /x peer /usr/bin/far",
            ])
        let records = scene.observer.ledger.records.filter { $0.key.relation == .ipc }
        #expect(records.allSatisfy { $0.evidence == .snapshot && $0.count == 1 })
        #expect(records.allSatisfy { $0.key.detail == mechanism.rawValue })
    }

    /// Processes of one program are one program; the daemon is none.
    @Test(arguments: shared) func aProgramAlone(mechanism: Mechanism) {
        var scene = scene()
        look(&scene, mechanism, [10, 11, Scene.ownPid])
        #expect(ipc(scene) == ["/usr/bin/server ipc /x"])
    }

    @Test func nobodyThatIsKnown() {
        var scene = scene()
        look(&scene, .shm, [Scene.ownPid, 4711])
        #expect(ipc(scene).isEmpty)
    }

    /// A pipe has two ends, and a program that holds both of them talks to nobody.
    @Test func whatHasEndsIsNoSharedObject() {
        var scene = scene()
        look(&scene, .pipe, [10, 11])
        #expect(ipc(scene).isEmpty)
    }

    /// What was just forked has what its parent held, and may be about to execute another program.
    @Test func aForkIsNoEndOfAPipeAtOnce() {
        var scene = scene()
        look(&scene, .pipe, [10, 20], name: "")
        let before = ipc(scene).count
        scene.fork(10, 12)
        scene.interpret()
        func meet() {
            var snapshot = HostSnapshot()
            (snapshot.monotonic, snapshot.wall) = (scene.now, scene.now)
            snapshot.channels = [ChannelSnapshot(.pipe, name: Array("pipe".utf8), holders: [20], peers: [12])]
            scene.observer.take(snapshot, .look)
        }
        meet()
        #expect(ipc(scene).count == before)
        _ = scene.tick(300_000_000)
        meet()
        #expect(
            ipc(scene).filter { $0.contains("ipc pipe") } == [
                "/usr/bin/client ipc pipe peer /usr/bin/server",
                "/usr/bin/server ipc pipe peer /usr/bin/client",
            ])
    }

    @Test func aSecondLookCountsNothing() {
        var scene = scene()
        look(&scene, .shm, [10, 20])
        look(&scene, .shm, [10, 20], .look)
        #expect(scene.observer.ledger.records.filter { $0.key.relation == .ipc }.map(\.count) == [1, 1])
    }

    @Test func outsideTheControlGroupIsNamedAndHasNoRecord() {
        var scene = scene(Scope(workload: Array("a".utf8)))
        look(&scene, .posixShm, [10, 20])
        look(&scene, .posixShm, [20], name: "/y")
        #expect(ipc(scene) == ["/usr/bin/server ipc /x peer /usr/bin/client"])
    }

    @Test func whoIsInAnotherNetworkNamespaceIsNoPeer() {
        var scene = scene(Scope(network: 71))
        look(&scene, .shm, [10, 30])
        #expect(ipc(scene) == ["/usr/bin/far ipc /x peer /usr/bin/server", "/usr/bin/server ipc /x"])
    }

    /// Up to a number all meet; of more, one that is always the same joins them.
    @Test(arguments: [(16, 16 * 15), (17, 2 * 16), (200, 2 * 199)])
    func manySharers(count: Int, records: Int) throws {
        var scene = Scene()
        let pids = (0..<Int32(count)).map { 100 + $0 }
        for pid in pids { scene.host.add(pid, "/usr/bin/p\(pid)") }
        look(&scene, .shm, pids)
        #expect(ipc(scene).count == records)
        look(&scene, .shm, pids.reversed(), .look)
        #expect(ipc(scene).count == records)
        // From the first one follows every other one.
        var reached: Set = ["/usr/bin/p150"]
        if count < 51 { reached = ["/usr/bin/p100"] }
        for _ in 0..<2 {
            for line in ipc(scene) {
                let words = line.split(separator: " ").map(String.init)
                if words.count == 5, reached.contains(words[0]) { reached.insert(words[4]) }
            }
        }
        #expect(reached.count == count)
    }
}
