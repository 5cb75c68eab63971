import Foundation
import Glibc
import TestSupport
import Testing

extension KernelTests {
    /// Which program it is that the kernel reports, where its file lies in another root or in none.
    @Suite("identity")
    struct IdentitySuite {
        private static let count = 37

        /// A root with some programs and what they load, as a container's image has it.
        private func makeRoot(_ root: String, _ programs: [String]) throws {
            for folder in ["bin", "dev", "old", "proc", "tmp"] {
                try FileManager.default.createDirectory(
                    atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
            }
            // Shells give it to what runs in the background.
            try write("", to: root + "/dev/null")
            for program in programs {
                try copy("/usr/bin/\(program)", "\(root)/bin/\(program)")
                for word in try run(["ldd", "/usr/bin/\(program)"]).split(whereSeparator: \.isWhitespace)
                where word.hasPrefix("/") && !FileManager.default.fileExists(atPath: root + word) {
                    let place = root + word
                    try FileManager.default.createDirectory(
                        atPath: (place as NSString).deletingLastPathComponent,
                        withIntermediateDirectories: true)
                    try copy(realPath(String(word)), place)
                }
            }
        }

        private func copy(_ from: String, _ to: String) throws {
            try run(["cp", realPath(from), to])
        }

        /// A shell's command that executes the rest inside a root, as a container's runtime does.
        private func inside(_ root: String) -> String {
            "unshare -m sh -c 'mount --bind \(root) \(root); cd \(root); pivot_root . old; exec \"$@\"' -"
        }

        private func spawned(_ records: [Dump.Dependency], _ parent: String, _ child: String) -> UInt64 {
            records.relation("spawn")
                .filter { $0.program.executable == parent && $0.child?.executable == child }
                .reduce(0) { $0 + $1.count }
        }

        private func loaders(_ records: [Dump.Dependency]) -> [String] {
            let programs = records.map(\.program.executable) + records.compactMap(\.child?.executable)
            return Set(programs).filter { ($0 as NSString).lastPathComponent.hasPrefix("ld-") }.sorted()
        }

        @Test(.timeLimit(.minutes(2))) func programsOfAnotherRoot() throws {
            let bench = try Bench()
            let root = try bench.files.folder("root")
            try makeRoot(root, ["env", "nice", "true"])
            let records = try bench.records(of: [
                "bash", "-c",
                "for i in $(seq \(Self.count)); do \(inside(root)) /bin/env /bin/nice -n 0 /bin/true; done",
            ])
            #expect(loaders(records) == [])
            let expected = UInt64(Self.count)
            #expect(spawned(records, "\(root)/bin/env", "\(root)/bin/nice") == expected)
            #expect(spawned(records, "\(root)/bin/nice", "\(root)/bin/true") == expected)
            // What a program of the root loads lies there too.
            let used = records.filter { $0.program.executable.hasPrefix(root + "/") && $0.relation == "file" }
                .compactMap(\.path).filter { ($0 as NSString).lastPathComponent.hasPrefix("ld-") }
            #expect(!used.isEmpty && used.allSatisfy { $0.hasPrefix(root + "/") }, "\(Set(used))")
            try bench.daemon.stop()
        }

        /// Nothing is watched where it lies: the process itself tells what it runs, or it is counted.
        @Test(.timeLimit(.minutes(2))) func programsInMemoryFiles() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("memory")
            try write(
                """
                import os, sys
                payload = os.memfd_create("payload", 0)
                os.write(payload, open("/usr/bin/touch", "rb").read())
                for number in range(\(Self.count)):
                    if os.fork() == 0:
                        os.execve(payload, ["touch", "\(folder)/%d" % number], {})
                    os.wait()
                """, to: folder + "/launch.py")
            let group = try ControlGroup()
            try run(group.command(["python3", folder + "/launch.py"]))
            let dump = try bench.daemon.dump()
            let records = dump.records(of: group.workload)
            #expect(loaders(records) == [])
            let launcher = try #require(records.first { $0.program.script == folder + "/launch.py" }?.program)
            let known = spawned(records, launcher.executable, "/memfd:payload")
            let unknown = dump.header.sources["proc_connector"]?.unknownExecutables ?? 0
            print("memory files: \(known) of \(Self.count) known, \(unknown) counted")
            #expect(known + unknown >= UInt64(Self.count))
            #expect(known > 0)
            for number in 0..<Self.count {
                let writers = Set(records.files("\(folder)/\(number)").map(\.program.executable))
                #expect(writers.isSubset(of: ["/memfd:payload"]), "\(writers)")
            }
            try bench.daemon.stop()
        }

        /// They were there before the daemon: /proc shows them under paths of their own, which on the host may be those of
        /// other programs.
        @Test(.timeLimit(.minutes(2))) func containersThatWereThereBefore() throws {
            try withTemporaryFolder { folder in
                let layers = try ScratchFilesystem(.tmpfs)
                let lower = try layers.folder("lower")
                for name in ["upper", "work", "merged"] { _ = try layers.folder(name) }
                try makeRoot(lower, ["sleep"])
                let root = (lower as NSString).deletingLastPathComponent
                let script = """
                    set -e
                    mount -t overlay none -o lowerdir=\(lower),upperdir=\(root)/upper,workdir=\(root)/work \
                    \(root)/merged
                    cp \(root)/merged/bin/sleep \(root)/merged/bin/copied
                    cd \(root)/merged
                    mount -t tmpfs none tmp
                    cp bin/sleep tmp/hidden
                    pivot_root . old
                    /bin/copied 1000 &
                    /tmp/hidden 1000 &
                    echo there
                    exec /bin/sleep 1000
                    """
                let group = try ControlGroup()
                let container = try Child(group.command(["unshare", "-m", "sh", "-c", script]))
                defer { group.remove() }
                #expect(try container.firstLine() == "there")
                usleep(200_000)
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let records = try daemon.dump().records(of: group.workload)
                let programs = Set(records.map(\.program.executable))
                #expect(programs.contains("\(lower)/bin/sleep"))
                #expect(programs.contains("\(root)/upper/bin/copied"))
                for path in ["/bin/sleep", "/usr/bin/sleep", "/bin/copied", "/tmp/hidden"] {
                    #expect(!programs.contains(path), "the host's \(path) is another file, or none")
                }
                try daemon.stop()
            }
        }
    }
}
