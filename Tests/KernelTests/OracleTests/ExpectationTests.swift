import TestSupport
import Testing

/// What a trace lets one expect of a dump: fork, exec, scripts, descriptors, renames, sockets.
@Suite("oracle: expectation")
struct ExpectationTests {
    /// A small world: `/bin` is a link to `/usr/bin`, programs are ELF files without an interpreter.
    private static let world = FileWorld(
        realPath: { path in
            let parts = path.split(separator: "/").filter { $0 != "." }
            let plain = "/" + parts.joined(separator: "/")
            let path = plain == "/bin" || plain.hasPrefix("/bin/") ? "/usr" + plain : plain
            return path == "/usr/bin/sh"
                ? "/usr/bin/dash" : path == "/usr/bin/python3" ? "/usr/bin/python3.11" : path
        },
        head: { path in
            switch path {
            case "/w/run.sh": Array("#!/bin/sh -e\n".utf8)
            case "/w/a.py": Array("#!/usr/bin/env python3\n".utf8)
            case "/w/twice": Array("#! /w/run.sh\n".utf8)
            default: []
            }
        },
        kind: { path in path == "/w/folder" ? .directory : path == "/w/fifo" ? .other : .regular },
        excluded: ["/proc", "/sys"])

    private func expect(_ trace: String, ignoring: Set<String> = []) -> Expectation {
        Expectation(trace: StraceParser(trace.utf8), world: Self.world, folder: "/w", ignoring: ignoring)
    }

    private let bash = ProgramName(executable: "/usr/bin/bash")
    private let cat = ProgramName(executable: "/usr/bin/cat")

