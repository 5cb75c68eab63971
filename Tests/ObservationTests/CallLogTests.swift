import Observation
import Records
import Testing

/// The calls that are kept beside the records.
@Suite struct CallLogTests {
    /// What the calls say was opened, in order.
    private func opens(_ scene: inout Scene) -> [String] {
        scene.observer.takeCalls().compactMap {
            guard case .open(_, let path, _) = $0.call else { return nil }
            return String(decoding: path, as: UTF8.self)
        }
    }

    /// A batch may end right behind an exec: what the process opens stands in the next one.
    @Test func opensOfTheBatchBehindAnExec() {
        var scene = Scene()
        scene.observer.keepCalls()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", Scene.loader)
        scene.interpret()
        _ = opens(&scene)
        for name in ["/etc/a", "/etc/b"] {
            scene.open(11, name)
            scene.interpret()
            #expect(opens(&scene) == [name])
        }
    }

    /// What the records say was opened or executed.
    private func files(_ scene: borrowing Scene) -> Set<String> {
        var result: Set<String> = []
        for record in scene.observer.ledger.records where record.key.relation == .file {
            let path = scene.observer.ledger.texts.array(TextID(rawValue: record.key.object))
            result.insert(String(decoding: path, as: UTF8.self))
        }
        return result
    }

    /// A process that was there before runs its program, and nothing has opened that: neither has the other.
    @Test func aProcessThatWasThereBefore() {
        var scene = Scene()
        scene.observer.keepCalls()
        scene.host.add(10, "/usr/bin/bash")
        scene.open(10, "/etc/a")
        scene.interpret()
        #expect(opens(&scene) == ["/etc/a"])
        #expect(files(scene) == ["/etc/a"])
    }

    /// A scan finds what a process runs: then both have it.
    @Test func aScanFindsTheFilesOfTheProgram() {
        var scene = Scene()
        scene.observer.keepCalls()
        scene.host.add(10, "/usr/bin/python3.11", script: "/srv/shop.py")
        var snapshot = HostSnapshot()
        snapshot.processes = [
            ProcessSnapshot(
                facts: scene.host.processes[10]!,
                files: [HeldFile(path: Array("/data".utf8), access: .opened, kind: .regular)])
        ]
        scene.observer.take(snapshot, .start)
        #expect(opens(&scene) == ["/usr/bin/python3.11", "/srv/shop.py", "/data"])
        #expect(files(scene) == ["/usr/bin/python3.11", "/srv/shop.py", "/data"])
    }

    /// A scan that comes before the events of an exec already shows the image: the files of the chain are in both.
    @Test func anExecThatWhatWasFoundAlreadyContains() {
        var scene = Scene()
        scene.observer.keepCalls()
        scene.host.add(10, "/usr/bin/cat")
        var snapshot = HostSnapshot()
        snapshot.processes = [ProcessSnapshot(facts: scene.host.processes[10]!, files: [])]
        snapshot.monotonic = scene.now + 1_000_000
        scene.observer.take(snapshot, .look)
        _ = opens(&scene)
        scene.exec(10, "/usr/bin/cat", Scene.loader)
        scene.interpret()
        #expect(opens(&scene) == ["/usr/bin/cat", Scene.loader])
        #expect(files(scene) == ["/usr/bin/cat", Scene.loader])
    }

    /// A process that was moved into the scope and goes on there is found by that: both have its program.
    @Test func aProcessThatIsMovedAndGoesOn() {
        var scene = Scene(Scope(workload: Array("group".utf8)))
        scene.observer.keepCalls()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", Scene.loader)
        scene.interpret()
        scene.move(11, to: "group")
        scene.interpret()
        _ = scene.tick(1_000_000_000)
        scene.interpret()
        #expect(opens(&scene) == ["/usr/bin/cat"])
        #expect(files(scene) == ["/usr/bin/cat"])
    }
}
