import Observation
import Records
import Testing

/// Files that were opened for execution in vain, and what was executed instead of them.
@Suite struct FailedExecTests {
    private let ld = Scene.loader

    private func scene() -> Scene {
        let scene = Scene()
        let gone = ExecutableHead.script(interpreter: Array("/nonexistent/venv/bin/python".utf8))
        for name in ["/s1/tool", "/s1/true", "/s1/usr/bin/true"] { scene.host.heads[name] = gone }
        scene.host.heads["/s2/tool"] = .script(interpreter: Array("/usr/bin/python3".utf8))
        scene.host.heads["/s3/tool"] = .script(interpreter: Array("/bin/sh".utf8))
        let dynamic = ExecutableHead.dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        for name in ["/usr/bin/true", "/usr/bin/node", "/usr/bin/make", "/usr/bin/again"] {
            scene.host.heads[name] = dynamic
        }
        let foreign = ExecutableHead.dynamic(loader: Array("/lib64/ld-linux.so.9".utf8))
        for name in ["/bad/zz", "/bad/usr/bin/true"] { scene.host.heads[name] = foreign }
        scene.host.heads["/good/zz"] = .plain
        scene.host.add(1, "/usr/bin/make", workload: "app")
        return scene
    }

    /// What the program was taken for that wrote `/out`, and with which evidence.
    private func writers(_ scene: borrowing Scene) -> [String] {
        scene.linesWithWorkloads.compactMap { line in
            line.contains(" file /out ") ? line.replacing("@app file /out", with: "") : nil
        }
    }

    // MARK: Scripts

    /// A search of `PATH` meets a script whose interpreter is gone, and goes on.
    @Test(arguments: [true, false]) func aScriptWithoutAnInterpreterIsNotThatOfTheNextOne(isReported: Bool) {
        var scene = scene()
        for pid in [10, 11] as [Int32] {
            scene.fork(1, pid)
            scene.exec(pid, "/s1/true", succeeds: false)
            if isReported {
                scene.report(pid, "/usr/bin/true", ld, workload: "app")
            } else {
                scene.exec(pid, "/usr/bin/true", ld, workload: "app")
                scene.executed("/usr/bin/true")
            }
            scene.write(pid, "/out")
            scene.interpret()
        }
        #expect(writers(scene) == ["/usr/bin/true exact"])
        #expect(!scene.lines.contains { $0.hasPrefix("/usr/bin/true /s1/true") })
    }

