import Observation
import Records
import Testing

/// Which path an event's object has.
@Suite struct TreeTests {
    private func scene() -> Scene {
        let scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.host.directories = ["root": "/", "tmp": "/tmp"]
        return scene
    }

    @Test func aDirectoryIsAskedForOnce() {
        var scene = scene()
        scene.event(.opened, 10, in: "tmp", "a")
        scene.event(.opened, 10, in: "tmp", "b")
        scene.interpret()
        scene.event(.opened, 10, in: "tmp", "c")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/a r", "file /tmp/b r", "file /tmp/c r"])
        #expect(scene.host.questions.filter { $0 == "directory tmp" }.count == 1)
    }

    @Test func aFileBelowADirectoryThatCameAndWentIsNamed() {
        var scene = scene()
        scene.event([.created, .directory], 10, in: "tmp", "made", target: "made")
        scene.event([.created, .directory], 10, in: "made", "below", target: "below")
        scene.event([.opened, .created], 10, in: "below", "file")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/made/below/file r"])
        #expect(!scene.host.questions.contains("directory made"))
    }

    @Test func aRenameMovesWhatIsBelow() {
        var scene = scene()
        scene.event([.created, .directory], 10, in: "tmp", "old", target: "moved")
        scene.event([.created, .directory], 10, in: "moved", "below", target: "below")
        scene.event(.opened, 10, in: "below", "before")
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "old", target: "moved", newDirectory: "root",
            newName: "new")
        scene.event(.opened, 10, in: "below", "behind")
        scene.event([.opened, .directory], 10, in: "moved", ".")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash") == [
                // The kernel would have merged a second open of it with the first.
                "file /new r", "file /new/below/before r", "file /new/below/behind r",
                "file /tmp/old/below/before r",
            ])
    }

    /// Who had ended before the renaming process was made has opened nothing behind the rename.
    @Test func whoEndedBeforeTheRenamerWasMadeOpenedNothingBehindIt() {
        var scene = scene()
        scene.host.directories["d"] = "/tmp/d"
        scene.fork(10, 11)
        scene.event(.opened, 11, in: "d", "a")
        scene.exit(11)
        scene.fork(10, 12)
        scene.event(
            [.renamed, .directory], 12, in: "tmp", "d", target: "d", newDirectory: "tmp", newName: "e")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/d/a r"])
    }

    @Test func aRenameDoesNotMoveANeighbourOfLikeName() {
        var scene = scene()
        scene.host.directories["a"] = "/tmp/a"
        scene.host.directories["ab"] = "/tmp/ab"
        scene.event(.opened, 10, in: "a", "1")
        scene.event(.opened, 10, in: "ab", "1")
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "a", target: "a", newDirectory: "tmp", newName: "c")
        scene.event(.opened, 10, in: "a", "2")
        scene.event(.opened, 10, in: "ab", "2")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash") == [
                "file /tmp/a/1 r", "file /tmp/ab/1 r", "file /tmp/ab/2 r", "file /tmp/c/1 r",
                "file /tmp/c/2 r",
            ])
    }

    /// The answer to a question is younger than the renames that are still to be read.
    @Test func aDirectoryThatIsAskedForBeforeItsRenameIsReadHasItsOldName() {
        var scene = scene()
        scene.host.directories["d"] = "/tmp/new"
        scene.event(.opened, 10, in: "d", "file")
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "old", target: "d", newDirectory: "tmp", newName: "new")
        scene.event(.opened, 10, in: "d", "file")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/new/file r", "file /tmp/old/file r"])
    }

    @Test func aFileRenamedIsWrittenUnderItsNewName() {
        var scene = scene()
        scene.event([.opened, .created, .closedWritable], 10, in: "tmp", "x.tmp")
        scene.event(.renamed, 10, in: "tmp", "x.tmp", target: "x", newDirectory: "tmp", newName: "x")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/x w", "file /tmp/x.tmp rw"])
    }

    @Test func whatCannotBeNamedIsCounted() {
        var scene = scene()
        scene.event(.opened, 10, in: "gone", "a")
        scene.interpret()
        #expect(scene.lines.isEmpty)
        let number = scene.observer.counters.unresolvedDirectories
        #expect(number == 1)
    }

    @Test func makingADirectoryOrAFifoIsNoUseOfIt() {
        var scene = scene()
        scene.event([.created, .directory], 10, in: "tmp", "d", target: "d")
        scene.event(.created, 10, in: "tmp", "fifo", target: "f")
        scene.interpret()
        #expect(scene.lines.isEmpty)
    }

    @Test func kindsAreAskedForOnceAndOnlyWhereTheyAreNotKnown() {
        var scene = scene()
        scene.host.kinds["/tmp/fifo"] = .fifo
        scene.event(.opened, 10, in: "tmp", "fifo")
        scene.event([.opened, .directory], 10, in: "tmp", ".")
        scene.event([.opened, .created], 10, in: "tmp", "new")
        scene.interpret()
        let kinds = scene.observer.ledger.records.map(\.kind)
        #expect(kinds == [.fifo, .directory, .regular])
    }

    @Test func namesAreBytes() {
        var scene = scene()
        scene.event(.opened, 10, in: "tmp", "a\nb\"c\u{1}")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/a\nb\"c\u{1} r"])
    }
}
