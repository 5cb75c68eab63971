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

    /// One file is many commands: which, the name says under which it was executed, unless that is an interpreter's.
    @Test func ofManyCommandsTheNameSaysWhich() {
        var scene = scene()
        for (pid, name) in [(10, "ls"), (11, "timeout"), (12, "sh")] as [(Int32, String)] {
            scene.fork(1, pid)
            scene.report(pid, "/bin/busybox", as: "/bin/\(name)", workload: "app")
            scene.write(pid, "/out/\(name)")
        }
        scene.interpret()
        #expect(
            scene.linesWithWorkloads.filter { $0.contains("/out") } == [
                "/bin/busybox ls@app file /out/ls exact", "/bin/busybox@app file /out/sh exact",
                "/bin/busybox@app file /out/timeout exact",
            ])
        #expect(counters(scene) == (0, 1, 0))
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

    // MARK: Groups of which the number alone is reported

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
        let workload = isThere ? "other" : "build"
        #expect(scene.linesWithWorkloads.contains("/usr/bin/true@\(workload) file /out exact"))
        #expect(counters(scene) == (0, 0, isThere ? 0 : 1))
        // What was read is known from then on.
        guard isThere, group != 0 else { return }
        scene.fork(10, 11)
        scene.report(11, "/usr/bin/cat", group: group)
        scene.write(11, "/out")
        scene.interpret()
        #expect(scene.linesWithWorkloads.contains("/usr/bin/cat@other file /out exact"))
        #expect(counters(scene) == (0, 0, 0))
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
