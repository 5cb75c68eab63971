import TestSupport
import Testing
import Wire

@testable import SocketDiagnostics

@Suite struct DumpParsingTests {
    private func inet(_ bytes: [UInt8]) throws(WireError) -> [InetSocket] {
        var sockets = [InetSocket]()
        try InetSocket.parse(bytes.span.bytes, transport: .tcp) { sockets.append(copy $0) }
        return sockets
    }

    private func unix(_ bytes: [UInt8]) throws(WireError) -> [UnixSocket] {
        var sockets = [UnixSocket]()
        try UnixSocket.parse(bytes.span.bytes) { sockets.append(copy $0) }
        return sockets
    }

    @Test func establishedTCP() throws {
        let socket = try #require(try inet(Fixtures.tcpEstablished).first)
        #expect(socket.transport == .tcp)
        #expect(socket.inode == 0x19002)
        #expect(socket.state == .established)
        #expect(socket.local == SocketAddress(v4: 0x7f00_0001, port: 56827))
        #expect(socket.remote == SocketAddress(v4: 0x7f00_0001, port: 58570))
        #expect(socket.userID == 0)
        #expect(socket.cookie == 0x2a)
        #expect(socket.cgroup == 1)
        #expect(socket.isV6Only == nil)
        #expect(socket.traffic?.bytesSent == 0)
        #expect(socket.payloadReceived == 5)
    }

    @Test func payloadIsExactByTheState() throws {
        for (state, payload) in [(1, 5), (4, 5), (5, 5), (6, 4), (8, 4), (9, 4), (11, 4)] as [(UInt8, UInt64)]
        {
            var bytes = Fixtures.tcpEstablished
            bytes[17] = state
            #expect(try inet(bytes)[0].payloadReceived == payload)
        }
    }

    @Test func listeningTCP() throws {
        let socket = try #require(try inet(Fixtures.tcpListening + Fixtures.done).first)
        #expect(socket.state == .listen)
        #expect(socket.inode == 0x19003)
        #expect(socket.local == SocketAddress(high: 0, low: 1, port: 52767))
        #expect(socket.remote == SocketAddress(high: 0, low: 0, port: 0))
        #expect(socket.remote.isUnspecified)
        #expect(socket.isV6Only == true)
    }

    @Test func unixSockets() throws {
        let all = try unix(
            Fixtures.unixPair + Fixtures.unixListening + Fixtures.unixAbstract + Fixtures.done)
        try #require(all.count == 3)
        #expect(all[0].inode == 0x5b1)
        #expect(all[0].type == 1)
        #expect(all[0].state == .established)
        #expect(all[0].peer == 0x5b2)
        #expect(all[0].name.isEmpty)
        #expect(all[0].userID == 1000)
        #expect(all[0].cookie == 0x2d)
        #expect(all[0].file == nil)
        #expect(all[1].state == .listen)
        #expect(all[1].name == Array("/run/u".utf8))
        #expect(!all[1].isAbstract)
        #expect(all[1].file == UnixSocket.File(inode: 0xf78095, device: 254 << 20))
        #expect(all[1].peer == 0)
        #expect(all[2].type == 2)
        #expect(all[2].name == [0] + Array("abstract".utf8))
        #expect(all[2].isAbstract)
    }

    @Test func endings() throws {
        func ending(_ bytes: [UInt8]) throws(WireError) -> Ending? { try Ending(bytes.span.bytes) }
        #expect(try ending(Fixtures.done)?.code == 0)
        #expect(try ending(Fixtures.doneRefused)?.code == 2)
        for bytes in [Fixtures.refusedCapped, Fixtures.refusedWhole] {
            let ending = try #require(try ending(bytes))
            #expect(ending.code == 22)
            #expect(ending.reason == "no sockets")
        }
        #expect(try ending(Fixtures.unixPair) == nil)
        #expect(try ending([]) == nil)
    }

    @Test func theLeastNumberHasAnAbsoluteValueToo() throws {
        var bytes = Fixtures.doneRefused
        bytes[16..<20] = [0, 0, 0, 0x80]
        #expect(try Ending(bytes.span.bytes)?.code == .max)
    }

    @Test func everyTruncationIsAnError() {
        for length in 1..<Fixtures.tcpListening.count {
            #expect(throws: WireError.self) { try inet(Array(Fixtures.tcpListening.prefix(length))) }
        }
        for bytes in [Fixtures.unixPair, Fixtures.unixListening, Fixtures.unixAbstract] {
            for length in 1..<bytes.count {
                #expect(throws: WireError.self) { try unix(Array(bytes.prefix(length))) }
            }
        }
        for bytes in [Fixtures.done, Fixtures.refusedCapped, Fixtures.refusedWhole] {
            for length in 1..<bytes.count {
                let prefix = Array(bytes.prefix(length))
                #expect(throws: WireError.self) { try Ending(prefix.span.bytes) }
            }
        }
    }

    @Test func hostileBytesDoNotTrap() {
        let good = [
            Fixtures.tcpEstablished, Fixtures.tcpListening, Fixtures.unixPair, Fixtures.unixListening,
            Fixtures.unixAbstract, Fixtures.refusedCapped, Fixtures.refusedWhole, Fixtures.done,
        ]
        hostileMessages(from: good, count: 20_000, seed: 77) { bytes in
            _ = try? inet(bytes).map(\.payloadReceived)
            _ = try? unix(bytes)
            _ = try? Ending(bytes.span.bytes)
        }
    }

    @Test func errorsAreSentences() {
        let refused = SocketQueryError.refused(code: 2, reason: "no such table")
        #expect(refused.description.contains("No such file or directory: no such table; the kernel lacks"))
        #expect("\(SocketQueryError.interrupted(attempts: 5))".contains("5 times"))
        #expect("\(SocketQueryError.library(code: 33))".contains("Dump"))
    }
}
