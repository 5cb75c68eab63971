import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Questions to the kernel by netlink")
struct NetlinkTests {
    /// As nft(8) sends `add element inet t tcp_ports { 80 timeout 5s }` between the ends of a batch.
    @Test func elementsAreABatch() {
        var change = NftElements(NftTable(name: "t"))
        change.add([.port(80, timeout: 5)], to: "s")
        let answers = NetlinkAnswer.all(in: change.bytes)
        #expect(answers.map(\.kind) == [0x10, 10 << 8 | 12, 0x11])
        #expect(answers.map(\.sequence) == [0, 1, 2])
        #expect(answers[0].body == [0, 0, 0, 10])
        #expect(answers[1].body.prefix(4) == [1, 0, 0, 0])
        let attributes = answers[1].attributes(behind: 4)
        #expect(attributes[1] == [116, 0] && attributes[2] == [115, 0])
        #expect(
            attributes[3] == [
                28, 0, 1, 0x80, 12, 0, 1, 0x80, 6, 0, 1, 0, 0, 80, 0, 0, 12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0x13,
                0x88,
            ])
        #expect(change.bytes.count.isMultiple(of: 4))
    }

    @Test func lengthsThatAreWrongEndTheReading() {
        var change = NftElements(NftTable(name: "table"))
        change.add([.port(80), .port(443)], to: "tcp_ports")
        let sound = change.bytes
        #expect(NetlinkAnswer.all(in: []).isEmpty)
        for count in 0..<sound.count {
            for answer in NetlinkAnswer.all(in: Array(sound[..<count])) { _ = answer.attributes(behind: 4) }
        }
        var state: UInt64 = 1
        for _ in 0..<20_000 {
            var bytes = sound
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 56)
            }
            for answer in NetlinkAnswer.all(in: bytes) {
                _ = (answer.error, answer.attributes(behind: 12).count, Route(answer))
            }
        }
        var none = NetlinkAnswer(kind: UInt16(NLMSG_ERROR), sequence: 0, body: [0, 0, 0, 0x80])
        #expect(none.error == EPROTO)
        none.body = [1]
        #expect(none.error == EPROTO)
        none.body = [0xfe, 0xff, 0xff, 0xff, 9]
        #expect(none.error == ENOENT)
    }

    @Test func theWayToThisHostIsItsLoopback() throws {
        for address: [UInt8] in [[127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]] {
            let route = try #require(try Route.to(address))
            #expect(route.interface == "lo" && route.isLocal && !route.hasGateway)
        }
        #expect(try Route.to([240, 0, 0, 1])?.isLocal != true)
    }

    @Test func whoListensIsFound() throws {
        let number = socket(AF_INET6, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(number >= 0)
        let listener = FileDescriptor(owning: number)
        try #require(listen(listener.number, 1) == 0)
        var raw = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let done = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        try #require(done == 0)
        let port = UInt16(bigEndian: raw.sin6_port)
        let (mine, none) = (ServicePort(isTCP: true, number: port), ServicePort(isTCP: true, number: 1))
        #expect(Listening.missing([mine, none], in: getpid()) == [none])
    }

    /// A server's sockets as another process has them, which here is this one.
    @Test func whatWaitsInASocketIsSeen() throws {
        func count() throws -> Int { try #require(TakenSocket.all(of: [getpid()])).count { !$0.isEmpty } }
        let before = try count()
        let number = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let server = FileDescriptor(owning: number)
        let place = try #require(InternetAddress("127.0.0.1", port: 0))
        try #require(place.withRaw { bind(server.number, $0, $1) } == 0)
        var raw = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        #expect(try count() == before)
        _ = InternetAddress(raw).withRaw { sendto(number, "x", 1, 0, $0, $1) }
        #expect(try count() == before + 1)
        var byte: UInt8 = 0
        _ = recv(number, &byte, 1, 0)
        #expect(try count() == before)
    }
}
