import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Unix connections that end at once: each is found, or counted.
    @Suite("Unix connects")
    struct UnixConnectSuite {
        private static let times: UInt64 = 300

        /// By path and by an abstract name, to a server that was there before the daemon and to one that came later.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false])
        func eachHasItsServer(isBefore: Bool) throws {
            try withTemporaryFolder { folder in
                let stage = try Stage(folder)
                var server = isBefore ? try stage.serve() : nil
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                if server == nil {
                    server = try stage.serve()
                    // A name that is a path is as old as its file; of an abstract one a scan has to tell.
                    _ = try daemon.dump()
                    usleep(50_000)
                }
                for name in [stage.path, "@" + stage.path] {
                    try run([stage.client, "stack", name, "\(Self.times)"])
                }
                let dump = try daemon.dump()
                let expected = [
                    "\(stage.client) \(stage.path) \(stage.server) \(Self.times) exact",
                    "\(stage.client) @\(stage.path) \(stage.server) \(Self.times) exact",
                    "\(stage.server) \(stage.path) \(stage.client) \(Self.times) exact",
                    "\(stage.server) @\(stage.path) \(stage.client) \(Self.times) exact",
                ]
                #expect(stage.links(dump) == expected.sorted())
                try daemon.stop()
                server?.kill()
            }
        }

        /// Of a connection that a scan meets, and of those of the same program that none meets, nothing counts twice.
        @Test(.timeLimit(.minutes(1)))
        func whatAScanMeetsCountsOnce() throws {
            try withTemporaryFolder { folder in
                let stage = try Stage(folder)
                let server = try stage.serve()
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let before = stage.counted(try daemon.dump())
                let holder = try Child([stage.client, "heap", stage.path, "100", "hold"])
                #expect(try holder.firstLine() == "held")
                let dump = try daemon.dump()
                let found = stage.found(dump)
                // A scan may have met others of them in passing.
                #expect(Stage.readsEachName(dump) ? found == 100 : found >= 1)
                #expect(found + stage.counted(dump) - before >= 100)
                // Other programs of the machine may be counted too, but not many in this moment.
                #expect(found + stage.counted(dump) - before < 150)
                holder.kill()
                try daemon.stop()
                server.kill()
            }
        }

        /// An address that does not lie on the stack is not read; once another connect has told which socket listens
        /// there, those without a name are known by it.
        @Test(.timeLimit(.minutes(1)))
        func whereTheListenerLiesIsLearnt() throws {
            try withTemporaryFolder { folder in
                let stage = try Stage(folder)
                let server = try stage.serve()
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                try run([stage.client, "stack", stage.path, "1"])
                try run([stage.client, "heap", stage.path, "200"])
                let dump = try daemon.dump()
                #expect(stage.found(dump) == 201)
                #expect(stage.evidence(dump) == ["exact"])
                try daemon.stop()
                server.kill()
            }
        }

        /// Messages without end make the tracepoint fall silent for all but listeners that are known: their connects are
        /// found all the same, and the gap says that others are not.
        @Test(.timeLimit(.minutes(1)))
        func manyMessagesAreNotHeard() throws {
            try withTemporaryFolder { folder in
                let stage = try Stage(folder)
                let server = try stage.serve()
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                guard !Stage.readsEachName(try daemon.dump()) else { return try daemon.stop() }
                try run([stage.client, "stack", stage.path, "1"])
                _ = try daemon.dump()
                try run([stage.client, "messages", "-", "200000"])
                let narrow = eventually(within: 10) {
                    (try? daemon.dump())?.header.sources["unix"]?.mode == "tracepoint, known listeners alone"
                        ? true : nil
                }
                #expect(narrow == true)
                // From now on no message is.
                let before = try daemon.dump().header.sources["unix"]?.received ?? 0
                try run([stage.client, "messages", "-", "100000"])
                let after = try daemon.dump().header.sources["unix"]?.received ?? 0
                #expect(after - before < 1000)
                try run([stage.client, "stack", stage.path, "\(Self.times)"])
                let dump = try daemon.dump()
                #expect(stage.found(dump) == Self.times + 1, "\(stage.links(dump))")
                #expect(stage.evidence(dump) == ["exact"])
                #expect(
                    dump.gaps.contains {
                        $0.source == "unix" && $0.cause == "too many messages: known listeners alone"
                    })
                try daemon.stop()
                server.kill()
            }
        }

        /// What is not to be watched is named.
        @Test(.timeLimit(.minutes(1)))
        func withoutTracepointsItSaysSo() throws {
            try withTemporaryFolder { folder in
                let daemon = try DaemonUnderTest(
                    stateFolder: folder + "/state", configuration: "tracepoints = off\n")
                let dump = try daemon.dump()
                #expect(dump.header.sources["unix"]?.mode == "off: switched off by the configuration")
                #expect(dump.gaps.contains { $0.source == "unix" })
                try daemon.stop()
            }
        }
    }
}

