import TestSupport
import Testing

extension KernelTests {
    /// The oracle by itself, on a trace that strace writes here and now.
    @Suite("oracle: real traces")
    struct RealTraceTests {
        @Test(.timeLimit(.minutes(2)), arguments: ["dash", "bash"])
        func understandsAShell(shell: String) throws {
            let files = try ScratchFilesystem()
            let folder = try files.folder("shell")
            try write(Programs.pipelines, to: folder + "/pipelines.sh")
            try OracleRun.trace([shell, "pipelines.sh"], in: folder, to: files.path + "/trace")
            let expected = try OracleRun.expectation(
                of: files.path + "/trace", folder: folder, ignoring: [])
            #expect(expected.complaints.isEmpty)
            #expect(expected.processes > 40)
            let opens = Set(expected.facts.opens.map { "\($0.letter) \($0.path)" })
            // One of each way to open: redirections of either kind, a file in a renamed folder, a link.
            for name in ["letters", "sorted", "shallow/er/file", "deep/er/file", "by-sh", "from-awk"] {
                #expect(opens.contains("r \(folder)/\(name)"), "\(name)")
            }
            #expect(opens.contains("w \(folder)/fourth"))
            #expect(!opens.contains("r \(folder)/link"), "the path of what it links to is reported")
            let script = ProgramName(
                executable: realPath("/usr/bin/\(shell)"), script: folder + "/pipelines.sh")
            let sort = ProgramName(executable: "/usr/bin/sort")
            let spawned = expected.facts.spawns.contains(SpawnFact(program: script, child: sort))
            #expect(spawned)
            // bash redirects in the child, dash in itself before the fork.
            for program in shell == "bash" ? [script, sort] : [script] {
                let fact = FileFact(program: program, path: folder + "/sorted", letter: "w")
                let isKnown = expected.facts.opens.contains(fact)
                #expect(isKnown, "\(fact)")
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func understandsAServer() throws {
            let files = try ScratchFilesystem()
            let folder = try files.folder("nginx")
            let port = try freePort()
            try makeFolder(folder + "/www")
            try write("hello\n", to: folder + "/www/index.html")
            try write(Programs.nginxConfiguration(folder: folder, port: port), to: folder + "/nginx.conf")
            try write(Programs.nginxDriver(folder: folder, port: port), to: folder + "/drive.sh")
            try OracleRun.trace(["dash", "drive.sh"], in: folder, to: files.path + "/trace")
            let expected = try OracleRun.expectation(
                of: files.path + "/trace", folder: folder, ignoring: [])
            #expect(expected.complaints.isEmpty)
            let address = Dump.Address(address: "127.0.0.1", port: port)
            #expect(
                expected.facts.sockets == [
                    SocketFact(
                        program: ProgramName(executable: "/usr/bin/curl"), relation: "connect",
                        endpoint: address),
                    SocketFact(
                        program: ProgramName(executable: "/usr/sbin/nginx"), relation: "accept",
                        endpoint: address),
                ])
        }
    }
}
