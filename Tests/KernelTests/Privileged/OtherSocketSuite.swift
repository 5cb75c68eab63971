import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Sockets whose protocol has no table that is read.
    @Suite("other sockets")
    struct OtherSocketSuite {
        private static let program = """
            #!/usr/bin/env python3
            import signal, socket
            held, words = [], []
            for word, family, kind, protocol in [
                ("packet", socket.AF_PACKET, socket.SOCK_RAW, 0x0300), ("raw", socket.AF_INET, socket.SOCK_RAW, 1),
                ("sctp", socket.AF_INET, socket.SOCK_STREAM, 132), ("udplite", socket.AF_INET, socket.SOCK_DGRAM, 136),
                ("vsock", 40, socket.SOCK_STREAM, 0),
            ]:
                # A kernel need not have it.
                try: held.append(socket.socket(family, kind, protocol))
                except OSError: continue
                words.append(word)
            held.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            print(*words, flush=True)
            signal.pause()
            """

        /// Each is recorded as what it is, once, and what tells nothing not at all.
        @Test(.timeLimit(.minutes(1)))
        func areRecordedAsSuch() throws {
            try withTemporaryFolder { folder in
                let script = folder + "/sockets.py"
                try Self.program.write(toFile: script, atomically: true, encoding: .utf8)
                try run(["chmod", "+x", script])
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let child = try Child([script])
                let words = try child.firstLine().split(separator: " ").map(String.init)
                #expect(words.count > 2)
                for _ in 0..<2 {
                    let listens = try daemon.dump().dependencies.relation("listen").filter {
                        $0.program.script == script
                    }
                    #expect(listens.map { $0.transport ?? "" }.sorted() == words)
                    #expect(listens.allSatisfy { $0.count == 1 && $0.evidence == "snapshot" })
                }
                try daemon.stop()
                child.kill()
            }
        }
    }
}
