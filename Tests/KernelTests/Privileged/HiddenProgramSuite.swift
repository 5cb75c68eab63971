import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Programs of the system's folders whose exec alone does not say what they are, while nobody looks at them.
    @Suite("hidden programs")
    struct HiddenProgramSuite {
        /// A folder of the system's of the test's own.
        private final class SystemFolder {
            let path = "/usr/lib/retinue-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
            init() throws { try makeFolder(path) }
            deinit { try? FileManager.default.removeItem(atPath: path) }
        }

        private static let runs = 12

        /// Starts a command many times, when the daemon has had time to find the host settled, each time as root's shell would.
        private func start(_ command: [String], path: String? = nil) throws {
            var environment = Child.environment
            if let path { environment["PATH"] = path }
            let story = """
                import os, sys, time
                time.sleep(2.5)
                for _ in range(\(Self.runs)):
                    os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
                """
            let python = realPath("/usr/bin/python3")
            try run([python, "-c", story] + command, environment: environment)
        }

        /// An executable whose ELF interpreter is not there: execve(2) fails behind the open.
        private func breakCopy(of file: String, at path: String) throws {
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            let loader = Data("/lib64/ld-linux-x86-64.so.2".utf8)
            let place = try #require(bytes.range(of: loader), "needs x86-64")
            bytes.replaceSubrange(place, with: Data("/lib64/ld-linux-x86-64.so.0".utf8))
            _ = FileManager.default.createFile(
                atPath: path, contents: bytes, attributes: [.posixPermissions: 0o755])
        }

        /// The search of PATH goes on behind a file that cannot be executed: the next one of its name is the program.
        @Test(.timeLimit(.minutes(3))) func theNextOfItsNameOnThePath() throws {
            let bench = try Bench()
            let folder = try SystemFolder()
            for name in ["a", "b"] { try makeFolder(folder.path + "/" + name) }
            let (broken, whole) = (folder.path + "/a/tool", folder.path + "/b/tool")
            try breakCopy(of: realPath("/usr/bin/head"), at: broken)
            try FileManager.default.copyItem(atPath: realPath("/usr/bin/head"), toPath: whole)
            try start(
                ["/usr/bin/nice", "tool", "-c0"],
                path: "\(folder.path)/a:\(folder.path)/b:/usr/bin:/bin")
            let records = try bench.daemon.dump().dependencies
            #expect(!records.contains { $0.program.executable == broken && $0.evidence == "exact" })
            let spawns = records.relation("spawn").filter { $0.child?.executable == whole }
            #expect(spawns.reduce(0) { $0 + $1.count } == UInt64(Self.runs), "\(spawns)")
            #expect(spawns.allSatisfy { $0.evidence == "exact" })
        }

        /// The same of `#!` files: the first one's interpreter is not there, and the second is called by a link. Its interpreter
        /// executes something else at once.
        @Test(.timeLimit(.minutes(3))) func aScriptByItsLinkBehindOneThatFailed() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("srv"))
            for name in ["a", "b"] { try makeFolder("\(folder)/\(name)") }
            let (failed, script, interpreter) = ("\(folder)/a/tool", "\(folder)/script", "\(folder)/runner")
            try FileManager.default.copyItem(atPath: realPath("/usr/bin/env"), toPath: interpreter)
            try write("#!\(folder)/gone\n", to: failed, executable: true)
            try write("#!\(interpreter) true\n", to: script, executable: true)
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/b/tool", withDestinationPath: script)
            try start(["/usr/bin/nice", "tool"], path: "\(folder)/a:\(folder)/b:/usr/bin:/bin")
            let records = try bench.daemon.dump().dependencies
            #expect(!records.contains { $0.program.script == failed || $0.child?.script == failed })
            let nice = records.relation("spawn").filter { $0.program.executable == realPath("/usr/bin/nice") }
            let own = Dump.Program(
                executable: interpreter, script: script, workload: nice.first?.child?.workload)
            #expect(nice.map(\.child) == [own] && nice.map(\.count) == [UInt64(Self.runs)], "\(nice)")
            let next = records.relation("spawn").filter { $0.program == own }
            #expect(next.map(\.child?.executable) == [realPath("/usr/bin/true")], "\(next)")
            #expect(next.map(\.count) == [UInt64(Self.runs)], "\(next)")
            #expect((nice + next).allSatisfy { $0.evidence == "exact" }, "\(nice + next)")
        }

        /// The kernel merges what a process opens a second time: what it executed then is known by its path.
        @Test(.timeLimit(.minutes(3))) func theSameProgramAgainInOneProcess() throws {
            let bench = try Bench()
            let (nice, ionice, sleep) = (
                realPath("/usr/bin/nice"), realPath("/usr/bin/ionice"), realPath("/bin/sleep")
            )
            try start([nice, ionice, nice, ionice, "-c3", sleep, "0.03"].map { $0 })
            let pairs = try bench.daemon.dump().dependencies.relation("spawn").filter {
                $0.evidence == "exact"
                    && ([nice, ionice].contains($0.program.executable) || $0.child?.executable == sleep)
            }.map { [$0.program.executable, $0.child?.executable ?? ""] }
            let possible = [[nice, ionice], [ionice, nice], [ionice, sleep]]
            #expect(pairs.allSatisfy { possible.contains($0) }, "\(pairs)")
            #expect(pairs.contains([ionice, sleep]))
        }

        /// A mount namespace in which nothing that is looked at is ever executed: what programs open there is seen all the same.
        @Test(.timeLimit(.minutes(3))) func aNamespaceThatNobodyIsLookedAtIn() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("private")
            let story = """
                import ctypes, os, sys, time
                libc = ctypes.CDLL(None, use_errno=True)
                time.sleep(2.5)
                folder = sys.argv[1].encode()
                assert libc.unshare(0x20000) == 0
                assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
                assert libc.mount(b"tmpfs", folder, b"tmpfs", 0, None) == 0
                open(folder + b"/x", "w").write("x")
                for _ in range(2):
                    # On a host where nothing happens the daemon does not turn to looking at some alone.
                    for _ in range(23):
                        time.sleep(0.1)
                        open("/etc/passwd").close()
                    os.waitpid(os.posix_spawn("/usr/bin/head", ["head", "-c1", folder + b"/x"], {}), 0)
                """
            try write(story, to: folder + ".py")
            try run(["python3", folder + ".py", folder])
            let records = try bench.daemon.dump().dependencies.relation("file").filter {
                $0.program.executable == realPath("/usr/bin/head") && ($0.path ?? "").hasSuffix("/x")
            }
            #expect(records.map(\.count) == [2], "\(records)")
        }
    }
}
