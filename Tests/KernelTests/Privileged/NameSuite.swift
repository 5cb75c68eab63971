import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What programs are called that go by another name than their file's, and those that an interpreter runs which
    /// nobody named.
    @Suite("names of programs")
    struct NameSuite {
        private static let count: UInt64 = 7

        private func group(_ name: String, _ dump: String) throws -> [String] {
            try run([
                try Products.path("retinue"), "group", name, "--from", dump, "--format", "csv",
            ]).split(separator: "\n").map(String.init)
        }

        /// As `redis-server` is a link to `redis-check-rdb`.
        @Test(.timeLimit(.minutes(2))) func aLinkAndAnotherFirstArgument() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("names"))
            // Not one that ends at once: it may be gone before its arguments were looked at.
            try run(["cp", "/usr/bin/sleep", folder + "/check-rdb"])
            symlink("check-rdb", folder + "/the-server")
            let group = try ControlGroup()
            let started = try [
                [folder + "/the-server", "60"], ["bash", "-c", "exec -a -worker \(folder)/check-rdb 60"],
            ].map { try Child(group.command($0)) }
            defer { for child in started { child.kill() } }
            for child in started {
                let runs: Bool? = eventually {
                    realPath("/proc/\(child.pid)/exe") == folder + "/check-rdb" ? true : nil
                }
                try #require(runs == true)
            }
            _ = try bench.daemon.dump()
            let known = try self.group("check-rdb", realPath(bench.daemon.latest))
            #expect(known.contains { $0.contains(folder + "/check-rdb") })
            for name in ["the-server", "worker", "the-server@" + group.workload] {
                #expect(try self.group(name, realPath(bench.daemon.latest)) == known, "\(name)")
            }
            try bench.daemon.stop()
        }

        /// One that was there before is known by what it is called; where it has set a name itself, by that.
        @Test(.timeLimit(.minutes(2))) func oneThatWasThereBefore() throws {
            let files = try ScratchFilesystem()
            let folder = realPath(try files.folder("names"))
            try run(["cp", "/usr/bin/sleep", folder + "/check-rdb"])
            symlink("check-rdb", folder + "/the-server")
            let child = try Child([folder + "/the-server", "60"])
            defer { child.signal(SIGKILL) }
            let state = try makeTemporaryFolder()
            defer { try? FileManager.default.removeItem(atPath: state) }
            let daemon = try DaemonUnderTest(stateFolder: state + "/state")
            _ = try daemon.dump()
            #expect(
                try group("the-server", realPath(daemon.latest))
                    == group("check-rdb", realPath(daemon.latest)))
            try daemon.stop()
        }

        /// BusyBox is many programs, told apart by the name under which it is executed.
        @Test(.timeLimit(.minutes(2))) func theCommandsOfBusyBox() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("box"))
            for name in ["touch", "sh", "env"] { symlink("/usr/bin/busybox", "\(folder)/\(name)") }
            try write(": > \(folder)/o4; sleep 0.05\n", to: folder + "/job.sh")
            let lines = [
                "\(folder)/touch \(folder)/o1", "busybox touch \(folder)/o2",
                "\(folder)/sh -c ': > \(folder)/o3; busybox sleep 0.05; :'", "\(folder)/sh \(folder)/job.sh",
                "\(folder)/env true",
            ]
            // Those that end at once may be gone before they were looked at, and are counted.
            try write(
                "for try in 1 2 3 4 5; do\n\(lines.joined(separator: "\n"))\ndone\n", to: folder + "/all")
            let records = try bench.records(of: ["bash", folder + "/all"])
            let box = realPath("/usr/bin/busybox")
            for (output, script) in [
                ("o1", "touch"), ("o2", "touch"), ("o3", nil), ("o4", folder + "/job.sh"),
            ] {
                let programs = records.files("\(folder)/\(output)").map(\.program)
                    .filter { $0.executable == box }
                #expect(
                    Set(programs.map(\.script)).subtracting([nil]) == Set([script]).subtracting([nil]),
                    "\(output)")
                #expect(!programs.isEmpty, "\(output)")
            }
            let scripts = Set(records.map(\.program).filter { $0.executable == box }.compactMap(\.script))
            // What its `env` starts is a command of its own, which ends at once: met now and then.
            #expect(scripts.subtracting(["true"]) == ["touch", "sleep", folder + "/job.sh"])
            try bench.daemon.stop()
        }

        /// Files of a format that the kernel was told of: each is a program, run by one interpreter.
        ///
        /// In a user namespace of its own binfmt_misc(5) is the test's alone (Linux 6.7).
        @Test(.timeLimit(.minutes(2))) func formatsThatAreRegistered() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("formats"))
            chmod((bench.files.path as NSString).deletingLastPathComponent, 0o755)
            try write(
                "#include <unistd.h>\nint main(int n, char **a) { usleep(50000); return n < 3; }\n",
                to: folder + "/run.c")
            try run(["cc", "-o", folder + "/run", folder + "/run.c"])
            for name in ["one", "two"] {
                try write("FOREIGN program\n", to: "\(folder)/\(name)", executable: true)
            }
            try write("no program at all\n", to: folder + "/none", executable: true)
            let story = """
                mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
                echo ':foreign:M::FOREIGN::\(folder)/run:' > /proc/sys/fs/binfmt_misc/register
                for i in 1 2 3 4 5 6 7; do \(folder)/one x; \(folder)/two x; done
                env \(folder)/none 2> /dev/null || \(folder)/run none-at-all x
                """
            let records = try bench.records(of: ["unshare", "-Urm", "bash", "-c", story])
            let started = records.relation("spawn").compactMap { record in
                record.child.flatMap { $0.executable == folder + "/run" ? ($0.script, record.count) : nil }
            }
            let counts = Dictionary(started.map { ($0.0 ?? "-", $0.1) }, uniquingKeysWith: +)
            #expect(
                counts == [folder + "/one": Self.count, folder + "/two": Self.count, "-": 1], "\(counts)")
            // What it executes is the program's own, and no file of the shell that started it.
            let uses = records.files(folder + "/one").map { "\($0.program.script ?? "-") \($0.access ?? "")" }
            #expect(uses == [folder + "/one rx"], "\(uses)")
            try bench.daemon.stop()
        }
    }
}
