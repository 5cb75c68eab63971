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
}
