import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Names and paths, when the tree changes faster than anybody can look.
    @Suite("paths")
    struct DirectorySuite {
        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func directoryThatIsGoneAgain(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let tree = try workload("tree")
            let folder = try bench.files.folder("tree")
            let records = try bench.records(of: [tree, "fleeting", folder])
            let wrong = (0..<101).filter { number in
                let files = records.files("\(folder)/\(number)/deep/file")
                return files.map(\.program.executable) != [tree] || files.first?.access != "rw"
                    || files.first?.kind != "regular"
            }
            let example = wrong.first.map { records.files("\(folder)/\($0)/deep/file").map(\.short) }
            #expect(wrong.isEmpty, "\(wrong.count) of 101, as \(example ?? [])")
            let paths = records.relation("file").compactMap(\.exactPath).filter { $0.hasPrefix(folder + "/") }
            #expect(paths.count == 101, "and no path is made up")
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func directoryThatIsRenamed(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("tree")
            let records = try bench.records(of: [try workload("tree"), "renamed", folder])
            #expect(records.files(folder + "/before/inner/old").first?.access == "rw")
            #expect(records.files(folder + "/after/inner/new").first?.access == "rw")
            #expect(records.files(folder + "/before/inner/new").isEmpty)
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func nameThatIsGivenToAnotherDirectory(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("tree")
            let records = try bench.records(of: [try workload("tree"), "swapped", folder])
            for name in ["a/one", "a/two", "b/three"] {
                #expect(records.files("\(folder)/\(name)").first?.access == "rw", "\(name)")
            }
            // Not b/one: that is where the file is now, and it may be reported.
            for name in ["b/two", "a/three"] {
                #expect(records.files("\(folder)/\(name)").isEmpty, "\(name)")
            }
            try bench.daemon.stop()
        }

        /// The kernel merges the third rename with the first: what the events say ends at the wrong name.
        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func directoryThatIsRenamedToAndFro(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("tree")
            let records = try bench.records(of: [try workload("tree"), "restless", folder])
            #expect(records.files(folder + "/b/inner/file").first?.access == "rw")
            try bench.daemon.stop()
        }

        /// 1,500 levels: as they are made, and by their handle alone, which takes more than the kernel's page of path.
        @Test(.timeLimit(.minutes(2)), arguments: ScratchFilesystem.Kind.allCases)
        func directoriesThatLieDeep(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("tree")
            let path = folder + String(repeating: "/level", count: 1500)
            var records = try bench.records(of: [try workload("tree"), "deep", folder])
            #expect(records.files(path + "/file").first?.access == "rw")
            try bench.daemon.stop()
            let second = try DaemonUnderTest(stateFolder: bench.folder + "/second")
            let group = try ControlGroup()
            try run(group.command([try workload("tree"), "deeper", folder]))
            records = try second.dump().records(of: group.workload)
            #expect(records.files(path + "/other").first?.access == "rw")
            try second.stop()
        }

        @Test(.timeLimit(.minutes(1)))
        func namesThatAreNoPlainText() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("tree")
            let records = try bench.records(of: [try workload("tree"), "odd", folder])
            for name in ["new\nline", "quo\"te", "back\\slash", "tab\there", "gr\u{fc}\u{df}e"] {
                let record = try #require(records.files("\(folder)/\(name)").first, "\(name)")
                #expect(record.pathRaw == nil)
                #expect(record.access == "rw")
            }
            let broken = try #require(records.files("\(folder)/broken\\xff\\xfe").first)
            let raw = try #require(broken.pathRaw.flatMap { Data(base64Encoded: $0) })
            #expect(raw.suffix(8) == Data("broken".utf8) + [0xff, 0xfe])
            #expect(broken.path?.hasPrefix("\(folder)/broken") == true)
            try bench.daemon.stop()
        }

        /// Maildir and git write one name and link it to another; the name that a nameless file has for the kernel is none.
        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func fileThatIsPublishedByALink(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("box")
            let script = """
                import os, sys
                folder = sys.argv[1]
                # With a folder to begin at, Python calls linkat with AT_SYMLINK_FOLLOW.
                root = os.open("/", os.O_RDONLY)
                for number in range(23):
                    with open(f"{folder}/written-{number}", "w") as file: file.write("x")
                    os.link(f"{folder}/written-{number}", f"{folder}/linked-{number}")
                    os.unlink(f"{folder}/written-{number}")
                    file = os.open(folder, os.O_TMPFILE | os.O_RDWR)
                    os.link(f"/proc/self/fd/{file}", f"{folder}/named-{number}", src_dir_fd=root)
                    os.close(file)
                """
            let records = try bench.records(of: ["python3", "-c", script, folder])
            let wrong = (0..<23).flatMap { ["linked-\($0)", "named-\($0)"] }.filter { name in
                records.files("\(folder)/\(name)").map(\.access) != ["w"]
            }
            #expect(wrong.isEmpty, "\(wrong)")
            let paths = records.relation("file").compactMap(\.exactPath).filter { $0.hasPrefix(folder + "/") }
            #expect(paths.count == 3 * 23, "and no path is made up: \(paths.filter { $0.contains("#") })")
            try bench.daemon.stop()
        }

        /// What two namespaces have under one path is two files, and neither is the host's.
        @Test(.timeLimit(.minutes(1)))
        func pathOfAnotherMountNamespace() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("log")
            let group = try ControlGroup()
            let hold = "exec 9>\(folder)/app.log; echo held; exec sleep 1000"
            let host = try Child(try group.command(["dash", "-c", hold]))
            _ = try host.firstLine()
            let inner = "mount -t tmpfs inner \(folder) && exec bash -c '\(hold)'"
            let other = try Child(try group.command(["unshare", "-m", "dash", "-c", inner]))
            _ = try other.firstLine()
            let dump = try bench.daemon.dump()
            let found = dump.records(of: group.workload).files(folder + "/app.log").map(\.program.executable)
            #expect(Set(found) == ["/usr/bin/dash", "/usr/bin/sleep"])
            #expect(!found.contains { $0.hasSuffix("/bash") })
            // What the scan of a dump meets for the first time is in the next one.
            let inside = try bench.daemon.dump().records(of: group.workload)
                .filter { $0.containerPath == folder + "/app.log" }
            #expect(inside.contains { $0.program.executable == "/usr/bin/sleep" }, "\(inside.map(\.short))")
            #expect(inside.allSatisfy { $0.path?.hasPrefix("/mnt:") == true })
            host.kill()
            other.kill()
            try bench.daemon.stop()
        }

        /// A filesystem that is mounted while the daemon runs, and unmounted while it watches.
        @Test(.timeLimit(.minutes(1)), arguments: ScratchFilesystem.Kind.allCases)
        func filesystemThatComesAndGoes(kind: ScratchFilesystem.Kind) throws {
            try withTemporaryFolder { folder in
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let files = try ScratchFilesystem(kind)
                let path = files.path + "/seen"
                let group = try ControlGroup()
                // The kernel tells of a mount by a wake-up: for a moment nobody watches it.
                let found: Dump.Dependency? = try eventually(within: 10, every: 0.2) {
                    try run(group.command(["dash", "-c", "echo x > \(path)"]))
                    return try daemon.dump().records(of: group.workload).files(path).first
                }
                #expect(found?.program.executable == "/usr/bin/dash")
                #expect(found?.access == "rw")
                try files.unmount()
                try daemon.stop()
            }
        }
    }
}
