import Observation
import Records
import Testing

/// Which of the files that an exec opens is the program, and which its ELF interpreter.
@Suite struct LoaderTests {
    private let loader = Scene.loader

    /// A host on which the host's own loader was met.
    private func scene() -> Scene {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", loader)
        scene.interpret()
        return scene
    }

    private func add(_ scene: borrowing Scene, _ path: String, _ head: ExecutableHead) {
        scene.host.heads[path] = head
    }

    private static let dynamic = ExecutableHead.dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))

    /// A container's programs have a loader of their own, at another path of the host.
    @Test(arguments: [true, false]) func theLoaderOfAnotherRoot(isSeen: Bool) {
        var scene = scene()
        add(scene, "/srv/root/bin/true", Self.dynamic)
        add(scene, "/srv/root/bin/env", Self.dynamic)
        add(scene, "/srv/root/lib/ld-linux.so.2", .plain)
        for pid in [12, 13] as [Int32] {
            scene.fork(10, pid)
            scene.exec(
                pid, "/srv/root/bin/env", "/srv/root/lib/ld-linux.so.2", executable: "/bin/env",
                isSeen: isSeen)
            // Its loader's event is merged with that of the exec before.
            scene.exec(pid, "/srv/root/bin/true", executable: "/bin/true", isSeen: isSeen)
            scene.interpret()
        }
        #expect(scene.lines(of: "/usr/bin/bash").contains("spawn /srv/root/bin/env"))
        #expect(
            scene.lines(of: "/srv/root/bin/env") == [
                "file /srv/root/bin/env x", "file /srv/root/lib/ld-linux.so.2 x", "spawn /srv/root/bin/true",
            ])
        #expect(
            scene.lines(of: "/srv/root/bin/true") == [
                "file /srv/root/bin/true x", "file /srv/root/lib/ld-linux.so.2 x",
            ])
        #expect(!scene.lines.contains { $0.hasPrefix("/srv/root/lib/ld-linux.so.2 ") })
    }

    /// A link of the name that executables ask for leads to a file of another name, which was never met.
    @Test func theLoaderBehindALink() {
        var scene = scene()
        add(scene, "/srv/old/bin/true", Self.dynamic)
        add(scene, "/srv/old/lib/ld-2.31.so", .plain)
        scene.fork(10, 12)
        scene.exec(12, "/srv/old/bin/true", "/srv/old/lib/ld-2.31.so", executable: "/bin/true")
        scene.interpret()
        #expect(
            scene.lines(of: "/srv/old/bin/true") == [
                "file /srv/old/bin/true x", "file /srv/old/lib/ld-2.31.so x",
            ])
        #expect(!scene.lines.contains { $0.hasPrefix("/srv/old/lib/ld-2.31.so ") })
    }

    /// What follows is a program without a loader: that of the one before was merged with the open of an earlier exec.
    @Test func aStaticProgramBehindAMergedLoader() {
        var scene = scene()
        add(scene, "/opt/static", .plain)
        scene.fork(10, 12)
        scene.exec(12, "/usr/bin/cat", loader)
        scene.exec(12, "/usr/bin/env", isSeen: false)
        scene.exec(12, "/opt/static")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/cat").contains("spawn /usr/bin/env"))
        #expect(scene.lines(of: "/usr/bin/env").contains("spawn /opt/static"))
        #expect(scene.lines(of: "/usr/bin/env").contains("file \(loader) x"))
    }

    /// The executable lies where nothing is watched: a memory file, a filesystem of another mount namespace.
    @Test func anExecutableThatIsNotSeenIsWhatTheProcessSaysOfItself() {
        var scene = scene()
        scene.fork(10, 12)
        scene.exec(12, loader, executable: "/memfd:payload")
        scene.open(12, "/etc/a.conf")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("spawn /memfd:payload"))
        #expect(
            scene.lines(of: "/memfd:payload") == [
                "file /etc/a.conf r", "file \(loader) x",
            ])
        #expect(!scene.lines.contains { $0.hasPrefix("\(loader) ") })
    }

    /// The same as the first exec of all, whose loader nobody knows for one yet.
    @Test func anExecutableThatIsNotSeenBeforeAnyLoaderWasMet() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 12)
        scene.exec(12, loader, executable: "/memfd:payload")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /memfd:payload"])
    }

    /// Nobody can say what it was: it is counted, and no program is named after its loader.
    @Test func anExecutableThatIsNotSeenAndGoneIsCounted() {
        var scene = scene()
        scene.fork(10, 12)
        scene.exec(12, loader, isSeen: false)
        scene.open(12, "/etc/a.conf")
        scene.exit(12)
        scene.interpret()
        #expect(scene.observer.counters.unknownExecutables == 1)
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/cat"])
        #expect(!scene.lines.contains { $0.contains("a.conf") || $0.hasPrefix("\(loader) ") })
        #expect(scene.observer.counters.unattributedFiles > 0)
    }

    /// `ld.so ./program` executes the loader itself.
    @Test func aLoaderThatIsExecutedItself() {
        var scene = scene()
        scene.fork(10, 12)
        scene.exec(12, loader, executable: loader)
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("spawn \(loader)"))
    }

    /// What was read may be of the image that came next.
    @Test func whatWasReadOfTheNextImageNamesNotThisOne() {
        var scene = scene()
        add(scene, "/opt/static", .plain)
        scene.fork(10, 12)
        scene.exec(12, "/opt/static", executable: "/usr/bin/cat")
        scene.exec(12, "/usr/bin/cat", loader)
        scene.interpret()
        #expect(scene.lines(of: "/opt/static").contains("spawn /usr/bin/cat"))
        #expect(scene.lines(of: "/usr/bin/bash").contains("spawn /opt/static"))
    }
}
