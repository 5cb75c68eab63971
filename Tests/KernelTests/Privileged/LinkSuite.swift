import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Links from program to program that are easily drawn to the wrong one.
    @Suite("links")
    struct LinkSuite {
        private static let count: UInt64 = 101

        /// Two versions of a server share a port: each has what it served, and so has the client's other end.
        @Test(.timeLimit(.minutes(1)))
        func aSharedPort() throws {
            let stage = try LinkStage()
            let server = """
                import socket, sys
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.bind(("127.0.0.1", int(sys.argv[1])))
                s.listen(64)
                print(s.getsockname()[1], flush=True)
                n = 0
                while True:
                    c, _ = s.accept()
                    if c.recv(1) == b"q":
                        break
                    n += 1
                    c.sendall(b"x")
                    c.close()
                print(n, flush=True)
                """
            let names = try ["v1", "v2"].map { try stage.script($0, server) }
            let first = try Child(try stage.command([names[0], "0"]))
            let port = try first.firstLine()
            let second = try Child(try stage.command([names[1], port]))
            _ = try second.firstLine()
            let client = try stage.script(
                "client",
                """
                import socket, sys
                for _ in range(\(Self.count)):
                    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                    s.sendall(b"x")
                    s.recv(1)
                    s.close()
                """)
            try run(try stage.command([client, port]))
            let records = try stage.records()
            let accepts = records.relation("accept")
            let connects = records.relation("connect").filter { $0.program.script == client }
            #expect((accepts + connects).allSatisfy { $0.evidence == "exact" }, "\(accepts.map(\.short))")
            #expect(accepts.total(\.count) == Self.count)
            #expect(connects.total(\.count) == Self.count)
            for name in names {
                let served = accepts.filter { $0.program.script == name }.total(\.count)
                #expect(served > 0, "the kernel spreads them")
                #expect(connects.filter { $0.peer?.script == name }.total(\.count) == served)
            }
            first.kill()
            second.kill()
        }

        /// Who listens becomes the program that accepts once somebody connects.
        @Test(.timeLimit(.minutes(1)))
        func aListenerThatIsHandedOver() throws {
            let stage = try LinkStage()
            let service = try stage.script(
                "service",
                """
                import socket, sys
                s = socket.socket(fileno=int(sys.argv[1]))
                for _ in range(3):
                    c, _ = s.accept()
                    c.sendall(b"x")
                    c.close()
                """)
            let manager = try stage.script(
                "manager",
                """
                import os, select, socket
                s = socket.socket()
                s.bind(("127.0.0.1", 0))
                s.listen(64)
                print(s.getsockname()[1], flush=True)
                select.select([s], [], [])
                os.set_inheritable(s.fileno(), True)
                os.execv("\(service)", ["\(service)", str(s.fileno())])
                """)
            let serving = try Child(try stage.command([manager]))
            let port = try serving.firstLine()
            let client = try stage.script(
                "client",
                """
                import socket, sys
                for _ in range(3):
                    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                    s.recv(1)
                    s.close()
                """)
            try run(try stage.command([client, port]))
            try serving.succeed()
            let records = try stage.records()
            let accepts = records.relation("accept")
            #expect(accepts.map(\.program.script) == [service], "\(accepts.map(\.short))")
            #expect(accepts.map(\.count) == [3] && accepts.map(\.evidence) == ["exact"])
            #expect(accepts.map(\.peer?.script) == [client])
            let connects = records.relation("connect")
            #expect(connects.map(\.peer?.script) == [service], "\(connects.map(\.short))")
            #expect(connects.map(\.evidence) == ["exact"])
            #expect(records.relation("listen").first?.program.script == manager)
        }

        /// A server in a network namespace that was there before the daemon, and one on the host at the same address.
        @Test(.timeLimit(.minutes(1)))
        func theSamePortInTwoNamespaces() throws {
            let pair = try NamespacePair()
            let server = """
                import socket
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", 47311))
                s.listen(64)
                print("ready", flush=True)
                while True:
                    c, _ = s.accept()
                    c.recv(1)
                    c.sendall(b"x")
                    c.close()
                """
            let stage = try LinkStage(isStarted: false)
            let inner = try stage.script("inner", server)
            let host = try stage.script("host", server)
            let client = try stage.script(
                "client",
                """
                import socket
                for _ in range(10):
                    s = socket.create_connection(("127.0.0.1", 47311))
                    s.sendall(b"x")
                    s.recv(1)
                    s.close()
                """)
            let servers = [
                try Child(try stage.command(pair.command(0, [inner]))), try Child(try stage.command([host])),
            ]
            for server in servers { _ = try server.firstLine() }
            try stage.start()
            try run(try stage.command(pair.command(0, [client])))
            let records = try stage.records()
            let listens = records.relation("listen").map(\.program.script)
            #expect(Set(listens) == [inner, host], "a scan reads the sockets of both")
            let accepts = records.relation("accept")
            #expect(accepts.map(\.program.script) == [inner], "\(accepts.map(\.short))")
            #expect(accepts.map(\.count) == [10] && accepts.map(\.evidence) == ["exact"])
            let connects = records.relation("connect")
            #expect(connects.map(\.peer?.script) == [inner], "\(connects.map(\.short))")
            #expect(connects.map(\.count) == [10])
            for server in servers { server.kill() }
        }

        /// Three writers and a reader of one pipe, which the shell that made it holds as well.
        @Test(.timeLimit(.minutes(1)))
        func writersOfOnePipe() throws {
            let stage = try LinkStage()
            let writer = "import time\nwhile True:\n    print(1, flush=True)\n    time.sleep(0.1)\n"
            let writers = try ["a", "b", "c"].map { try stage.script($0, writer) }
            let reader = try stage.script("reader", "import sys\nfor _ in sys.stdin:\n    pass\n")
            let shell = "(\(writers.map { $0 + " &" }.joined(separator: " ")) wait) | \(reader)"
            let child = try Child(try stage.command(["bash", "-c", "echo ready; exec >/dev/null; " + shell]))
            _ = try child.firstLine()
            let pairs: Set<String>? = try eventually(within: 10, every: 0.5) {
                let ipc = try stage.records().relation("ipc").filter { $0.mechanism == "pipe" }
                let names = Set(writers + [reader])
                let found = Set(
                    ipc.filter { names.contains($0.program.script ?? "") }.map {
                        "\($0.program.script ?? "") \($0.peer?.script ?? $0.peer?.executable ?? "")"
                    })
                return found.count >= 6 ? found : nil
            }
            let expected = Set(writers.flatMap { ["\($0) \(reader)", "\(reader) \($0)"] })
            #expect(pairs == expected)
            child.kill()
        }

        /// Two servers bound to the same relative name, each in its folder.
        @Test(.timeLimit(.minutes(1)))
        func socketsOfOneName() throws {
            let stage = try LinkStage()
            var children: [Child] = []
            var pairs: [(server: String, client: String)] = []
            for number in 1...2 {
                let folder = try stage.bench.files.folder("place-\(number)")
                let server = try stage.script(
                    "server-\(number)",
                    """
                    import os, socket
                    os.chdir("\(folder)")
                    s = socket.socket(socket.AF_UNIX)
                    s.bind("app.sock")
                    s.listen(9)
                    print("ready", flush=True)
                    kept = []
                    while True:
                        kept.append(s.accept())
                    """)
                let client = try stage.script(
                    "client-\(number)",
                    """
                    import os, socket, time
                    os.chdir("\(folder)")
                    s = socket.socket(socket.AF_UNIX)
                    s.connect("app.sock")
                    print("ready", flush=True)
                    time.sleep(1000)
                    """)
                for name in [server, client] {
                    children.append(try Child(try stage.command([name])))
                    _ = try children.last?.firstLine()
                }
                pairs.append((server, client))
            }
            let ipc = try stage.records().relation("ipc").filter { $0.name?.hasPrefix("app.sock") == true }
            for pair in pairs {
                #expect(ipc.filter { $0.program.script == pair.client }.map(\.peer?.script) == [pair.server])
            }
            #expect(Set(ipc.compactMap(\.name)).count == 2, "\(ipc.map(\.short))")
            for child in children { child.kill() }
        }
    }
}

/// A daemon, a control group, and scripts that are programs of their own.
private final class LinkStage {
    private var started: Bench?
    let group: ControlGroup
    private let folder: String

    init(isStarted: Bool = true) throws {
        group = try ControlGroup()
        folder = try makeTemporaryFolder()
        if isStarted { try start() }
    }

    deinit {
        group.remove()
        try? FileManager.default.removeItem(atPath: folder)
    }

    var bench: Bench { started! }
    func start() throws { started = try Bench() }

    func script(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try write("#!/usr/bin/python3\n" + text + "\n", to: path, executable: true)
        return path
    }

    func command(_ command: [String]) throws -> [String] { try group.command(command) }

    func records() throws -> [Dump.Dependency] {
        let dump = try bench.daemon.dump()
        return dump.records(of: group.workload)
    }
}
