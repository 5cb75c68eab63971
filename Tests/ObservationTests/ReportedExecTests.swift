import Observation
import Records
import Testing

/// Images of which nobody has read anything: the kernel has reported their execs, and they are gone.
@Suite struct ReportedExecTests {
    private static let libc = "/lib64/ld-linux.so.2"

    private func scene() -> Scene {
        let scene = Scene()
        for name in ["/usr/bin/make", "/usr/bin/true", "/usr/bin/node", "/bin/busybox", "/usr/bin/vim.basic"]
        {
            scene.host.heads[name] = .plain
        }
        scene.host.heads["/usr/bin/pip"] = .script(interpreter: Array("/usr/bin/python3.11".utf8))
        scene.host.heads["/usr/bin/gunicorn"] = .script(interpreter: Array("/usr/bin/python3.11".utf8))
        scene.host.add(1, "/usr/bin/make", workload: "build")
        return scene
    }

    private func counters(_ scene: borrowing Scene) -> (executables: UInt64, scripts: UInt64, groups: UInt64)
    {
        let counters = scene.observer.counters
        return (counters.unknownExecutables, counters.unknownScripts, counters.inheritedWorkloads)
    }

    @Test func theFileIsTheProgram() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/true", workload: "app", network: 7)
        scene.write(10, "/out")
        scene.exit(10)
        scene.interpret()
        #expect(
            scene.linesWithWorkloads == [
                "/usr/bin/make@build spawn /usr/bin/true@app exact", "/usr/bin/true@app file /out exact",
            ])
        #expect(counters(scene) == (0, 0, 0))
        // The process that went before was asked for, and this one was not.
        #expect(scene.host.questions.filter { $0.hasPrefix("process") } == ["process 1"])
    }

    @Test func theRootGroupIsOne() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/true", workload: "")
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true file /out exact"))
        #expect(counters(scene) == (0, 0, 0))
    }

    /// What an interpreter runs is asked for, and where nobody answers any more it is counted.
    @Test(arguments: [true, false]) func anInterpreterIsAskedForItsScript(isThere: Bool) {
        var scene = scene()
        if isThere { scene.host.add(10, "/usr/bin/node", script: "/srv/app.js", workload: "app") }
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/node", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        let name = isThere ? "/usr/bin/node /srv/app.js@app" : "/usr/bin/node@app"
        #expect(scene.linesWithWorkloads.contains("\(name) file /out exact"))
        #expect(counters(scene) == (0, isThere ? 0 : 1, 0))
    }

    /// A link in a folder of the system may lead to whatever there is elsewhere.
    @Test func whatALinkLeadsToMayBeAnInterpreter() {
        var scene = scene()
        scene.host.heads["/opt/shop/engine"] = .plain
        scene.fork(1, 10)
        scene.report(10, "/opt/shop/engine", as: "/usr/bin/engine", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/opt/shop/engine@app file /out exact"))
        #expect(counters(scene) == (0, 1, 0))
    }

    /// A container's files lie elsewhere under the paths that they have there.
    @Test(arguments: [
        ("/usr/bin/ls", "/usr/bin/ls"), ("/bin/ls", "/usr/bin/ls"), ("/usr/sbin/ip", "/usr/bin/ip"),
    ])
    func theSystemOfAContainerIsOne(path: String, file: String) {
        var scene = scene()
        scene.host.heads["/var/lib/layer" + file] = .plain
        scene.fork(1, 10)
        scene.report(10, "/var/lib/layer" + file, as: path, workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/var/lib/layer\(file)@app file /out exact"))
        #expect(counters(scene) == (0, 0, 0))
    }

    /// Of a `#!` file the file is the script; of one that is there to run an application its arguments say which.
    @Test func aScriptIsKnownByItsFile() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(
            10, "/usr/bin/pip", "/usr/bin/python3.11", Self.libc, as: "/usr/bin/pip", workload: "app")
        scene.write(10, "/out")
        scene.fork(1, 11)
        scene.host.add(11, "/usr/bin/python3.11", script: "shop:app", workload: "app")
        scene.host.processes[11]?.reading = .application
        scene.report(
            11, "/usr/bin/gunicorn", "/usr/bin/python3.11", Self.libc, as: "/usr/bin/gunicorn",
            workload: "app")
        scene.write(11, "/out")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads.filter { $0.contains("/out") } == [
                "/usr/bin/python3.11 /usr/bin/pip@app file /out exact",
                "/usr/bin/python3.11 shop:app@app file /out exact",
            ])
        #expect(counters(scene) == (0, 0, 0))
    }

    /// One file is many commands: which, `argv[0]` says, and the name under which it was executed is hardly ever another one. Who is
    /// there is asked, and from then on each is looked at.
    @Test(arguments: [true, false]) func ofManyCommandsTheNameSaysWhich(isThere: Bool) {
        var scene = scene()
        if isThere { scene.host.add(10, "/bin/busybox", script: "cat", workload: "app") }
        for (pid, name) in [(10, "ls"), (11, "timeout"), (12, "sh")] as [(Int32, String)] {
            scene.fork(1, pid)
            scene.report(pid, "/bin/busybox", as: "/bin/\(name)", workload: "app")
            scene.write(pid, "/out/\(name)")
        }
        scene.interpret()
        #expect(
            scene.linesWithWorkloads.filter { $0.contains("/out") } == [
                isThere
                    ? "/bin/busybox cat@app file /out/ls exact" : "/bin/busybox ls@app file /out/ls inferred",
                "/bin/busybox@app file /out/sh exact", "/bin/busybox@app file /out/timeout inferred",
            ])
        #expect(counters(scene) == (0, 1, 0))
        #expect(scene.host.looksNeeded > 0)
    }

    /// Nothing names the file: then it is not known what became of the process.
    @Test func withoutAFileNothingIsKnown() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, as: "/bin/true", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        // What it opened may be of before its exec.
        #expect(scene.linesWithWorkloads == ["/usr/bin/make@build file /out inferred"])
        #expect(counters(scene).executables == 1)
    }

    /// An attempt that failed has left a file too: the name says which was executed.
    @Test func theNameChoosesAmongFiles() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/usr/bin/cat", succeeds: false)
        scene.open(10, "/etc/passwd")
        scene.report(10, "/usr/bin/true", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true@app file /out exact"))
    }

    /// Of two files of one name the folder says which; where a link was executed, what it leads to.
    @Test(arguments: [("/usr/lib/b/tool", "/usr/lib/b/tool"), ("/usr/lib/b/link", "/usr/lib/b/tool")])
    func thePathChoosesAmongFilesOfOneName(path: String, file: String) {
        var scene = scene()
        scene.host.heads["/usr/lib/a/tool"] = .dynamic(loader: Array("/lib/missing.so".utf8))
        scene.host.heads["/usr/lib/b/tool"] = .plain
        scene.fork(1, 10)
        scene.exec(10, "/usr/lib/a/tool", succeeds: false)
        scene.report(10, "/usr/lib/b/tool", as: path, workload: "app")
        if path != file { scene.leads(to: file) }
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/lib/b/tool@app file /out exact"))
    }

    /// Where nothing says which of several files was executed, none is for certain; who is there is asked.
    @Test(arguments: [true, false]) func amongOthersOneIsAGuess(isThere: Bool) {
        var scene = scene()
        if isThere { scene.host.add(10, "/usr/lib/b/other", workload: "app") }
        for name in ["/usr/lib/a/tool", "/usr/lib/b/other"] { scene.host.heads[name] = .plain }
        scene.fork(1, 10)
        scene.exec(10, "/usr/lib/a/tool", succeeds: false)
        scene.open(10, "/etc/passwd")
        scene.report(10, "/usr/lib/b/other", as: "/usr/lib/b/tool", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        let lines = scene.linesWithWorkloads.filter { $0.contains("/out") }
        if isThere { #expect(lines == ["/usr/lib/b/other@app file /out exact"]) }
        #expect(!lines.contains { $0.hasSuffix("exact") } || isThere)
    }

    /// A path that leads to another file than the one that was opened: that one was executed in vain, and what runs lies where
    /// nothing is watched.
    @Test func aFileThatThePathDoesNotLeadToIsAGuess() {
        var scene = scene()
        scene.host.heads["/usr/bin/tool"] = .plain
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/tool", as: "/usr/lib/elsewhere", workload: "app")
        scene.leads(to: "/run/unwatched/elsewhere")
        scene.write(10, "/out")
        scene.interpret()
        #expect(!scene.linesWithWorkloads.contains { $0.contains("/out") && $0.hasSuffix("exact") })
    }

    /// What a process is by the time it is asked may be what it executed later, in this batch or behind it.
    @Test(arguments: [true, false]) func aLaterImageIsNoAnswer(isInBatch: Bool) {
        var scene = scene()
        scene.host.add(10, "/usr/bin/node", script: "/srv/second.js", workload: "app")
        scene.host.heads["/usr/lib/x/mysh"] = .plain
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/node", as: "/usr/lib/x/mysh", workload: "app")
        scene.write(10, "/out")
        if isInBatch {
            scene.report(10, "/usr/bin/node", workload: "app")
        } else {
            scene.host.goneOn = [10]
        }
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/node@app file /out exact"))
        #expect(counters(scene).scripts == 1)
    }

    /// The kernel merges what a second exec of a file opens with the first one's: the path says that it was that file again.
    @Test func aMergedExecIsKnownByItsPath() {
        var scene = scene()
        for name in ["nice", "ionice", "factor"] { scene.host.heads["/usr/bin/\(name)"] = .plain }
        scene.host.add(10, "/usr/bin/factor", workload: "app")
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/nice", workload: "app")
        scene.report(10, "/usr/bin/ionice", workload: "app")
        scene.report(10, as: "/usr/bin/nice", workload: "app")
        scene.report(10, "/usr/bin/factor", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(
            scene.linesWithWorkloads.filter { $0.contains("spawn") } == [
                "/usr/bin/ionice@app spawn /usr/bin/nice@app exact",
                "/usr/bin/make@build spawn /usr/bin/nice@app exact",
                "/usr/bin/nice@app spawn /usr/bin/factor@app exact",
                "/usr/bin/nice@app spawn /usr/bin/ionice@app exact",
            ])
        #expect(counters(scene) == (0, 0, 0))
    }

    /// An exec by a thread that is not the leader is reported behind the leader's end, and perhaps in the next batch.
    @Test(arguments: [true, false]) func anExecBehindTheLeadersEnd(comes: Bool) {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/usr/bin/true", succeeds: false)
        scene.exit(10)
        scene.interpret()
        if comes { scene.report(10, as: "/usr/bin/true", workload: "app") }
        scene.write(comes ? 10 : 1, "/out")
        scene.interpret()
        if comes {
            #expect(scene.linesWithWorkloads.contains("/usr/bin/make@build spawn /usr/bin/true@app exact"))
        } else {
            #expect(scene.linesWithWorkloads.contains { $0.contains("file /usr/bin/true") })
        }
        #expect(counters(scene).executables == 0)
    }

    // MARK: Groups of which the number alone is reported

    /// Two moves of one batch: where the first one led was read behind the second one, unless the event names it.
    @Test(arguments: [true, false]) func betweenTwoMovesNothingIsInherited(isNamed: Bool) {
        var scene = scene()
        scene.fork(1, 9)
        scene.exec(9, "/usr/bin/cat", workload: "build")
        scene.isIn(group: 5)
        scene.interpret()
        scene.move(1, to: isNamed ? "app" : "build", isNamed: isNamed)
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/true", group: 5)
        scene.write(10, "/out")
        scene.move(1, to: "build", isNamed: isNamed)
        scene.interpret()
        #expect(counters(scene) == (0, 0, 1))
        #expect(!scene.linesWithWorkloads.contains { $0.contains("/out") && $0.hasSuffix("exact") })
    }

    /// A thread that was moved alone is no process that is known, and may be anybody's.
    @Test func whoseThreadWasMovedInheritsNothing() {
        var scene = scene()
        scene.fork(1, 9)
        scene.exec(9, "/usr/bin/cat", workload: "build")
        scene.isIn(group: 5)
        scene.fork(1, 10)
        scene.interpret()
        scene.move(77, to: nil, isKnown: false)
        scene.report(10, "/usr/bin/true", group: 5)
        scene.interpret()
        #expect(counters(scene) == (0, 0, 1))
    }

    /// A child of a program whose group was read, in the same one, has its workload: nobody has to be asked.
    @Test func theGroupIsInheritedWhereItIsTheSame() {
        var scene = scene()
        scene.fork(1, 9)
        scene.exec(9, "/usr/bin/cat", workload: "build")
        scene.isIn(group: 5)
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/true", group: 5)
        scene.write(10, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true@build file /out exact"))
        #expect(counters(scene) == (0, 0, 0))
    }

    /// In another group, or where moves may be missing, a process is asked; one that is gone is counted.
    @Test(arguments: [UInt64(6), 0], [true, false]) func elseItIsAskedFor(group: UInt64, isThere: Bool) {
        var scene = scene()
        scene.fork(1, 9)
        scene.exec(9, "/usr/bin/cat", workload: "build")
        scene.isIn(group: 5)
        scene.fork(1, 10)
        if isThere { scene.host.add(10, "/usr/bin/true", workload: "other") }
        scene.report(10, "/usr/bin/true", group: group)
        scene.write(10, "/out")
        scene.interpret()
        let found = isThere ? "@other file /out exact" : "@build file /out inferred"
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true\(found)"))
        #expect(counters(scene) == (0, 0, isThere ? 0 : 1))
        // It may have been moved between the exec and the answer: the group is not known by it.
        guard isThere, group != 0 else { return }
        scene.fork(10, 11)
        scene.report(11, "/usr/bin/cat", group: group)
        scene.interpret()
        #expect(counters(scene) == (0, 0, 1))
        // What was read at once says it, unless a move of the process is reported behind it.
        for (pid, isMoved) in [(20, true), (22, false)] as [(Int32, Bool)] {
            scene.fork(1, pid)
            scene.exec(pid, "/usr/bin/cat", workload: "other")
            scene.isIn(group: group)
            if isMoved { scene.move(pid, to: "other") }
            scene.fork(10, pid + 1)
            scene.report(pid + 1, "/usr/bin/cat", group: group)
            scene.write(pid + 1, "/out\(pid)")
            scene.interpret()
        }
        #expect(counters(scene) == (0, 0, 2))
        #expect(scene.linesWithWorkloads.contains("/usr/bin/cat@other file /out22 exact"))
    }

    /// A process that was moved, and gone before it could be asked whither, inherits nothing, nor do its children.
    @Test func whoWasMovedUnseenInheritsNothing() {
        var scene = scene()
        scene.fork(1, 9)
        scene.exec(9, "/usr/bin/cat", workload: "build")
        scene.isIn(group: 5)
        scene.fork(1, 10)
        scene.move(10, to: nil, isKnown: false)
        scene.fork(10, 11)
        scene.report(10, "/usr/bin/true", group: 5)
        scene.report(11, "/usr/bin/true", group: 5)
        scene.interpret()
        #expect(counters(scene) == (0, 0, 2))
        // Where the move can be read all is as it was, and in another group it says which.
        scene.fork(1, 13)
        scene.move(13, to: "other", group: 8)
        scene.report(13, "/usr/bin/true", group: 8)
        scene.write(13, "/out")
        scene.fork(1, 12)
        scene.move(12, to: nil, isKnown: false)
        scene.move(12, to: "build")
        scene.report(12, "/usr/bin/true", group: 5)
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true@other file /out exact"))
        #expect(counters(scene) == (0, 0, 2))
    }
}