    @Test func openBetweenForkAndExecBelongsToBoth() {
        let expected = expect(
            #"""
            1 execve("/bin/bash", ["bash", "-c", "cat > out"], 0x1 /* 1 var */) = 0
            1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7) = 2
            2 openat(AT_FDCWD</w>, "out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</w/out>
            2 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            2 openat(AT_FDCWD</w>, "in", O_RDONLY) = 3</w/in>
            2 +++ exited with 0 +++
            """#)
        #expect(expected.complaints.isEmpty)
        #expect(
            expected.facts.opens == [
                FileFact(program: bash, path: "/w/out", letter: "r"),
                FileFact(program: bash, path: "/w/out", letter: "w"),
                FileFact(program: cat, path: "/w/out", letter: "r"),
                FileFact(program: cat, path: "/w/out", letter: "w"),
                FileFact(program: cat, path: "/w/in", letter: "r"),
            ])
        #expect(expected.facts.spawns == [SpawnFact(program: bash, child: cat)])
        #expect(expected.processes == 2)
    }

    @Test func childMayBeSeenBeforeItsCloneReturns() {
        let expected = expect(
            #"""
            1 execve("/bin/bash", ["bash"], 0x1 /* 1 var */) = 0
            1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
            2 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            2 +++ exited with 0 +++
            1 <... clone resumed>, child_tidptr=0x7) = 2
            1 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88) = 2
            2 openat(AT_FDCWD</w>, "late", O_RDONLY) = 3</w/late>
            """#)
        #expect(expected.complaints.isEmpty)
        #expect(expected.processes == 3)
        #expect(expected.facts.opens == [FileFact(program: bash, path: "/w/late", letter: "r")])
        #expect(expected.facts.spawns == [SpawnFact(program: bash, child: cat)])
    }

    @Test func threadsAreTheirProcess() {
        let expected = expect(
            #"""
            1 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            1 clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND, exit_signal=0}, 88) = 2
            2 openat(AT_FDCWD</w>, "by-thread", O_RDWR) = 3</w/by-thread>
            """#)
        #expect(expected.processes == 1)
        #expect(
            expected.facts.opens == [
                FileFact(program: cat, path: "/w/by-thread", letter: "r"),
                FileFact(program: cat, path: "/w/by-thread", letter: "w"),
            ])
    }

    @Test func scriptThroughEnvIsTwoExecs() {
        let expected = expect(
            #"""
            1 execve("/bin/bash", ["bash"], 0x1 /* 1 var */) = 0
            1 execve("./a.py", ["./a.py", "x"], 0x1 /* 1 var */) = 0
            1 execve("/usr/bin/python3", ["python3", "./a.py", "x"], 0x1 /* 1 var */) = 0
            """#)
        let env = ProgramName(executable: "/usr/bin/env")
        let python = ProgramName(executable: "/usr/bin/python3.11", script: "/w/a.py")
        #expect(
            expected.facts.spawns == [
                SpawnFact(program: bash, child: env), SpawnFact(program: env, child: python),
            ])
        #expect(expected.facts.executed.contains(FileFact(program: env, path: "/w/a.py", letter: "x")))
        #expect(expected.facts.executed.contains(FileFact(program: env, path: "/usr/bin/env", letter: "x")))
        #expect(
            expected.facts.executed.contains(
                FileFact(program: python, path: "/usr/bin/python3.11", letter: "x")))
    }

    @Test func interpreterMayBeAScript() {
        let image = Self.world.image(of: "/w/twice", arguments: [])
        #expect(image.program == ProgramName(executable: "/usr/bin/dash", script: "/w/twice"))
        #expect(image.executed == ["/w/twice", "/w/run.sh", "/usr/bin/dash"])
    }

    @Test func findsScriptsAmongArguments() {
        func script(_ executable: String, _ arguments: String...) -> String? {
            ScriptArgument.find(executable, arguments.map { Array($0.utf8) })
                .map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(script("/usr/bin/python3.11", "python3", "-u", "x.py", "-c") == "x.py")
        #expect(script("/usr/bin/python3.11", "python3", "-c", "pass") == nil)
        #expect(script("/usr/bin/dash", "sh", "-e", "x.sh") == "x.sh")
        #expect(script("/usr/bin/dash", "sh", "-ec", "true", "name") == nil)
        #expect(script("/usr/bin/cat", "cat", "x.sh") == nil)
    }

    @Test func leavesOutWhatIsNoFile() {
        let expected = expect(
            #"""
            1 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            1 openat(AT_FDCWD</w>, "/dev/null", O_RDWR) = 3</dev/null<char 1:3>>
            1 openat(AT_FDCWD</w>, "/proc/self/stat", O_RDONLY) = 3</proc/1/stat>
            1 openat(AT_FDCWD</w>, "fifo", O_RDONLY) = 3</w/fifo>
            1 openat(AT_FDCWD</w>, "folder", O_RDONLY) = 3</w/folder>
            1 openat(AT_FDCWD</w>, "x", O_RDONLY|O_PATH) = 3</w/x>
            1 openat(AT_FDCWD</w>, ".", O_RDWR|O_TMPFILE, 0600) = 3</w/#12>(deleted)
            1 openat(AT_FDCWD</w>, "none", O_RDONLY) = -1 ENOENT (No such file or directory)
            """#)
        #expect(expected.facts.opens.isEmpty)
        #expect(expected.facts.directories == [FileFact(program: cat, path: "/w/folder", letter: "r")])
    }

    @Test func followsTheWorkingFolder() {
        let expected = expect(
            #"""
            1 execve("/bin/bash", ["bash"], 0x1 /* 1 var */) = 0
            1 chdir("/bin/.") = 0
            1 execve("./cat", ["./cat"], 0x1 /* 1 var */) = 0
            1 rename("a", "/w/b") = 0
            1 renameat2(AT_FDCWD</x>, "c", 4</y>, "d", RENAME_NOREPLACE) = 0
            """#)
        #expect(expected.facts.spawns == [SpawnFact(program: bash, child: cat)])
        #expect(expected.allowed.contains(FileFact(program: cat, path: "/w/b", letter: "w")))
        #expect(expected.allowed.contains(FileFact(program: cat, path: "/x/c", letter: "w")))
        #expect(expected.allowed.contains(FileFact(program: cat, path: "/y/d", letter: "w")))
    }

    @Test func seesConnections() {
        let trace = #"""
            1 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            1 connect(5<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
            1 connect(6<UDP:[2]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
            1 connect(7<TCP:[3]>, {sa_family=AF_INET, sin_port=htons(81), sin_addr=inet_addr("127.0.0.1")}, 16) \#
            = -1 EINPROGRESS (Operation now in progress)
            1 connect(8<TCP:[4]>, {sa_family=AF_INET, sin_port=htons(82), sin_addr=inet_addr("127.0.0.1")}, 16) \#
            = -1 ECONNREFUSED (Connection refused)
            """#
        #expect(
            expect(trace).facts.sockets == [
                SocketFact(
                    program: cat, relation: "connect", endpoint: .init(address: "127.0.0.1", port: 80)),
                SocketFact(
                    program: cat, relation: "connect", endpoint: .init(address: "127.0.0.1", port: 81)),
            ])
    }

    @Test func ignoresTheHelperThatEntersTheGroup() {
        let expected = expect(
            #"""
            1 execve("/x/enter", ["enter", "/g", "cat"], 0x1 /* 1 var */) = 0
            1 openat(AT_FDCWD</w>, "/g", O_WRONLY) = 3</g>
            1 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            """#, ignoring: ["/x/enter"])
        #expect(expected.facts.opens.isEmpty)
        #expect(expected.facts.spawns.isEmpty)
        #expect(expected.facts.executed == [FileFact(program: cat, path: "/usr/bin/cat", letter: "x")])
    }

    @Test func complainsAboutAThreadThatNobodyStarted() {
        let expected = expect(
            #"""
            1 execve("/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
            9 openat(AT_FDCWD</w>, "x", O_RDONLY) = 3</w/x>
            """#)
        #expect(expected.complaints.count == 1)
    }
}
