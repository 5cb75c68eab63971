import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Real programs, with strace watching the same run: what it saw and the dump lacks is a miss, what
    /// the dump has and it did not see is an extra.
    ///
    /// Not compared: paths on pseudo filesystems (/proc, /sys, …), devices, nameless files (O_TMPFILE).
    @Suite("against strace")
    struct OracleSuite {
        @Test(.timeLimit(.minutes(3)), arguments: ["dash", "bash"])
        func shellPipelines(shell: String) throws {
            let bench = try Bench()
            let folder = try bench.files.folder("shell")
            try write(Programs.pipelines, to: folder + "/pipelines.sh")
            try OracleRun(shell, [shell, "pipelines.sh"], in: folder, daemon: bench.daemon).judge()
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(3)), arguments: ScratchFilesystem.Kind.allCases)
        func pythonScript(kind: ScratchFilesystem.Kind) throws {
            let bench = try Bench(kind)
            let folder = try bench.files.folder("python")
            try write(Programs.python, to: folder + "/main.py", executable: true)
            try write(Programs.pythonHelper, to: folder + "/helper.py", executable: true)
            try write("#!/bin/sh\ncat settings > copy\n", to: folder + "/copy.sh", executable: true)
            try write("a = 1\n", to: folder + "/settings")
            try OracleRun("python on \(kind)", ["./main.py"], in: folder, daemon: bench.daemon).judge()
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(8)))
        func make() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("make")
            try Programs.writeProject(in: folder, sources: 72)
            let oracle = try OracleRun("make -j2", ["make", "-s", "-j2"], in: folder, daemon: bench.daemon)
            #expect(oracle.expected.processes >= 200)
            oracle.judge()
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(5)))
        func git() throws {
            let bench = try Bench(.ext4)
            let folder = try bench.files.folder("git")
            try write(Programs.git, to: folder + "/git.sh")
            try OracleRun(
                "git", ["dash", "git.sh"], in: folder, daemon: bench.daemon,
                environment: ["HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"]
            ).judge()
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(3)))
        func nginx() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("nginx")
            let port = try freePort()
            try makeFolder(folder + "/www")
            try write("hello\n", to: folder + "/www/index.html")
            try write(Programs.nginxConfiguration(folder: folder, port: port), to: folder + "/nginx.conf")
            try write(Programs.nginxDriver(folder: folder, port: port), to: folder + "/drive.sh")
            let oracle = try OracleRun(
                "nginx and curl", ["dash", "drive.sh"], in: folder, daemon: bench.daemon)
            #expect(oracle.expected.facts.sockets.count == 2, "curl connects, nginx accepts")
            oracle.judge()
            try bench.daemon.stop()
        }
    }
}
