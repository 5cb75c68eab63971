import Observation
import Records
import Testing

/// Files that get their name by link(2) or linkat(2).
@Suite struct LinkTests {
    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.host.add(11, "/usr/bin/cat")
        scene.host.directories = ["box": "/box", "new": "/box/new", "work": "/layer/work"]
        return scene
    }

    private static func handle(inode: UInt32) -> [UInt8] {
        var bytes = [UInt8](repeating: 7, count: 8)
        for word in [8, 1, inode, 99] as [UInt32] { withUnsafeBytes(of: word) { bytes += $0 } }
        return bytes
    }

    @Test func whoLinksAFileWritesTheNewName() {
        var scene = scene()
        scene.event([.created, .opened, .closedWritable], 10, in: "box", "m1", target: "file")
        scene.event(.created, 10, in: "new", "m1", target: "file")
        scene.event(.opened, 11, in: "new", "m1", target: "file")
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/bash file /box/m1 rw", "/usr/bin/bash file /box/new/m1 w",
                "/usr/bin/cat file /box/new/m1 r",
            ])
    }

    /// In another batch nothing is left but the name itself, which is there.
    @Test func aLinkThatIsReadLater() {
        var scene = scene()
        scene.event([.created, .opened, .closedWritable], 10, in: "box", "m1", target: "file")
        scene.interpret()
        scene.host.kinds["/box/new/m1"] = .regular
        scene.event(.created, 11, in: "new", "m1", target: "file")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/cat") == [], "an open may follow")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/cat") == ["file /box/new/m1 w"])
    }

    /// The kernel merges an open into the event of the name that it made, unless a read came between them: wherever that
    /// was, it is one open, which writes nothing.
    @Test(arguments: [false, true], [false, true])
    func anOpenThatMakesAName(isCut: Bool, isBusy: Bool) {
        var scene = scene()
        scene.host.kinds["/box/lock"] = .regular
        if isBusy { scene.event(.opened, 10, in: "box", "m0", target: "other") }
        scene.event(.created, 10, in: "box", "lock", target: "lock")
        scene.event(.opened, 11, in: "box", "lock", target: "lock")
        if isCut {
            scene.interpret()
            let waits = scene.observer.hasHeldEvents
            #expect(waits, "for the next batch, which comes even if nothing happens")
        }
        scene.event(.opened, 10, in: "box", "lock", target: "lock")
        scene.interpret()
        let waits = scene.observer.hasHeldEvents
        #expect(!waits)
        let once = scene.lines { $0.count == 1 }.filter { $0.hasSuffix("/box/lock r") }
        #expect(once.sorted() == ["/usr/bin/bash file /box/lock r", "/usr/bin/cat file /box/lock r"])
        #expect(scene.lines.filter { $0.contains("lock") }.count == 2)
    }

    /// Which program made a name that waits is settled before what the next batch says of its process.
    @Test func aNameThatWaitsIsOfWhoMadeIt() {
        var scene = scene()
        scene.host.kinds["/box/pipe"] = .fifo
        scene.open(11, "/etc/forgotten")
        scene.fork(10, 12)
        scene.event(.created, 12, in: "box", "pipe", target: "pipe")
        scene.interpret()
        // What waits gets the new numbers.
        scene.observer.forget(Array(scene.observer.ledger.records.indices))
        scene.exec(12, "/usr/bin/cat", Scene.loader)
        scene.interpret()
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /box/pipe w"))
    }

    /// The kernel merges the open of the new name by the same process.
    @Test func aLinkThatIsOpenedByWhoMadeIt() {
        var scene = scene()
        scene.event([.created, .opened, .closedWritable], 10, in: "box", "m1", target: "file")
        scene.event([.created, .opened], 10, in: "new", "m1", target: "file")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /box/m1 rw", "file /box/new/m1 rw"])
    }

    /// `open(O_CREAT | O_RDONLY)`, as of a lock file, writes nothing; nor does what nobody can look at.
    @Test func whatIsNoLink() {
        var scene = scene()
        scene.event([.created, .opened], 10, in: "box", "lock", target: "lock")
        scene.event(.created, 10, in: "box", "symbolic-link", target: "link")
        scene.event([.created, .directory], 10, in: "box", "folder", target: "folder")
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/bash file /box/lock r"])
    }

    @Test func aFileWithoutANameHasNoRecord() {
        var scene = scene()
        let file = Self.handle(inode: 4711)
        scene.event([.opened, .closedWritable], 10, in: "box", "#4711", identity: file)
        scene.event(.created, 10, in: "box", "state", identity: file)
        scene.event(.opened, 10, in: "box", "#4712", identity: file)
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash") == ["file /box/#4712 r", "file /box/state w"],
            "and a file may be called so")
        #expect(scene.observer.counters.unresolvedDirectories == 0)
        #expect(scene.observer.counters.unattributedFiles == 0)
    }

    /// An overlay's upper layer has the file where it belongs, whatever it was called when it was copied up.
    @Test func whatAnOverlayCopiedUpIsNamedByItsHandle() {
        var scene = scene()
        scene.host.directories["file"] = "/layer/upper/etc/a.conf"
        scene.event(.opened, 10, in: "work", "#1f", target: "file")
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/bash file /layer/upper/etc/a.conf r"])
    }
}
