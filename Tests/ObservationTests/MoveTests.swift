import Observation
import Records
import Testing

/// Processes that are moved to another control group.
@Suite struct MoveTests {
    let ld = Scene.loader

    @Test func whatIsDoneAfterTheMoveIsDoneInTheNewGroup() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.interpret()
        scene.open(11, "/early")
        scene.interpret()
        scene.move(11, to: "system.slice/a.service")
        scene.interpret()
        scene.open(11, "/late")
        scene.fork(11, 12)
        scene.open(12, "/child")
        scene.interpret()
        let moved = "/usr/bin/cat@system.slice/a.service"
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/bash spawn /usr/bin/cat exact",
                "/usr/bin/cat file /early exact",
                "/usr/bin/cat spawn \(moved) exact",
                "\(moved) file /child exact",
                "\(moved) file /late exact",
            ])
        #expect(scene.lines.contains("/usr/bin/cat file /usr/bin/cat x"))
    }

    /// The opens of a batch have no time: on which side of the move they stand nobody can say.
    @Test func opensOfTheSameBatchAreOfBoth() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/cat")
        scene.open(10, "/before")
        scene.interpret()
        scene.open(10, "/when")
        scene.move(10, to: "a.service")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/cat file /before exact",
                "/usr/bin/cat file /when inferred",
                "/usr/bin/cat spawn /usr/bin/cat@a.service exact",
                "/usr/bin/cat@a.service file /when inferred",
            ])
        let ambiguous = scene.observer.counters.ambiguousFiles
        #expect(ambiguous == 1)
    }

    /// A service manager's child: forked, moved, executed. What it was meanwhile leaves no record.
    @Test func aMoveBetweenForkAndExecIsNoStationOfItsOwn() {
        var scene = Scene()
        scene.host.add(10, "/usr/lib/systemd/systemd", workload: "init.scope")
        scene.fork(10, 11)
        scene.move(11, to: "a.service")
        scene.exec(11, "/usr/bin/cat", ld, workload: "a.service")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/lib/systemd/systemd@init.scope spawn /usr/bin/cat@a.service exact"
            ])
    }

    /// A worker that its manager forks and sorts is the manager's.
    @Test func aMovedWorkerHangsOnWhoMadeIt() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/cat")
        scene.fork(10, 11)
        scene.move(11, to: "workers")
        scene.interpret()
        scene.open(11, "/job")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/cat spawn /usr/bin/cat@workers exact", "/usr/bin/cat@workers file /job exact",
            ])
    }

    /// A fork that came before the move and is reported behind it keeps the group.
    @Test func whatIsYoungerThanTheBatchWaits() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/cat")
        scene.open(10, "/a")
        scene.interpret()
        let fork = scene.tick()
        scene.move(10, to: "a.service")
        scene.interpret(early: 1001)
        let waits = scene.observer.hasHeldEvents
        #expect(waits)
        scene.lifecycle(.fork, 11, 10, at: fork)
        scene.interpret()
        scene.open(11, "/child")
        scene.open(10, "/parent")
        scene.interpret()
        let lines = scene.linesWithWorkloads
        #expect(lines.contains("/usr/bin/cat file /child exact"))
        #expect(lines.contains("/usr/bin/cat@a.service file /parent exact"))
    }

    /// Nothing reports a process that is made in another group than its parent's; a scan meets it there.
    @Test func aScanFindsWhatWasNotReported() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/cat")
        scene.fork(10, 11)
        scene.open(11, "/early")
        scene.interpret()
        var snapshot = HostSnapshot()
        snapshot.monotonic = scene.tick()
        snapshot.wall = snapshot.monotonic + 1_700_000_000_000_000_000
        let found = { (pid: Int32, workload: [UInt8]?, hasWorkload: Bool) in
            ProcessSnapshot(
                facts: ProcessFacts(pid: pid, parent: 0, executable: [], workload: workload), files: [],
                hasWorkload: hasWorkload)
        }
        snapshot.processes = [found(11, Array("made.scope".utf8), true)]
        scene.observer.take(snapshot, .look)
        scene.open(11, "/late")
        scene.interpret()
        // A process whose group could not be read has not gone to the root.
        snapshot.monotonic = scene.tick()
        snapshot.processes = [found(11, nil, false)]
        scene.observer.take(snapshot, .look)
        scene.open(11, "/later")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/cat file /early exact",
                "/usr/bin/cat spawn /usr/bin/cat@made.scope snapshot",
                "/usr/bin/cat@made.scope file /late exact", "/usr/bin/cat@made.scope file /later exact",
            ])
    }

    /// What /proc says right after an exec may be of the group to which a move behind it leads.
    @Test func aMoveThatIsKnownAlreadyChangesNothing() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld, workload: "a.service")
        scene.move(11, to: "a.service")
        scene.open(11, "/x")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/bash spawn /usr/bin/cat@a.service exact", "/usr/bin/cat@a.service file /x exact",
            ])
    }
}
