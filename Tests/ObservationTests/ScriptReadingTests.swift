import Observation
import Records
import Testing

/// What an image's script is taken for, as far as it could be read.
@Suite struct ScriptReadingTests {
    private func exec(
        _ executable: String, _ script: String?, _ reading: ScriptReading, chain: [String] = []
    ) -> (lines: [String], unknown: UInt64) {
        var scene = Scene()
        scene.host.heads["/opt/server"] = .script(interpreter: Array("/usr/bin/python3".utf8))
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        for file in chain + [executable, Scene.loader] { scene.event([.opened, .executed], 11, file) }
        scene.confirm(11, [executable], script, reading: reading)
        scene.open(11, "/data")
        scene.interpret()
        let unknown = scene.observer.counters.unknownScripts
        return (scene.lines.filter { $0.hasSuffix("/data r") || $0.contains("rx") }, unknown)
    }

    @Test func aScriptThatIsNotKnownIsCounted() {
        #expect(exec("/usr/bin/python3", nil, .unknown) == (["/usr/bin/python3 file /data r"], 1))
        // One that is no interpreter by its name, too.
        #expect(exec("/opt/engine", nil, .unknown) == (["/opt/engine file /data r"], 1))
        #expect(exec("/usr/bin/python3", nil, .known) == (["/usr/bin/python3 file /data r"], 0))
    }

    /// The chain is exact, but for an application: all those of a server have its one script.
    @Test func anApplicationGoesBeforeTheScriptOfItsServer() {
        let read = exec("/usr/bin/python3", "/srv/shop.py", .known, chain: ["/opt/server"])
        #expect(
            read.lines.allSatisfy { $0.hasPrefix("/usr/bin/python3 /opt/server ") } && !read.lines.isEmpty)
        let application = exec("/usr/bin/python3", "/srv/shop.py", .application, chain: ["/opt/server"])
        #expect(application.lines.contains("/usr/bin/python3 /srv/shop.py file /data r"))
        #expect(!application.lines.contains { $0.hasPrefix("/usr/bin/python3 /opt/server ") })
    }

    /// A module or a class is the name of no file.
    @Test func aNameIsNoFile() {
        #expect(
            exec("/usr/bin/python3", "http.server", .known).lines == [
                "/usr/bin/python3 http.server file /data r"
            ])
    }

    /// What a scan finds is counted once, however often it is found.
    @Test func aProcessThatIsFoundIsCountedOnce() {
        var scene = Scene()
        let facts = ProcessFacts(
            pid: 20, parent: 1, executable: Array("/usr/bin/perl".utf8), reading: .unknown)
        for _ in 0..<3 {
            var snapshot = HostSnapshot()
            snapshot.processes = [ProcessSnapshot(facts: facts, files: [])]
            snapshot.monotonic = scene.now
            scene.observer.take(snapshot, .start)
        }
        let unknown = scene.observer.counters.unknownScripts
        #expect(unknown == 1)
    }
}
