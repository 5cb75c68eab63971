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

    /// The renames that a batch has still to tell are taken back of each directory that they move, whether it was
    /// asked for itself or lies above one that was.
    @Test func aDirectoryThatIsLearntBeforeItsRenameIsReadLiesWhereItWas() {
        var scene = scene()
        scene.host.directories = ["root": "/", "tmp": "/tmp", "d": "/new", "below": "/new/below"]
        scene.host.ancestors = ["tmp": ["root"], "d": ["root"], "below": ["d", "root"]]
        scene.event(.opened, 10, in: "below", "1")
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "old", target: "d", newDirectory: "tmp", newName: "mid")
        scene.event(.opened, 10, in: "below", "2")
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "mid", target: "d", newDirectory: "root", newName: "new")
        scene.event(.opened, 10, in: "below", "3")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash") == [
                "file /new/below/1 r", "file /new/below/2 r", "file /new/below/3 r",
                "file /tmp/mid/below/2 r",
                "file /tmp/old/below/1 r",
            ])
        // It was known by the answer for what lies below; it is asked for since it was renamed twice.
        #expect(scene.host.questions.filter { $0.hasPrefix("directory") }.last == "directory d")
        #expect(scene.host.questions.filter { $0 == "directory d" }.count == 1)
    }

    /// The first rename that is still to be read counts, though a later one leads to the same place as the answer.
    @Test func theFirstOfSeveralRenamesTellsWhereADirectoryWas() {
        var scene = scene()
        scene.host.directories = ["root": "/", "tmp": "/tmp", "d": "/tmp/b"]
        scene.host.ancestors = ["tmp": ["root"], "d": ["tmp", "root"]]
        scene.event(.opened, 10, in: "d", "1")
        for (old, new) in [("a", "b"), ("b", "c"), ("c", "b")] {
            scene.event(
                [.renamed, .directory], 10, in: "tmp", old, target: "d", newDirectory: "tmp", newName: new)
        }
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/a/1 r", "file /tmp/b/1 r"])
    }

    /// `a` to `b`, back, and to `b` once more: the kernel merges the third with the first.
    @Test func aDirectoryThatWasRenamedTwiceIsAskedForAgain() {
        var scene = scene()
        scene.host.directories = ["root": "/", "tmp": "/tmp", "d": "/tmp/b"]
        scene.host.ancestors = ["tmp": ["root"], "d": ["tmp", "root"]]
        func rename(_ old: String, _ new: String) {
            scene.event(
                [.renamed, .directory], 10, in: "tmp", old, target: "d", newDirectory: "tmp", newName: new)
        }
        rename("a", "b")
        rename("b", "a")
        scene.event(.opened, 10, in: "d", "same batch")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /tmp/b/same batch r"))
        scene.event(.opened, 10, in: "d", "next batch")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash").filter { $0.contains("next") } == ["file /tmp/b/next batch r"])
        let asked = scene.host.questions.filter { $0 == "directory d" }.count
        #expect(asked == 1)
    }

    @Test func aDirectoryThatWasRenamedInTwoBatchesIsAskedForAgain() {
        var scene = scene()
        scene.host.directories = ["root": "/", "tmp": "/tmp", "d": "/tmp/b"]
        scene.host.ancestors = ["tmp": ["root"], "d": ["tmp", "root"]]
        for (old, new) in [("a", "b"), ("b", "a")] {
            scene.event(
                [.renamed, .directory], 10, in: "tmp", old, target: "d", newDirectory: "tmp", newName: new)
            scene.interpret()
        }
        scene.event(.opened, 10, in: "d", "1")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/b/1 r"])
        // One that is gone stays where the events have put it.
        scene.host.directories["d"] = nil
        for (old, new) in [("b", "c"), ("c", "e")] {
            scene.event(
                [.renamed, .directory], 10, in: "tmp", old, target: "d", newDirectory: "tmp", newName: new)
        }
        scene.interpret()
        scene.event(.opened, 10, in: "d", "2")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/b/1 r", "file /tmp/e/2 r"])
    }

    /// Only what is used gets a text, and a rename none at all, however much lies below.
    @Test func whatIsOnlyMadeOrMovedLeavesNoText() {
        var scene = scene()
        scene.event([.created, .directory], 10, in: "tmp", "d", target: "d")
        for number in 0..<1000 {
            scene.event([.created, .directory], 10, in: "d", "\(number)", target: "\(number)")
        }
        scene.event(.opened, 10, in: "7", "before")
        scene.interpret()
        let texts = scene.observer.ledger.texts.count
        for number in 0..<1000 {
            scene.event(
                [.renamed, .directory], 10, in: "tmp", number == 0 ? "d" : "d\(number)", target: "d",
                newDirectory: "tmp", newName: "d\(number + 1)")
            scene.interpret()
        }
        #expect(scene.observer.ledger.texts.count == texts)
        scene.host.directories["d"] = "/tmp/d1000"
        scene.event(.opened, 10, in: "7", "behind")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/d/7/before r", "file /tmp/d1000/7/behind r"])
        // The folders d1000 and 7, and the file.
        #expect(scene.observer.ledger.texts.count == texts + 3)
    }

    /// 1,500 levels: the path is within the bound, and written out.
    @Test func aDeepPathIsNamed() {
        var scene = scene()
        let deepest = nest(&scene, levels: 1500, name: "d")
        scene.event(.opened, 10, in: deepest, "file")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash")
                == ["file /tmp/" + String(repeating: "d/", count: 1500) + "file r"])
        #expect(scene.observer.counters.deepPaths == 0)
    }

    /// 6,000 folders in one another, each with a name as long as may be: the path would take 1.5 MB. What is used
    /// below the bound is noted at the last folder within it.
    @Test func aPathBeyondTheBoundIsNotedAtTheFolderWhereItEnds() throws {
        var scene = scene()
        let name = String(repeating: "n", count: 255)
        let deepest = nest(&scene, levels: 6000, name: name)
        for number in 0..<3 { scene.event(.opened, 10, in: deepest, "file \(number)") }
        scene.event(.opened, 10, in: "level 10", "file")
        scene.interpret()
        let ledger = scene.observer.ledger.records
        #expect(ledger.count == 2)
        let record = try #require(ledger.first)
        let path = scene.observer.ledger.texts.array(TextID(rawValue: record.key.object))
        #expect(path == Array(("/tmp" + String(repeating: "/" + name, count: 63)).utf8))
        #expect(path.count <= 16 << 10)
        #expect(record.isFolded && record.kind == .directory && record.access == .opened)
        #expect(record.count == 3)
        #expect(scene.observer.ledger.fold(of: 0)?.paths ?? 0 >= 1)
        #expect(!ledger[1].isFolded)
        #expect(scene.observer.counters.deepPaths == 3)
        let footprint = scene.observer.ledger.footprint
        #expect(footprint < 1 << 20)
    }

    private func nest(_ scene: inout Scene, levels: Int, name: String) -> String {
        var parent = "tmp"
        for level in 0..<levels {
            scene.event([.created, .directory], 10, in: parent, name, target: "level \(level)")
            parent = "level \(level)"
        }
        scene.interpret()
        return parent
    }

    /// A filesystem's root is asked for again when the mount table has changed; nothing below it is.
    @Test func aFilesystemThatIsMountedElsewhere() {
        var scene = scene()
        // The first letter of a handle stands for the filesystem.
        scene.host.directories = ["root": "/", "run": "/run", "mount": "/run/m", "mdir": "/run/m/d"]
        scene.host.ancestors = [
            "run": ["root"], "mount": ["run", "root"], "mdir": ["mount", "run", "root"],
        ]
        scene.event(.opened, 10, in: "mdir", "1")
        scene.interpret()
        scene.host.directories["mount"] = "/srv"
        scene.host.ancestors["mount"] = ["root"]
        scene.event(.opened, 10, in: "mdir", "2")
        scene.interpret()
        scene.observer.mountsChanged()
        scene.event(.opened, 10, in: "mdir", "3")
        scene.interpret()
        #expect(
            scene.lines(of: "/usr/bin/bash")
                == ["file /run/m/d/1 r", "file /run/m/d/2 r", "file /srv/d/3 r"])
        #expect(
            scene.host.questions.filter { $0.hasPrefix("directory") } == [
                "directory mdir", "directory mount",
            ])
    }

    /// Recordings of earlier versions have paths alone: who is known by name gets the handle that an event shows.
    @Test func aDirectoryKnownByItsPathAloneIsMovedByItsHandle() {
        var scene = scene()
        scene.host.directories = ["root": "/", "tmp": "/tmp", "below": "/tmp/a/below", "a": "/never asked"]
        scene.event(.opened, 10, in: "below", "1")
        scene.interpret()
        scene.event(
            [.renamed, .directory], 10, in: "tmp", "a", target: "a", newDirectory: "root", newName: "b")
        scene.interpret()
        scene.event(.opened, 10, in: "below", "2")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /b/below/2 r", "file /tmp/a/below/1 r"])
    }

    /// An answer that ends with a directory that is known needs no path from the root.
    @Test func anAnswerMayBeginAtADirectoryThatIsKnown() {
        var scene = scene()
        scene.host.directories["d"] = "c/d"
        scene.host.ancestors["d"] = ["c", "tmp"]
        scene.event(.opened, 10, in: "tmp", "1")
        scene.event(.opened, 10, in: "d", "2")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/1 r", "file /tmp/c/d/2 r"])
        // Nobody knows where this one begins.
        scene.host.directories["e"] = "x/e"
        scene.host.ancestors["e"] = ["x", "nowhere"]
        scene.event(.opened, 10, in: "e", "3")
        scene.interpret()
        #expect(scene.observer.counters.unresolvedDirectories == 1)
    }

    /// Answers of different times may contradict each other: a circle names nothing, and ends.
    @Test func aCircleOfAnswersNamesNothing() {
        var scene = scene()
        scene.host.directories = ["a": "/b/a", "b": "/a/b"]
        scene.host.ancestors = ["a": ["b"], "b": ["a"]]
        scene.event(.opened, 10, in: "a", "1")
        scene.event([.created, .directory], 10, in: "a", "x", target: "b")
        scene.event(.opened, 10, in: "b", "2")
        scene.event(.opened, 10, in: "a", "3")
        scene.interpret()
        #expect(scene.observer.counters.unresolvedDirectories > 0)
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