    /// A system that was laid out elsewhere has a file at the end of whose path is the one that was executed.
    @Test func aScriptOfAnotherSystemIsNotThatOfTheNextOne() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/s1/usr/bin/true", succeeds: false)
        scene.report(10, "/usr/bin/true", ld, workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["/usr/bin/true exact"])
    }

    @Test(arguments: [("/s2/tool", "/usr/bin/python3.11"), ("/s3/tool", "/usr/bin/dash")])
    func theScriptThatWasExecutedIsTheOneOfThePath(script: String, interpreter: String) {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/s1/tool", succeeds: false)
        scene.exec(10, script, interpreter, ld, executable: interpreter, arguments: script, workload: "app")
        scene.executed(script)
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["\(interpreter) \(script) exact"])
    }

    /// A batch ends between the script and its interpreter: what was executed in it was reported before, and is not among the files.
    @Test(arguments: [true, false]) func aCutBatchMakesNoScriptOfAFailedOne(isReported: Bool) {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/usr/bin/again", ld, workload: "app")
        scene.executed("/usr/bin/again")
        scene.exec(10, "/s1/tool", succeeds: false)
        scene.exec(10, "/s2/tool", succeeds: false)
        scene.interpret()
        let python = "/usr/bin/python3.11"
        if isReported {
            scene.report(10, python, ld, as: "/s2/tool", workload: "app")
        } else {
            scene.exec(10, python, ld, executable: python, arguments: "/s2/tool", workload: "app")
            scene.executed("/s2/tool")
        }
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["\(python) /s2/tool exact"])
    }

    /// In another root a link is executed behind an attempt whose path ends like the link's: what was read of the process decides, and
    /// where nothing was, nothing is sure.
    @Test(arguments: ["read", "name", "reported"]) func aLinkInAnotherRootIsNotTheAttempt(known: String) {
        var scene = scene()
        let (attempt, real) = ("/c/usr/local/bin/tool", "/c/opt/real")
        scene.host.heads[attempt] = scene.host.heads["/bad/zz"]
        scene.host.heads[real] = .plain
        scene.fork(1, 10)
        scene.exec(10, attempt, succeeds: false)
        switch known {
        case "read": scene.exec(10, real, workload: "app")
        case "name": scene.exec(10, real, executable: "tool", workload: "app")
        default: scene.report(10, real, as: "/bin/tool", workload: "app")
        }
        if known != "reported" { scene.executed("/bin/tool") }
        scene.write(10, "/out")
        scene.interpret()
        if known == "read" {
            #expect(writers(scene) == ["\(real) exact"])
        } else {
            #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
        }
    }

    /// Nor is the link's file the interpreter of such an attempt, where that is a script.
    @Test func aLinkInAnotherRootRunsNoFailedScript() {
        var scene = scene()
        scene.host.heads["/c/usr/local/bin/tool"] = scene.host.heads["/s1/tool"]
        scene.host.heads["/c/opt/real"] = .plain
        scene.fork(1, 10)
        scene.exec(10, "/c/usr/local/bin/tool", succeeds: false)
        scene.exec(10, "/c/opt/real", workload: "app")
        scene.executed("/bin/tool")
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }

    /// A link that may have been switched since the exec is no proof that it led to the attempt that failed.
    @Test(arguments: [true, false]) func aLinkThatMayHaveBeenSwitched(isSwitched: Bool) {
        var scene = scene()
        scene.host.heads["/v1/app"] = .plain
        scene.host.heads["/v2/app"] = .plain
        scene.fork(1, 10)
        scene.exec(10, "/v1/app", succeeds: false)
        scene.report(10, "/v2/app", as: "/current/app", workload: "app")
        scene.leads(to: isSwitched ? "/v1/app" : "/v2/app")
        if isSwitched { scene.executed("/current/app") }
        scene.write(10, "/out")
        scene.interpret()
        #expect(isSwitched ? writers(scene).allSatisfy { $0.hasSuffix("inferred") } : true)
        #expect(isSwitched || writers(scene) == ["/v2/app exact"])
    }

    /// The same path again in one process, which is another file since chroot(2): which of the two it was is a guess.
    @Test func theSamePathInAnotherRoot() {
        var scene = scene()
        for name in ["/usr/bin/again", "/c/usr/bin/again"] {
            scene.host.heads[name] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        }
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/again", ld, workload: "app")
        scene.report(10, "/c/usr/bin/again", as: "/usr/bin/again", workload: "app")
        scene.report(10, as: "/usr/bin/again", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }

    /// The events of an interpreter may be merged with those of a batch before, and what stands behind the script is its loader.
    @Test func aLoaderIsNoInterpreter() {
        var scene = scene()
        scene.host.heads["/usr/bin/dash"] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        scene.host.heads[ld] = .plain
        scene.fork(1, 10)
        scene.exec(
            10, "/s3/tool", "/usr/bin/dash", ld, executable: "/usr/bin/dash", arguments: "/s3/tool",
            workload: "app")
        scene.executed("/s3/tool")
        scene.interpret()
        scene.host.heads["/s3/next"] = .script(interpreter: Array("/bin/sh".utf8))
        scene.exec(10, "/s3/next", succeeds: false)
        scene.interpret()
        scene.report(10, ld, as: "/s3/next", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(!scene.lines.contains { $0.hasPrefix(ld) })
    }

    /// The wrong one is not kept for others either: what the first one opens is merged, and so it is named by what is known.
    @Test func nothingIsLearntOfAFailedScript() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/s1/tool", succeeds: false)
        scene.exec(10, "/usr/bin/true", ld, isSeen: false, workload: "app")
        scene.interpret()
        scene.fork(1, 11)
        scene.exec(11, "/usr/bin/true", ld, workload: "app")
        scene.exec(11, "/s1/tool", succeeds: false)
        scene.exec(11, "/good/zz", workload: "app")
        scene.executed("/good/zz")
        scene.write(11, "/out")
        scene.interpret()
        // As ever, of one batch the opens of an image before are possible.
        #expect(writers(scene).contains("/good/zz exact"))
        #expect(!scene.lines.contains { $0.hasPrefix("/usr/bin/true /s1/tool spawn") })
    }

    /// Nobody reports or has seen what was executed: the script may be that of the next file, and may not.
    @Test func withoutAReportTheNextFileIsAGuess() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/s1/true", "/usr/bin/true", ld, isSeen: false)
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }

    /// `#!/bin/sh` leads to another name. The path says so, or the arguments; from then on it is known.
    @Test(arguments: ["path", "arguments", "link"]) func aLinkToTheInterpreterIsLearnt(by word: String) {
        var scene = scene()
        scene.host.heads["/s3/other"] = .script(interpreter: Array("/bin/sh".utf8))
        scene.fork(1, 10)
        switch word {
        case "path": scene.report(10, "/s3/tool", "/usr/bin/dash", ld, workload: "app")
        default:
            scene.exec(10, "/s3/tool", "/usr/bin/dash", ld, arguments: "/s3/tool", workload: "app")
            if word == "link" { scene.executed("/usr/local/bin/link") }
        }
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["/usr/bin/dash /s3/tool exact"])
        scene.fork(1, 11)
        scene.exec(11, "/s3/other", "/usr/bin/dash", ld, isSeen: false)
        scene.write(11, "/out")
        scene.interpret()
        #expect(writers(scene) == ["/usr/bin/dash /s3/other exact", "/usr/bin/dash /s3/tool exact"])
    }

    /// What was executed was named from where the process was.
    @Test(arguments: ["./tool", "../s3/tool", "s3/tool"]) func aRelativePathIsOne(path: String) {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/s1/true", succeeds: false)
        scene.report(10, "/s3/tool", "/usr/bin/dash", ld, as: path, workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["/usr/bin/dash /s3/tool exact"])
    }

    /// A script whose shell executes itself again: the second exec's events are merged, and its path names the shell.
    @Test func anInterpreterThatIsExecutedAgainWasOneBefore() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, "/s3/tool", "/usr/bin/dash", ld, workload: "app")
        scene.report(10, as: "/usr/bin/dash", workload: "app")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/make").contains("spawn /usr/bin/dash /s3/tool"))
    }

    // MARK: Executables whose loader is gone

    @Test(arguments: [true, false]) func aStaticProgramIsNoLoader(isReported: Bool) {
        var scene = scene()
        for pid in [10, 11] as [Int32] {
            scene.fork(1, pid)
            scene.exec(pid, "/bad/zz", succeeds: false)
            if isReported {
                scene.report(pid, "/good/zz", workload: "app")
            } else {
                scene.exec(pid, "/good/zz", workload: "app")
                scene.executed("/good/zz")
            }
            scene.write(pid, "/out")
            scene.interpret()
        }
        #expect(writers(scene) == ["/good/zz exact"])
    }

    @Test func withoutAReportALoaderOfAnotherNameIsAGuess() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/bad/zz", "/good/zz", isSeen: false)
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }

    // MARK: Paths that end alike

    /// Of the files of two systems the one is it that has the very path.
    @Test(arguments: [true, false]) func theVeryPathGoesBeforeOneThatEndsWithIt(isReported: Bool) {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/bad/usr/bin/true", succeeds: false)
        if isReported {
            scene.report(10, "/usr/bin/true", ld, workload: "app")
        } else {
            scene.exec(10, "/usr/bin/true", ld, workload: "app")
            scene.executed("/usr/bin/true")
        }
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == ["/usr/bin/true exact"])
    }

    /// In a container both have such a path: who is there is asked.
    @Test(arguments: [true, false]) func ofTwoThatEndAlikeNoneIsIt(isThere: Bool) {
        var scene = scene()
        scene.host.heads["/root/usr/bin/true"] = .plain
        if isThere { scene.host.add(10, "/root/usr/bin/true", workload: "app") }
        scene.fork(1, 10)
        scene.exec(10, "/bad/usr/bin/true", succeeds: false)
        scene.open(10, "/etc/passwd")
        scene.report(10, "/root/usr/bin/true", as: "/usr/bin/true", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        if isThere {
            #expect(writers(scene) == ["/root/usr/bin/true exact"])
        } else {
            #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
        }
    }

    /// What is executed again is the file of the very path, although another one was executed behind it.
    @Test func theVeryPathIsTheOneThatIsExecutedAgain() {
        var scene = scene()
        scene.host.heads["/root/usr/bin/again"] = .plain
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/again", ld, workload: "app")
        scene.report(10, "/root/usr/bin/again", workload: "app")
        scene.report(10, as: "/usr/bin/again", workload: "app")
        scene.report(10, "/usr/bin/true", workload: "app")
        scene.interpret()
        #expect(scene.lines(of: "/usr/bin/again").contains("spawn /usr/bin/true"))
        #expect(!scene.lines(of: "/root/usr/bin/again").contains("spawn /usr/bin/true"))
    }

    // MARK: Programs that are executed again behind an attempt that failed

    @Test(arguments: [true, false], ["/usr/bin/again", "/s3/tool"])
    func aFailedAttemptIsNotTheProgramThatIsExecutedAgain(isReported: Bool, path: String) {
        var scene = scene()
        scene.fork(1, 10)
        let isScript = path == "/s3/tool"
        let (file, script) = isScript ? ("/usr/bin/dash", path) : (path, nil)
        if isScript { scene.event([.opened, .executed], 10, path) }
        for round in 0..<2 {
            let files = round == 0 ? [file, ld] : []
            for file in files { scene.event([.opened, .executed], 10, file) }
            if isReported {
                scene.report(10, as: path, workload: "app")
            } else {
                scene.confirm(10, [file], script, workload: "app")
                scene.executed(path)
            }
            if round == 0 { scene.exec(10, "/bad/zz", succeeds: false) }
        }
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene) == [(isScript ? "/usr/bin/dash /s3/tool" : path) + " exact"])
        #expect(!scene.lines.contains { $0.hasPrefix("/bad/zz") || $0.hasSuffix("spawn /bad/zz") })
    }

    /// Neither what was executed before nor what was opened is the file of the path.
    @Test func aPathThatFitsNothingIsAGuess() {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/again", ld, workload: "app")
        scene.exec(10, "/bad/zz", succeeds: false)
        scene.report(10, as: "/usr/bin/link", workload: "app")
        scene.write(10, "/out")
        scene.interpret()
        #expect(writers(scene).allSatisfy { $0.hasSuffix("inferred") || $0 == "/usr/bin/again exact" })
        #expect(!writers(scene).contains("/bad/zz exact"))
    }

    /// The attempt is all that the second batch has.
    @Test(arguments: [true, false]) func anAttemptOfTheBatchBeforeIsAGuess(isReported: Bool) {
        var scene = scene()
        scene.fork(1, 10)
        scene.report(10, "/usr/bin/again", ld, workload: "app")
        scene.exec(10, "/bad/zz", succeeds: false)
        scene.interpret()
        if isReported {
            scene.report(10, as: "/usr/bin/again", workload: "app")
        } else {
            scene.confirm(10, ["/usr/bin/again"], workload: "app")
            scene.executed("/usr/bin/again")
        }
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }

    /// What was looked at lies where nothing is watched, and so does what the path leads to.
    @Test func aFileThatIsNotTheOneThatWasLookedAtIsAGuess() {
        var scene = scene()
        scene.fork(1, 10)
        scene.exec(10, "/bad/zz", executable: "/run/unwatched/other", workload: "app")
        scene.executed("/run/unwatched/other")
        scene.write(10, "/out")
        scene.interpret()
        #expect(!writers(scene).isEmpty && writers(scene).allSatisfy { $0.hasSuffix("inferred") })
    }
}
