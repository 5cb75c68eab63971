import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Where the kernel gives no tracepoint ring, scans find connections, and say so.
    @Suite("without the ring")
    struct WithoutRingSuite {
        /// Both ends live for three seconds and are gone before the dump: a scan has met them.
        @Test(.timeLimit(.minutes(1)))
        func aScanMeetsAConnectionThatLivesForSeconds() throws {
            let bench = try Bench(configuration: "tracepoints = off\n")
            let story = """
                import socket, subprocess, time
                listener = socket.socket()
                listener.bind(("127.0.0.1", 0))
                listener.listen(1)
                client = socket.create_connection(listener.getsockname())
                server, _ = listener.accept()
                client.sendall(b"x" * 23)
                for _ in range(30):
                    subprocess.run(["/bin/true"])
                    time.sleep(0.1)
                client.close()
                server.close()
                """
            let records = try bench.records(of: ["/usr/bin/python3", "-c", story])
            for relation in ["connect", "accept"] {
                let found = records.relation(relation)
                #expect(found.count == 1, "\(relation)")
                #expect(found.first?.evidence == "snapshot", "\(relation)")
            }
            #expect(records.relation("connect").first?.sent == 23)
            try bench.daemon.stop()
        }
    }
}
