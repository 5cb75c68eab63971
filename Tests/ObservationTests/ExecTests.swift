import Observation
import Records
import Testing

/// Which image of a process an event belongs to.
@Suite struct ExecTests {
    let ld = Scene.loader

    @Test func forkAndExecGiveSpawnAndOwnFiles() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.open(11, "/etc/a")
        scene.exit(11)
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/bash spawn /usr/bin/cat",
                "/usr/bin/cat file /etc/a r",
                "/usr/bin/cat file /lib/ld-linux.so.2 x",
                "/usr/bin/cat file /usr/bin/cat x",
            ])
    }

    @Test func opensBetweenForkAndExecBelongToBoth() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/tmp/out")
        scene.exec(11, "/usr/bin/cat", ld)
        scene.closeWritten(11, "/tmp/out")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/out rw", "spawn /usr/bin/cat"])
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /tmp/out rw"))
    }

    @Test func gapSurvivesTheBatchItWasReadIn() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/tmp/out")
        scene.interpret()
        scene.exec(11, "/usr/bin/cat", ld)
        scene.interpret()
        scene.closeWritten(11, "/tmp/out")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /tmp/out rw", "spawn /usr/bin/cat"])
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /tmp/out rw"))
    }

    @Test func anOpenBeforeAnExecOfOneBatchMayBelongToBothAndOneBehindItToTheLastOnly() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/env", ld)
        scene.open(11, "/before")
        scene.exec(11, "/usr/bin/cat")
        scene.open(11, "/behind")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/env").contains("file /before r"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /before r"))
        #expect(!scene.lines(of: "/usr/bin/env").contains("file /behind r"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /behind r"))
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/env"])
        // Its own open of the ELF interpreter was merged with that of the image before.
        #expect(scene.lines(of: "/usr/bin/cat").contains("file \(ld) x"))
    }

    @Test func anOpenOfAnEarlierBatchBelongsToTheImageOfThatTime() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/env", ld)
        scene.open(11, "/before")
        scene.interpret()
        scene.exec(11, "/usr/bin/cat", ld)
        scene.open(11, "/behind")
        scene.interpret()
        #expect(!scene.lines(of: "/usr/bin/cat").contains("file /before r"))
        #expect(!scene.lines(of: "/usr/bin/env").contains("file /behind r"))
    }

    @Test func aScriptIsOneProgramHoweverItIsStarted() {
        var scene = Scene()
        scene.host.heads["/opt/a.py"] = .script(interpreter: Array("/usr/bin/python3".utf8))
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/opt/a.py", "/usr/bin/python3.11", ld)
        scene.fork(10, 12)
        scene.exec(12, "/usr/bin/python3.11", ld, arguments: "/opt/a.py")
        scene.interpret()
        let program = "/usr/bin/python3.11 /opt/a.py"
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn \(program)"])
        #expect(
            scene.lines(of: program) == [
                "file /lib/ld-linux.so.2 x", "file /opt/a.py rx", "file /usr/bin/python3.11 x",
            ])
    }

    @Test func twoScriptsOfOneInterpreterAreTwoPrograms() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        for (pid, script) in [(11, "/opt/a.py"), (12, "/opt/b.py")] as [(Int32, String)] {
            scene.fork(10, pid)
            scene.exec(pid, "/usr/bin/python3.11", ld, arguments: script)
            scene.open(pid, script + ".data")
        }
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/python3.11 /opt/a.py").contains("file /opt/a.py.data r"))
        #expect(scene.lines(of: "/usr/bin/python3.11 /opt/b.py").contains("file /opt/b.py.data r"))
        #expect(!scene.lines(of: "/usr/bin/python3.11 /opt/b.py").contains("file /opt/a.py.data r"))
    }

    /// `#!/usr/bin/env python3` is two execs; the second is known by its script even if nobody could look.
    @Test(arguments: [true, false]) func envHandsItsScriptOn(isSeen: Bool) {
        var scene = Scene()
        scene.host.heads["/opt/a.py"] = .script(interpreter: Array("/usr/bin/env".utf8))
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/opt/a.py", "/usr/bin/env", ld, isSeen: isSeen)
        scene.open(11, "/etc/ld.so.cache")
        scene.exec(11, "/usr/bin/python3.11", arguments: "/opt/a.py", isSeen: isSeen)
        scene.open(11, "/etc/a.conf")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/env"])
        #expect(scene.lines(of: "/usr/bin/env").contains("spawn /usr/bin/python3.11 /opt/a.py"))
        #expect(scene.lines(of: "/usr/bin/env").contains("file /opt/a.py x"))
        #expect(scene.lines(of: "/usr/bin/python3.11 /opt/a.py").contains("file /opt/a.py rx"))
        #expect(scene.lines(of: "/usr/bin/python3.11 /opt/a.py").contains("file /etc/a.conf r"))
    }

    @Test func nestedScriptsKeepTheOutermost() {
        var scene = Scene()
        scene.host.heads["/opt/outer"] = .script(interpreter: Array("/opt/inner".utf8))
        scene.host.heads["/opt/inner"] = .script(interpreter: Array("/bin/sh".utf8))
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/opt/outer", "/opt/inner", "/usr/bin/dash", ld)
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/dash /opt/outer"])
        #expect(scene.lines(of: "/usr/bin/dash /opt/outer").contains("file /opt/inner x"))
    }

    @Test func aFailedExecIsAnOpenAndTheNextOneIsTheProgram() {
        var scene = Scene()
        scene.host.heads["/opt/text"] = .other
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/opt/text", succeeds: false)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /opt/text r", "spawn /usr/bin/cat"])
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /opt/text r"))
        #expect(!scene.lines(of: "/usr/bin/cat").contains("file /opt/text rx"))
    }

    /// A registered format: what runs it says so by its first argument, also where only a later look could read that.
    @Test(arguments: [true, false]) func aForeignFileThatIsReadLate(isNamed: Bool) {
        var scene = Scene()
        scene.host.heads["/opt/foreign"] = .other
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/opt/foreign", "/usr/bin/cat", ld, executable: "/usr/bin/cat", isSeen: false)
        scene.host.add(11, "/usr/bin/cat")
        if isNamed { scene.host.processes[11]?.argument = NameHash.of(Array("foreign".utf8)) }
        scene.interpret()
        let unknown = scene.observer.counters.unknownScripts
        #expect(unknown == (isNamed ? 0 : 1))
        let program = isNamed ? "/usr/bin/cat /opt/foreign" : "/usr/bin/cat"
        #expect(scene.lines(of: "/usr/bin/bash").contains("spawn \(program)"), "\(scene.lines)")
    }

    @Test func anExecWhoseChainWasReadInTheBatchBefore() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld, succeeds: false)
        scene.interpret()
        #expect(!scene.lines.contains("/usr/bin/bash file /usr/bin/cat r"))
        scene.confirm(11, ["/usr/bin/cat"])
        scene.open(11, "/etc/a")
        scene.interpret()
        #expect(
            scene.lines == [
                "/usr/bin/bash spawn /usr/bin/cat", "/usr/bin/cat file /etc/a r",
                "/usr/bin/cat file /lib/ld-linux.so.2 x", "/usr/bin/cat file /usr/bin/cat x",
            ])
    }

    @Test func aChainThatIsNeverConfirmedWasAFailedExec() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld, succeeds: false)
        scene.interpret()
        scene.open(11, "/etc/a")
        scene.interpret()
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /usr/bin/cat r"))
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /etc/a r"))
        #expect(scene.lines(of: "/usr/bin/cat").isEmpty)
    }

    /// The exec was reported after the cutoff, its chain is in the next batch; so are the events of a child
    /// that the new image forks.
    @Test func anExecYoungerThanTheCutoffWaitsWithEverythingBehindIt() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/gap")
        scene.confirm(11, ["/usr/bin/cat"])
        scene.fork(11, 12)
        scene.exit(11)
        scene.interpret(early: 3500)
        let isHeld = scene.observer.hasHeldEvents
        #expect(isHeld)
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /gap r"])
        scene.event([.opened, .executed], 11, "/usr/bin/cat")
        scene.event([.opened, .executed], 11, ld)
        scene.open(11, "/own")
        scene.open(12, "/childs")
        scene.interpret()
        let isStillHeld = scene.observer.hasHeldEvents
        #expect(!isStillHeld)
        #expect(scene.lines(of: "/usr/bin/bash") == ["file /gap r", "spawn /usr/bin/cat"])
        let lines = scene.lines(of: "/usr/bin/cat")
        #expect(
            lines.contains("file /gap r") && lines.contains("file /own r") && lines.contains("file /childs r")
        )
    }

    /// `bash x.sh` was read in the batch that reported its exec, and is gone when the exec's turn comes.
    @Test func whatWasReadOfAnImageWaitsWithItsExec() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.confirm(11, ["/usr/bin/dash"], "/opt/x.sh")
        scene.interpret(early: 1500)
        scene.event([.opened, .executed], 11, "/usr/bin/dash")
        scene.event([.opened, .executed], 11, ld)
        scene.open(11, "/opt/x.sh")
        scene.exit(11)
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/dash /opt/x.sh"])
        #expect(scene.lines(of: "/usr/bin/dash /opt/x.sh").contains("file /opt/x.sh rx"))
        let number = scene.observer.counters.unknownScripts
        #expect(number == 0)
    }

    /// The look is handed over at once, the exec came just behind the drain of the proc connector.
    @Test func whatWasReadOfAnImageWaitsForItsExecToBeReported() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        let exec = scene.now + 1500
        scene.look(11, "/usr/bin/dash", "/opt/x.sh", at: exec)
        scene.interpret()
        scene.event([.opened, .executed], 11, "/usr/bin/dash")
        scene.event([.opened, .executed], 11, ld)
        scene.confirm(11, [], at: exec)
        scene.exit(11)
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/dash /opt/x.sh"])
        let number = scene.observer.counters.unknownScripts
        #expect(number == 0)
    }

    /// fanotify was drained between the open of the executable and that of its ELF interpreter, the proc
    /// connector behind both.
    @Test func aChainThatIsCutOffByTheEndOfTheBatchIsOneChain() {
        var scene = Scene()
        scene.host.heads["/opt/own"] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        scene.host.add(10, "/usr/bin/bash")
        // Where the interpreter's name leads is known, so that its event is not missed at first.
        scene.fork(10, 12)
        scene.exec(12, "/opt/own", ld)
        scene.fork(10, 11)
        scene.event([.opened, .executed], 11, "/opt/own")
        scene.confirm(11, ["/opt/own"])
        scene.interpret(early: 1500)
        scene.event([.opened, .executed], 11, ld)
        scene.open(11, "/etc/a")
        scene.interpret()
        #expect(
            scene.lines == [
                "/opt/own file /etc/a r", "/opt/own file /lib/ld-linux.so.2 x", "/opt/own file /opt/own x",
                "/usr/bin/bash spawn /opt/own",
            ])
    }

    /// A process that executes itself again in one batch leaves but one chain.
    @Test func anExecThatWasMergedAwayCannotBeOrdered() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.open(11, "/etc/a")
        scene.confirm(11, ["/usr/bin/cat"])
        scene.open(11, "/etc/b")
        scene.interpret()
        // Both stand behind the first exec's chain, and so are none of the image before.
        #expect(scene.lines(of: "/usr/bin/bash") == ["spawn /usr/bin/cat"])
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /etc/a r"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("spawn /usr/bin/cat"))
        #expect(
            scene.lines { $0.key.relation == .file && $0.count != 1 } == [],
            "each was opened once, whichever image it was")
    }

    /// What an exec without a trace leaves open is what stands around it, and not all that the process did in the batch.
    @Test func anExecWithoutATraceLeavesTheOthersAlone() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.open(11, "/etc/first")
        scene.exec(11, "/usr/bin/env", ld)
        scene.open(11, "/etc/second")
        scene.confirm(11, ["/memfd:static"])
        scene.open(11, "/etc/third")
        scene.exec(11, "/usr/bin/cat", ld)
        scene.open(11, "/etc/fourth")
        scene.interpret()
        func evidence(_ program: String, _ path: String) -> Evidence? {
            let ledger = scene.observer.ledger.records.first {
                scene.text($0.key.program) == program && $0.key.relation == .file
                    && scene.observer.ledger.texts.array(TextID(rawValue: $0.key.object)) == Array(path.utf8)
            }
            return ledger?.evidence
        }
        // The kernel may have merged what came later into what stands first, as ever.
        #expect(evidence("/usr/bin/env", "/etc/second") == .inferred)
        #expect(evidence("/memfd:static", "/etc/second") == .inferred)
        #expect(evidence("/usr/bin/env", "/etc/third") == .inferred)
        #expect(evidence("/usr/bin/bash", "/etc/second") == nil)
        #expect(evidence("/usr/bin/bash", "/etc/fourth") == nil)
        #expect(evidence("/usr/bin/env", "/etc/fourth") == nil)
        #expect(evidence("/memfd:static", "/etc/fourth") == nil)
        #expect(evidence("/usr/bin/cat", "/etc/fourth") == .exact)
    }

    @Test func childrenInheritTheImageOfTheMomentOfTheirFork() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.fork(11, 12)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.fork(11, 13)
        scene.open(12, "/of-bash")
        scene.open(13, "/of-cat")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/bash").contains("file /of-bash r"))
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /of-cat r"))
        #expect(!scene.lines(of: "/usr/bin/bash").contains("file /of-cat r"))
    }

    @Test func aPidThatIsUsedAgainInOneBatchIsNotTakenForItsFormerLife() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.host.add(20, "/usr/bin/env")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.interpret()
        scene.exit(11)
        scene.fork(20, 11)
        scene.open(11, "/etc/a")
        scene.interpret()
        // The one event is ambiguous; the next batch's can.
        scene.open(11, "/etc/b")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/env").contains("file /etc/a r"))
        #expect(scene.lines(of: "/usr/bin/env").contains("file /etc/b r"))
        #expect(!scene.lines(of: "/usr/bin/cat").contains("file /etc/b r"))
    }

    @Test func eventsBehindAnExitStillFindTheirProgram() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", ld)
        scene.exit(11)
        scene.interpret()
        // A thread that outlives the leader.
        scene.open(11, "/late")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /late r"))
    }

    @Test func theDaemonsOwnAccessesLeaveNoRecord() {
        var scene = Scene()
        scene.host.add(Scene.ownPid, "/usr/sbin/retinued")
        scene.open(Scene.ownPid, "/var/lib/retinue/retinue.db")
        scene.exec(Scene.ownPid, "/usr/bin/cat", succeeds: false)
        scene.interpret()
        #expect(scene.lines.isEmpty)
    }

    @Test func whatCannotBeAttributedIsCounted() {
        var scene = Scene()
        scene.open(99, "/etc/a")
        scene.open(99, "/etc/b")
        scene.open(0, "/etc/c")
        scene.interpret()
        #expect(scene.lines.isEmpty)
        let number = scene.observer.counters.unattributedFiles
        #expect(number == 3)
        // The same process is asked for once a batch.
        #expect(scene.host.questions == ["process 99"])
    }

    @Test func aThousandShortLivesLeaveABoundedTable() {
        var scene = Scene()
        scene.host.add(1, "/usr/bin/bash")
        for round in 0..<40 as Range<Int32> {
            for number in 0..<200 as Range<Int32> {
                let pid = 1000 + round * 200 + number
                scene.fork(1, pid)
                scene.exec(pid, "/usr/bin/cat", ld)
                scene.exit(pid)
            }
            scene.interpret()
        }
        let processes = scene.observer.sizes.first { $0.name == "processes" }?.value ?? 0
        #expect(processes < 3000)
        let number = scene.observer.ledger.records.count
        #expect(number == 3)
        #expect(scene.lines.contains("/usr/bin/bash spawn /usr/bin/cat"))
    }
}
