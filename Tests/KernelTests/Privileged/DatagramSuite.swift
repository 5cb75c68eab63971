import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// UDP sockets that live for less than the time between two scans, without probes as well as with them.
    @Suite("short datagram sockets")
    struct DatagramSuite {
        private static let counts = (connected: 211, unconnected: 101, again: 31)

        /// A server that answers, and a client: so many sockets that are connected, and so many that send two datagrams to an
        /// address, from any port or all from one; over IPv4 or IPv6.
        private static let story = """
            import socket, sys
            what, family, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
            family, host = (socket.AF_INET, "127.0.0.1") if family == "4" else (socket.AF_INET6, "::1")
            if what == "serve":
                server = socket.socket(family, socket.SOCK_DGRAM)
                server.bind((host, port))
                print("up", flush=True)
                while True:
                    text, sender = server.recvfrom(9)
                    server.sendto(text, sender)
            for _ in range(count):
                client = socket.socket(family, socket.SOCK_DGRAM)
                if what == "again":
                    client.bind((host, 42000))
                if what == "connect":
                    client.connect((host, port))
                    client.send(b"x")
                else:
                    client.sendto(b"x", (host, port))
                    client.sendto(b"y", (host, port))
                client.recv(9)
                client.close()
            """

        @Test(.timeLimit(.minutes(3)), arguments: [false, true])
        func eachIsNamedWithItsServer(inAnotherNamespace isElsewhere: Bool) throws {
            let bench = try Bench()
            let folder = try bench.files.folder("datagrams")
            let pair = isElsewhere ? try NamespacePair() : nil
            func command(_ name: String, _ words: String...) throws -> [String] {
                let program = folder + "/" + name
                if access(program, F_OK) != 0 { try write("#!/usr/bin/python3\n" + Self.story, to: program) }
                chmod(program, 0o755)
                return pair?.command(0, [program] + words) ?? [program] + words
            }
            var serving: [Child] = []
            for (family, port) in [("4", "4801"), ("6", "4802")] {
                serving.append(try Child(try command("server", "serve", family, port, "0")))
                #expect(try serving.last!.firstLine() == "up")
            }
            let counts = Self.counts
            for (family, port) in [("4", "4801"), ("6", "4802")] {
                try run(try command("connecting", "connect", family, port, "\(counts.connected)"))
                try run(try command("sending", "send", family, port, "\(counts.unconnected)"))
                try run(try command("again", "again", family, port, "\(counts.again)"))
            }
            /// What a program's records add up to, by port.
            func sums(_ dump: Dump, _ name: String) -> [Int: UInt64] {
                let found = dump.dependencies.relation("connect").filter {
                    $0.program.script == folder + "/" + name && $0.peer?.script == folder + "/server"
                        && $0.evidence == "exact"
                }
                return Dictionary(found.map { ($0.remote?.port ?? 0, $0.count) }, uniquingKeysWith: +)
            }
            let programs = ["connecting", "sending", "again"]
            let expected = [counts.connected, counts.unconnected, counts.again].map {
                [4801: UInt64($0), 4802: UInt64($0)]
            }
            // The kernel's notices of the last ends may be late.
            let dump = try eventually(within: 20, every: 0.5) {
                let dump = try bench.daemon.dump()
                return programs.map { sums(dump, $0) } == expected ? dump : nil
            }
            let last = try dump ?? bench.daemon.dump()
            for (program, expected) in zip(programs, expected) {
                #expect(sums(last, program) == expected, "\(program)")
            }
            // The server answers, and turns to nobody.
            #expect(sums(last, "server").isEmpty)
            for child in serving { child.kill() }
        }
    }
}
