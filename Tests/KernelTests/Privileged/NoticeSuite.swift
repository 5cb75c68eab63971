import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Many short connections, of whose ends the kernel is asked for no notices.
    @Suite("connections without notices")
    struct NoticeSuite {
        private static let few = 23
        private static let many = 30_011

        /// So many connections, one after the other, to a port of its own. The client sends 100 bytes, the server 50, and closes
        /// behind it.
        private static let story = """
            import socket, sys
            count = int(sys.argv[1])
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            address = listener.getsockname()
            print(address[1], flush=True)
            for _ in range(count):
                client = socket.socket()
                client.connect(address)
                server, _ = listener.accept()
                client.sendall(b"c" * 100)
                server.sendall(b"s" * 50)
                client.shutdown(socket.SHUT_WR)
                while server.recv(4096): pass
                server.close()
                while client.recv(4096): pass
                client.close()
            """

        /// The server resets every second connection: the kernel wipes what would say whose notice that is.
        @Test(.timeLimit(.minutes(3)))
        func bytesOfAnEndThatItsProgramResetAreALowerBound() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            let story = """
                import socket, struct
                listener = socket.socket()
                listener.bind(("127.0.0.1", 0))
                listener.listen(64)
                for number in range(20):
                    client = socket.socket()
                    client.connect(listener.getsockname())
                    server, _ = listener.accept()
                    client.sendall(b"c" * 100)
                    server.recv(100, socket.MSG_WAITALL)
                    server.sendall(b"s" * 50)
                    client.recv(50, socket.MSG_WAITALL)
                    if number % 2: server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    server.close()
                    client.close()
                """
            try run(group.command(["/usr/bin/python3", "-c", story]))
            let before = try bench.daemon.dump().header.sources["sock_diag"]?.unnoticed ?? 0
            Thread.sleep(forTimeInterval: 2.5)
            let dump = try bench.daemon.dump()
            let records = dump.records(of: group.workload)
            let (connects, accepts) = (records.relation("connect"), records.relation("accept"))
            #expect(connects.total(\.count) == 20 && accepts.total(\.count) == 20)
            #expect(connects.total(\.sent) == 2000 && connects.total(\.received) == 1000)
            #expect(connects.allSatisfy { $0.lowerBound != true })
            #expect(accepts.total(\.received) == 1000 && accepts.total(\.sent) == 500)
            #expect(accepts.allSatisfy { $0.lowerBound == true })
            #expect((dump.header.sources["sock_diag"]?.unnoticed ?? 0) - before == 10)
        }

        @Test(.timeLimit(.minutes(3)))
        func everyConnectionIsCountedAndItsBytesAreExactOrALowerBound() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            var before: UInt64 = 0
            for (round, count) in [Self.few, Self.many, Self.few].enumerated() {
                let child = try Child(
                    try group.command(["/usr/bin/python3", "-c", Self.story, "\(count)"]))
                let port = try #require(Int(try child.firstLine()))
                let endpoint = Dump.Address(address: "127.0.0.1", port: port)
                func found(_ dump: Dump) -> (connects: [Dump.Dependency], accepts: [Dump.Dependency]) {
                    let records = dump.records(of: group.workload)
                    return (
                        records.filter { $0.relation == "connect" && $0.remote == endpoint },
                        records.filter { $0.relation == "accept" && $0.local == endpoint }
                    )
                }
                try child.succeed()
                let dump = try #require(
                    try eventually(within: 60, every: 0.5) {
                        let dump = try bench.daemon.dump()
                        let (connects, accepts) = found(dump)
                        return connects.total(\.count) >= count && accepts.total(\.count) >= count
                            ? dump : nil
                    })
                let (connects, accepts) = found(dump)
                let unnoticed = dump.header.sources["sock_diag"]?.unnoticed ?? 0
                let (ends, sent) = (
                    unnoticed - before, connects.total(\.sent) / 100 + accepts.total(\.sent) / 50
                )
                before = unnoticed
                print("\(count) connections: \(ends) ends without a notice, bytes of \(sent)")
                #expect(dump.gaps.filter { $0.source == "tracepoint" }.isEmpty, "\(dump.gaps)")
                // Every one, once, exactly, with both its programs.
                for records in [connects, accepts] {
                    #expect(records.total(\.count) == UInt64(count))
                    #expect(records.allSatisfy { $0.evidence == "exact" && $0.peer != nil })
                }
                // Each end was noticed, with its bytes, or counted as one that was not, as are those of the rest of the host. A
                // notice may have come all the same.
                #expect(sent <= UInt64(2 * count) && sent + ends >= UInt64(2 * count))
                #expect(connects.total(\.sent) % 100 == 0 && accepts.total(\.sent) % 50 == 0)
                if round == 1 {
                    #expect(ends > 0 && sent < UInt64(2 * count))
                    #expect((connects + accepts).allSatisfy { $0.lowerBound == true })
                } else {
                    #expect(sent == UInt64(2 * count))
                    #expect((connects + accepts).allSatisfy { $0.lowerBound == nil })
                    #expect(connects.total(\.received) == UInt64(50 * count))
                    #expect(accepts.total(\.received) == UInt64(100 * count))
                }
            }
            try bench.daemon.stop()
        }
    }
}
