import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import TracepointRing

/// Events of routes that are looked up, as Linux 6.18 writes them.
@Suite struct RouteLookupTests {
    private static func format(_ fields: String) -> [UInt8] {
        Array(
            """
            name: fib_table_lookup
            ID: 2264
            format:
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
            \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
            \(fields)

            print fmt: ""

            """.utf8)
    }

    private static let v4 = """
        \tfield:__u8 src[4];\toffset:28;\tsize:4;\tsigned:0;
        \tfield:__u8 dst[4];\toffset:32;\tsize:4;\tsigned:0;
        \tfield:u16 sport;\toffset:56;\tsize:2;\tsigned:0;
        \tfield:u16 dport;\toffset:58;\tsize:2;\tsigned:0;
        """
    private static let v6 = """
        \tfield:__u8 src[16];\toffset:31;\tsize:16;\tsigned:0;
        \tfield:__u8 dst[16];\toffset:47;\tsize:16;\tsigned:0;
        \tfield:u16 sport;\toffset:64;\tsize:2;\tsigned:0;
        \tfield:u16 dport;\toffset:66;\tsize:2;\tsigned:0;
        """

    private static func layout(isV6: Bool) throws -> RouteLayout {
        try RouteLayout(TracepointFormat(format(isV6 ? v6 : v4)), isV6: isV6)
    }

    /// Process 23, thread 24: from port 37888 to 127.0.0.1:46858.
    private static let record = hex(
        """
        09000000 0100 6c00  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
        17000000 18000000  // pid, tid
        15cd5b0700000000  // time
        50000000  // size of the raw data
        d808 00 00 18000000  // common_type, common_flags, common_preempt_count, common_pid
        fe000000 00000000 00000000 01000000  // tb_id, err, oif, iif
        11 00 00 00 00000000 7f000001 00000000  // proto, tos, scope, flags, src, dst, gw4
        00000000 00000000 0000ffff 00000000  // gw6
        0094 0ab7  // sport, dport
        6c6f0000 00000000 00000000 00000000 00000000  // name, padding
        """)

    /// The same over IPv6, to [::1]:60349.
    private static let record6 = hex(
        """
        09000000 0100 8c00
        17000000 18000000
        16cd5b0700000000
        70000000
        d808 00 00 18000000
        ff000000 00000000 00000000 01000000 00000000  // tb_id, err, oif, iif, flowlabel
        00 00 00  // tos, scope, flags
        00000000 00000000 00000000 00000000  // src
        00000000 00000000 00000000 00000001  // dst
        00  // padding
        fd8c bdeb  // sport, dport
        11 00  // proto, rt_type
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 0000
        """)

    private func calls(_ records: [UInt8], isV6: Bool = false) throws -> [DatagramCall] {
        var calls: [DatagramCall] = []
        try DatagramCall.parse(records.span.bytes, layout: Self.layout(isV6: isV6)) { calls.append($0) }
        return calls
    }

    @Test func bothFamilies() throws {
        let four = try #require(try calls(Self.record).first)
        #expect(four.process == 23 && four.time == 123_456_789)
        #expect(four.local == TransitionAddress(high: 0, low: 0, port: 37888))
        #expect(four.remote == TransitionAddress(high: 0, low: 0xffff_7f00_0001, port: 46858))
        let six = try #require(try calls(Self.record6, isV6: true).first)
        #expect(six.local == TransitionAddress(high: 0, low: 0, port: 36093))
        #expect(six.remote == TransitionAddress(high: 0, low: 1, port: 60349))
    }

    /// While an interrupt is served the process is only the one that it interrupted.
    @Test(arguments: [0x08, 0x10, 0x40, 0x18] as [UInt8]) func interruptsAreNobodys(flag: UInt8) throws {
        var bytes = Self.record
        bytes[30] = flag
        #expect(try calls(bytes).isEmpty)
        // Interrupts off, a pending reschedule: still the process.
        bytes[30] = 0x01 | 0x04
        #expect(try calls(bytes).count == 1)
    }

    @Test func otherTracepointsAreSkipped() throws {
        var bytes = Self.record
        bytes[28] = 0
        #expect(try calls(bytes + Self.record).count == 1)
    }