/// A server of a Unix socket, and a client whose addresses lie where a test wants them.
private struct Stage {
    let server: String
    let client: String
    let path: String

    init(_ folder: String) throws {
        server = folder + "/server"
        client = folder + "/client"
        path = folder + "/socket"
        try executable(
            """
            #!/usr/bin/python3
            import select, socket, sys
            names = [sys.argv[1], "\\0" + sys.argv[1]]
            all = []
            for name in names:
                one = socket.socket(socket.AF_UNIX); one.bind(name); one.listen(128); all.append(one)
            print("up", flush=True)
            held = []
            while True:
                for one in select.select(all + held, [], [])[0]:
                    if one in all: held.append(one.accept()[0])
                    elif not one.recv(10): held.remove(one); one.close()
            """, to: server)
        try executable(
            """
            #!/usr/bin/python3
            import ctypes, os, socket, sys, time
            kind, name, times = sys.argv[1], sys.argv[2].replace("@", "\\0"), int(sys.argv[3])
            libc = ctypes.CDLL(None)
            if kind == "messages":
                one, other = socket.socketpair()
                for _ in range(times): one.send(b"x"); other.recv(1)
                sys.exit()
            # The C library's memory: the address of a connect from there is not on the stack.
            where = ctypes.create_string_buffer(b"\\1\\0" + name.encode(), 110)
            big = ctypes.create_string_buffer(1 << 20)
            ctypes.memmove(ctypes.addressof(big) + (1 << 19), where, 110)
            for _ in range(times):
                one = socket.socket(socket.AF_UNIX)
                if kind == "stack": one.connect(name)
                elif libc.connect(one.fileno(), ctypes.c_void_p(ctypes.addressof(big) + (1 << 19)), 110) != 0: sys.exit(1)
                if _ < times - 1: one.close()
            if len(sys.argv) > 4: print("held", flush=True); time.sleep(1000)
            """, to: client)
    }

    private func executable(_ text: String, to path: String) throws {
        try write(text + "\n", to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    func serve() throws -> Child {
        let child = try Child([server, path])
        _ = try child.firstLine()
        return child
    }

    /// Links of the two programs, as the dump has them.
    func links(_ dump: Dump) -> [String] {
        dump.dependencies.relation("ipc").filter {
            // Socket pairs are inherited from whoever runs the tests.
            $0.mechanism == "unix" && [server, client].contains($0.program.script) && $0.name != "socketpair"
        }.map {
            "\($0.program.script ?? "") \($0.name ?? "") \($0.peer?.script ?? "-") \($0.count) \($0.evidence)"
        }.sorted()
    }

    private func clients(_ dump: Dump) -> [Dump.Dependency] {
        dump.dependencies.relation("ipc").filter {
            $0.mechanism == "unix" && $0.program.script == client && $0.peer?.script == server
        }
    }

    func found(_ dump: Dump) -> UInt64 { clients(dump).total(\.count) }
    func evidence(_ dump: Dump) -> Set<String> { Set(clients(dump).map(\.evidence)) }
    func counted(_ dump: Dump) -> UInt64 { dump.header.sources["sock_diag"]?.unattributedUnix ?? 0 }

    /// Whether the kernel has probes, which read each name.
    static func readsEachName(_ dump: Dump) -> Bool { dump.header.sources["unix"]?.mode == "probes" }
}
