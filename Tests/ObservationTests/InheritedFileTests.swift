import Observation
import Records
import Testing

/// Whose a file is that is opened by one program and closed by another, which inherited its descriptor.
@Suite struct InheritedFileTests {
    let ld = Scene.loader

    @Test func aWriterThatInheritedItsDescriptorCreditsTheOpener() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.open(10, "/var/log/x")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.interpret()
        scene.exit(10)
        scene.closeWritten(11, "/var/log/x")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /var/log/x rw"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /var/log/x w"))
    }

    /// `nohup` opens its output and becomes the program that closes it.
    @Test func anImageThatHandsAFileOnHeldItWritable() {
        var scene = Scene()
        scene.host.heads["/usr/bin/nohup"] = .plain
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/nohup")
        scene.open(11, "/tmp/nohup.out")
        scene.exec(11, "/usr/bin/cat", ld)
        scene.closeWritten(11, "/tmp/nohup.out")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/nohup").contains("file /tmp/nohup.out rw"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /tmp/nohup.out rw"))
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/nohup"])
    }

    /// `nohup cat >out` in a shell: the shell's fork opens the file, `nohup` and `cat` have its descriptor,
    /// and the batches may end anywhere in between.
    @Test(arguments: 0..<8)
    func aFileThatIsHandedOnThroughTwoImagesWasWritableForItsOpener(ends: Int) {
        var scene = Scene()
        scene.host.heads["/usr/bin/nohup"] = .plain
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/tmp/out")
        if ends & 1 != 0 { scene.interpret() }
        scene.exec(11, "/usr/bin/nohup")
        if ends & 2 != 0 { scene.interpret() }
        scene.exec(11, "/usr/bin/cat", ld)
        if ends & 4 != 0 { scene.interpret() }
        scene.closeWritten(11, "/tmp/out")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/out rw", "spawn /usr/bin/nohup"])
        #expect(scene.lines(of: "/usr/bin/nohup").contains("file /tmp/out rw"))
        #expect(scene.lines(of: "/usr/bin/cat").contains { $0.hasPrefix("file /tmp/out ") })
    }

    /// `env sleep 1 >out &` in a shell that ends at once: what the shell's fork opened is closed by a process
    /// that the one behind it made.
    @Test(arguments: 0..<8)
    func aFileThatIsHandedToAChildWasWritableForItsOpener(ends: Int) {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/tmp/out")
        if ends & 1 != 0 { scene.interpret() }
        scene.exec(11, "/usr/bin/env", ld)
        scene.fork(11, 12)
        if ends & 2 != 0 { scene.interpret() }
        scene.exec(12, "/usr/bin/cat", ld)
        if ends & 4 != 0 { scene.interpret() }
        scene.exit(11)
        scene.closeWritten(12, "/tmp/out")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/out rw", "spawn /usr/bin/env"])
        #expect(scene.lines(of: "/usr/bin/env").contains("file /tmp/out rw"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /tmp/out w"))
    }

    /// That a fork read a file says nothing about a later process of the same line that writes it itself.
    @Test func aReaderIsNoOpenerOfWhatItsChildOpensItself() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/tmp/in")
        scene.exec(11, "/usr/bin/env", ld)
        scene.fork(11, 12)
        scene.exec(12, "/usr/bin/cat", ld)
        scene.open(12, "/tmp/in")
        scene.interpret()
        scene.closeWritten(12, "/tmp/in")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /tmp/in r"))
        #expect(scene.lines(of: "/usr/bin/env").contains("file /tmp/in r"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /tmp/in rw"))
    }
}