    @Test func everyTruncationIsAnError() {
        for count in 1..<Self.record.count {
            #expect(throws: (any Error).self) { try calls(Array(Self.record.prefix(count))) }
        }
    }

    @Test func hostileBytesDoNotTrap() throws {
        let good = [Self.record, Self.record6, Self.record + Self.record6]
        var (parsed, refused) = (0, 0)
        hostileMessages(from: good, count: 10_000, seed: 78) { bytes in
            for isV6 in [false, true] {
                do {
                    parsed += try calls(bytes, isV6: isV6).count
                } catch {
                    refused += 1
                }
            }
        }
        #expect(parsed > 100 && refused > 100)
    }

    /// A kernel whose events have no ports.
    @Test func withoutPortsThereIsNothing() {
        #expect(throws: FormatError.self) {
            try RouteLayout(TracepointFormat(Self.format("")), isV6: false)
        }
    }
}

/// The rings on a kernel that has them.
@Suite(.serialized, .enabled(if: isRoot, "needs root: perf events of every process"))
struct RouteLookupsTests {
    private func socket(_ family: Int32) throws -> (number: Int32, port: UInt16) {
        let number = Glibc.socket(family, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(number >= 0)
        let bound = withLoopback(family, port: 0) { bind(number, $0, $1) }
        try #require(bound == 0)
        return (number, try port(of: number))
    }

    private func port(of number: Int32) throws -> UInt16 {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        try #require(result == 0)
        // The port stands at the same place in both families.
        return withUnsafeBytes(of: address) {
            UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }

    private func withLoopback(
        _ family: Int32, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        func call<Address>(_ address: inout Address) -> Int32 {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<Address>.size))
                }
            }
        }
        if family == AF_INET {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return call(&address)
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return call(&address)
    }

    /// When they are too many none is heard for a while, and then all are again.
    @Test(.timeLimit(.minutes(1))) func tooManyAreNotHeard() throws {
        var lookups = try RouteLookups()
        let server = try socket(AF_INET)
        let client = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(server.number)
            close(client)
        }
        func send(_ count: Int) {
            _ = withLoopback(AF_INET, port: server.port) { address, length in
                for _ in 0..<count { sendto(client, "x", 1, 0, address, length) }
                return 0
            }
        }
        // On a clock of the test's own, so that it does not matter how long this takes.
        var now: UInt64 = 1_000_000_000
        func drain() -> (events: UInt64, isChanged: Bool) {
            let (counts, isChanged) = lookups.drain(now: now) { _ in }
            return (counts.events + counts.lost, isChanged)
        }
        var total: UInt64 = 0
        while lookups.retryTime == nil, total < 1_000_000 {
            send(1000)
            let (events, isChanged) = drain()
            total += events
            #expect(isChanged == (lookups.retryTime != nil))
        }
        #expect(total > 100_000 && total < 110_000)
        send(1000)
        #expect(drain() == (0, false))
        now = lookups.retryTime!
        #expect(drain() == (0, true) && lookups.retryTime == nil)
        send(1000)
        #expect(drain().events >= 1000)
    }

    /// A connect, and a datagram without one, of each family: port and other end.
    @Test(arguments: [AF_INET, AF_INET6]) func connectAndSend(family: Int32) throws {
        var lookups = try RouteLookups()
        let server = try socket(family)
        defer { close(server.number) }
        var expected: [UInt16: UInt16] = [:]
        for connects in [true, false] {
            let client = Glibc.socket(family, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(client) }
            let done = withLoopback(family, port: server.port) { address, length in
                connects
                    ? connect(client, address, length) : Int32(sendto(client, "x", 1, 0, address, length))
            }
            try #require(done == (connects ? 0 : 1))
            expected[try port(of: client)] = server.port
        }
        var met: [UInt16: UInt16] = [:]
        let (counts, _) = lookups.drain(now: Clock.monotonic()) { call in
            guard call.process == getpid(), call.remote.port == server.port else { return }
            met[call.local.port] = call.remote.port
            #expect(call.remote.low & 0xffff_ffff == (family == AF_INET ? 0x7f00_0001 : 1))
        }
        #expect(met == expected)
        #expect(counts.events >= 2 && counts.lost == 0)
    }
}
