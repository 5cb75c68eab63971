import Foundation
import Procfs
import SystemCalls
import TestSupport
import Testing

/// Names as arguments hold them, to the paths under which opens are reported.
@Suite struct ResolveTests {
    /// A process whose working directory is `folder/work`, in a small tree.
    private func withProcess(
        _ command: [String] = ["sleep", "60"],
        _ body: (borrowing ProcessDirectory, _ folder: String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/work/deep")
            try makeFolder(folder + "/real")
            try write("x", to: folder + "/real/a.py")
            symlink("../real", folder + "/work/link")
            symlink("/nonexistent", folder + "/work/dangling")
            symlink("a.py", folder + "/real/alias.py")
            let child = try Child(command, folder: folder + "/work")
            defer { child.kill() }
            let directory = try processDirectory(child.pid)
            // It starts as `env`, which changes the folder.
            let isThere: Bool? = eventually {
                directory.workingDirectory() == Array((folder + "/work").utf8)
                    && directory.arguments().first == Array(command[0].utf8) ? true : nil
            }
            try #require(isThere == true)
            try body(directory, folder)
        }
    }

    private func resolve(_ name: String, _ directory: borrowing ProcessDirectory) -> String? {
        directory.resolve(Array(name.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    private func file(
        _ name: String, _ directory: borrowing ProcessDirectory
    ) -> (path: String, kind: mode_t)? {
        directory.file(named: Array(name.utf8)).map {
            (String(decoding: $0.path, as: UTF8.self), $0.status.mode & S_IFMT)
        }
    }

    @Test func namesOfEveryForm() throws {
        try withProcess { directory, folder in
            let expected: [(String, String?)] = [
                // Relative ones start at the working directory.
                ("a.py", folder + "/work/a.py"), ("./a.py", folder + "/work/a.py"),
                ("deep/a.py", folder + "/work/deep/a.py"), ("deep/../a.py", folder + "/work/a.py"),
                ("../real/a.py", folder + "/real/a.py"), (".//deep//./a.py", folder + "/work/deep/a.py"),
                // Links in directories are followed, a link at the end is what was opened.
                ("link/a.py", folder + "/real/a.py"), ("link/alias.py", folder + "/real/alias.py"),
                ("link/../a.py", folder + "/a.py"), (folder + "/work/link/a.py", folder + "/real/a.py"),
                (folder + "/work/../work/link/../real/./a.py", folder + "/real/a.py"),
                // The file need not exist, its directory must.
                (folder + "/real/none", folder + "/real/none"), (folder + "/none/a.py", nil),
                ("dangling/a.py", nil), ("link/a.py/b", nil),
                ("/a.py", "/a.py"), ("//a.py", "/a.py"), ("/../a.py", "/a.py"),
                // What names no file.
                ("", nil), (".", nil), ("..", nil), ("deep/", nil), ("deep/..", nil), ("/", nil),
                ("a\0b", nil),
            ]
            for (name, path) in expected { #expect(resolve(name, directory) == path, "\(name)") }
        }
    }

    @Test func namesThatAreNotText() throws {
        try withProcess { directory, folder in
            let name: [UInt8] = [0xff, 0xfe]
            #expect(directory.resolve(name) == Array((folder + "/work/").utf8) + name)
        }
    }

    /// `/dev/fd/N` and `/proc/self/fd/N` name a descriptor of the process, not of whoever asks.
    @Test func descriptorsAreThoseOfTheProcess() throws {
        let script = "exec 7<../real/a.py 8</dev/null; echo ready; exec sleep 60"
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/work")
            try makeFolder(folder + "/real")
            try write("x", to: folder + "/real/a.py")
            let child = try Child(["sh", "-c", script], folder: folder + "/work")
            defer { child.kill() }
            #expect(try child.firstLine() == "ready")
            let directory = try processDirectory(child.pid)
            // It says so before it becomes another program.
            let isThere: Bool? = eventually {
                directory.arguments().first == Array("sleep".utf8) ? true : nil
            }
            try #require(isThere == true)
            for name in ["/proc/self/fd/7", "/dev/fd/7", "/proc/thread-self/fd/7", "/proc/\(child.pid)/fd/7"]
            {
                #expect(resolve(name, directory) == folder + "/real/a.py", "\(name)")
            }
            #expect(resolve("/proc/self/fd/8", directory) == "/dev/null")
            // Open here, closed there.
            let own = fcntl(0, F_DUPFD_CLOEXEC, 500)
            let file = FileDescriptor(owning: own)
            #expect(resolve("/proc/self/fd/\(file.number)", directory) == nil)
            #expect(resolve("/proc/self/exe", directory) == "/usr/bin/sleep")
            #expect(resolve("/proc/self/status", directory) == nil)
        }
    }

    /// What is no path, such as a pipe, is no script.
    @Test func namelessDescriptorsAreNoPaths() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        let directory = try processDirectory(getpid())
        #expect(resolve("/proc/self/fd/\(ends[0])", directory) == nil)
        #expect(resolve("/dev/fd/\(ends[0])", directory) == nil)
    }

    /// A file has to be there, whatever leads to it.
    @Test func filesThatAreThere() throws {
        try withProcess { directory, folder in
            try write("x", to: folder + "/work/a.py")
            symlink("../real/alias.py", folder + "/work/further")
            symlink(folder + "/real/a.py", folder + "/work/absolute")
            symlink("loop", folder + "/work/loop")
            for (name, expected) in [
                ("a.py", "/work/a.py"), ("../real/a.py", "/real/a.py"), ("link/alias.py", "/real/alias.py"),
                ("further", "/work/further"), ("absolute", "/work/absolute"),
                (folder + "/real/a.py", "/real/a.py"),
            ] {
                let file = file(name, directory)
                #expect(file?.path == folder + expected && file?.kind == S_IFREG, "\(name)")
            }
            for (name, kind) in [
                ("deep", S_IFDIR), ("link", S_IFDIR), ("/dev/null", S_IFCHR), ("/dev/fd/0", S_IFCHR),
            ] {
                let file = file(name, directory)
                #expect(file?.kind == kind, "\(name)")
            }
            for name in [
                "none", "deep/none", "none/none", "dangling", "loop", "a.py/b", "", "/", "..", "/none.py",
            ] {
                let file = file(name, directory)
                #expect(file?.path == nil, "\(name)")
            }
            let input = file("/proc/self/fd/0", directory)
            #expect(input?.path == "/dev/null")
            let bytes = directory.file(named: [0xff, 0xfe])
            #expect(bytes == nil)
            // Nobody answers: there may be one, and nobody knows.
            let unanswered = directory.file(
                named: Array("never-looked-up".utf8), uncached: { _, _, _ in nil })
            #expect(unanswered == nil)
        }
    }

    /// Through the process's own root.
    @Test(.privileged) func rootOfTheProcess() throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/jail/bin")
            try makeFolder(folder + "/jail/etc")
            symlink("etc", folder + "/jail/conf")
            // Enters when its libraries are loaded: there are none in there.
            let script =
                "import os, sys, time; os.chroot(sys.argv[1]); os.chdir('/etc'); "
                + "print('ready', flush=True); time.sleep(60)"
            let child = try Child(["python3", "-c", script, folder + "/jail"])
            defer { child.kill() }
            #expect(try child.firstLine() == "ready")
            let directory = try processDirectory(child.pid)
            #expect(resolve("/conf/a", directory) == folder + "/jail/etc/a")
            #expect(resolve("a", directory) == folder + "/jail/etc/a")
            // Where an absolute link leads is said of that root, too.
            try write("x", to: folder + "/jail/etc/own-\(getpid())")
            symlink("/etc/own-\(getpid())", folder + "/jail/bin/tool")
            symlink("/bin/tool", folder + "/jail/bin/twice")
            symlink("/etc/passwd", folder + "/jail/bin/none")
            #expect(
                directory.file(named: Array("/bin/tool".utf8))?.path
                    == Array((folder + "/jail/bin/tool").utf8))
            #expect(directory.file(named: Array("/bin/none".utf8)) == nil)
            let twice = file("/bin/twice", directory)
            #expect(twice?.kind == S_IFREG)
        }
    }
}
