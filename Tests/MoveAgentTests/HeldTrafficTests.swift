import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("What is stored while clients are held")
struct HeldTrafficTests {
    /// A TCP segment or a UDP datagram in an IP packet, with checksums of 0.
    static func packet(
        isTCP: Bool = true, isIPv6: Bool = false, from: UInt16 = 40_000, to port: UInt16 = 80,
        flags: UInt8 = 2,
        sequence: UInt8 = 0, filling: Int = 0
    ) -> [UInt8] {
        func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        let data = [UInt8](repeating: 7, count: filling)
        var segment = word(from) + word(port)
        segment +=
            isTCP
            ? [0, 0, 0, sequence, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]
            : word(UInt16(8 + filling)) + [0, 0]
        segment += data
        let transport: UInt8 = isTCP ? 6 : 17
        if isIPv6 {
            let own = [UInt8](repeating: 0xfd, count: 16)
            return [0x60, 0, 0, 0] + word(UInt16(segment.count)) + [transport, 64] + own + own.map { $0 - 1 }
                + segment
        }
        return [0x45, 0] + word(UInt16(20 + segment.count)) + [0, 1, 0x40, 0, 64, transport, 0, 0]
            + [10, 0, 0, 1, 10, 0, 0, 2] + segment
    }

    @Test(arguments: [true, false], [true, false])
    func whatOpensAFlowIsRead(isTCP: Bool, isIPv6: Bool) throws {
        let bytes = Self.packet(isTCP: isTCP, isIPv6: isIPv6, filling: 5)
        // Ethernet fills short packets up.
        let packet = try #require(HeldPacket(bytes + [1, 2, 3]))
        #expect(packet.bytes == bytes)
        #expect(packet.flow.isTCP == isTCP && packet.flow.port == 80 && packet.flow.sourcePort == 40_000)
        #expect(packet.flow.destination.count == (isIPv6 ? 16 : 4))
    }

    @Test func whatOpensNoneIsNot() {
        for flags: UInt8 in [0x10, 0x12, 0x04, 0x03, 0x06, 0] {
            #expect(HeldPacket(Self.packet(flags: flags)) == nil)
        }
        // With the flags of ECN it does.
        #expect(HeldPacket(Self.packet(flags: 0xc2)) != nil)
        var fragment = Self.packet(isTCP: false)
        fragment[6] = 0x20
        #expect(HeldPacket(fragment) == nil)
        fragment[6] = 1
        #expect(HeldPacket(fragment) == nil)
        var icmp = Self.packet()
        icmp[9] = 1
        #expect(HeldPacket(icmp) == nil)
    }

    /// Packets cut off at each byte, and with each byte made another one: none is read beyond its end.
    @Test func hostilePackets() {
        var random = SeededGenerator(seed: 9)
        for isIPv6 in [true, false] {
            let whole = Self.packet(isIPv6: isIPv6)
            for length in 0..<whole.count { #expect(HeldPacket(whole[..<length]) == nil) }
            for place in 0..<whole.count {
                for _ in 0..<20 {
                    var bytes = whole
                    bytes[place] = UInt8(truncatingIfNeeded: random.next())
                    if var packet = HeldPacket(bytes) {
                        packet.completeChecksum()
                        #expect(packet.bytes.count <= bytes.count)
                    }
                }
            }
        }
    }

    /// A SYN as it was captured on a network, and its checksum.
    @Test func checksumOfACapturedSYN() throws {
        let text =
            "4500003c1c46400040060a0e0a4d00fe0a4d0064"
            + "9c4023280000000100000000a002faf0"
        let captured = try #require(
            Hexadecimal.bytes(text + "00000000" + "0204" + "05b40402080a0000000100000000" + "01030307"))
        var packet = try #require(HeldPacket(captured))
        packet.completeChecksum()
        // What a receiver computes over it, its own place included, is 0 (RFC 1071).
        var sum = packet.bytes[12..<20].enumerated().reduce(6 + packet.bytes.count - 20) {
            $0 + Int($1.element) << ($1.offset.isMultiple(of: 2) ? 8 : 0)
        }
        sum = packet.bytes[20...].enumerated().reduce(sum) {
            $0 + Int($1.element) << ($1.offset.isMultiple(of: 2) ? 8 : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        #expect(sum == 0xffff)
    }

    @Test func aSYNTakesThePlaceOfTheOneBefore() throws {
        var store = PacketStore(most: 10, bytes: 1 << 20)
        for sequence: UInt8 in 1...3 {
            for port: UInt16 in [1, 2] {
                store.add(
                    try #require(HeldPacket(Self.packet(from: port, sequence: sequence))),
                    at: UInt32(sequence))
            }
        }
        let found = store.take()
        #expect(found.map(\.packet.flow.sourcePort) == [1, 2])
        #expect(found.map(\.interface) == [3, 3])
        #expect(found.allSatisfy { $0.packet.bytes[27] == 3 })
        #expect(store.take().isEmpty)
    }

    @Test func datagramsAreAllKept() throws {
        var store = PacketStore(most: 10, bytes: 1 << 20)
        for _ in 0..<3 { store.add(try #require(HeldPacket(Self.packet(isTCP: false))), at: 1) }
        #expect(store.take().count == 3)
    }

    @Test func theOldestGivesWay() throws {
        var store = PacketStore(most: 100, bytes: 5000)
        for port in 1...UInt16(1000) {
            store.add(try #require(HeldPacket(Self.packet(from: port, filling: 60))), at: 1)
        }
        #expect(store.dropped == 950)
        // One that was sent again is as old as its first.
        store.add(try #require(HeldPacket(Self.packet(from: 951, filling: 60))), at: 2)
        let some = store.take { $0.flow.sourcePort < 960 }
        #expect(some.map(\.packet.flow.sourcePort) == Array(951..<960))
        #expect(some.first?.interface == 2)
        #expect(store.take().map(\.packet.flow.sourcePort) == Array(960...1000))
        for port in 1...UInt16(1000) {
            store.add(try #require(HeldPacket(Self.packet(from: port))), at: 1)
        }
        #expect(store.take().map(\.packet.flow.sourcePort) == Array(901...1000))
    }

    @Test(arguments: ["0", "0g", "AB", "é0", "00 0"])
    func noHexadecimalDigits(text: String) { #expect(Hexadecimal.bytes(text) == nil) }

    @Test func hexadecimalDigits() {
        let bytes = (0...255).map { UInt8($0) }
        #expect(Hexadecimal.bytes(Hexadecimal.text(bytes)) == bytes)
    }

    /// The kernel's filter, on a socket that needs no privilege: it shows what `HeldPacket` reads, to held ports alone.
    @Test(arguments: [0, 1, 3, 400, 1200])
    func theFilter(ports: Int) throws {
        let tcp = Set((0..<ports).map { UInt16(1000 + $0 * 7) })
        let udp = Set((0..<ports).map { UInt16(1003 + $0 * 7) })
        var random = SeededGenerator(seed: 4)
        for isIPv6 in [true, false] {
            var ends: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
            defer { for end in ends { close(end) } }
            var program = CaptureFilter.program(isIPv6: isIPv6, tcp: tcp, udp: udp)
            let count = UInt16(program.count)
            let done = program.withUnsafeMutableBufferPointer { program in
                var filter = sock_fprog(len: count, filter: program.baseAddress)
                return setsockopt(
                    ends[1], SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
            }
            #expect(done == 0)
            for _ in 0..<400 {
                let isTCP = random.next().isMultiple(of: 2)
                let port = UInt16(1000 + random.next() % UInt64(max(ports, 2) * 8))
                let flags = random.next().isMultiple(of: 2) ? 2 : UInt8(truncatingIfNeeded: random.next())
                var bytes = Self.packet(isTCP: isTCP, isIPv6: isIPv6, to: port, flags: flags)
                if random.next().isMultiple(of: 8) { bytes[isIPv6 ? 6 : 9] = 1 }
                if !isIPv6, random.next().isMultiple(of: 8) { bytes[7] = 9 }
                let packet = HeldPacket(bytes)
                let isWanted =
                    packet != nil
                    && (2 * ports > CaptureFilter.mostPorts || (isTCP ? tcp : udp).contains(port))
                send(ends[0], bytes, bytes.count, Int32(MSG_DONTWAIT))
                var buffer = [UInt8](repeating: 0, count: 2000)
                let received = recv(ends[1], &buffer, buffer.count, Int32(MSG_DONTWAIT))
                #expect((received == bytes.count) == isWanted, "\(isIPv6) \(isTCP) \(port) \(flags)")
            }
        }
    }

    @Test func announcements() throws {
        let address = try #require(ServiceAddress("fd77::100/64"))
        let packet = address.advertisement([2, 0, 0, 0, 0, 5])
        #expect(packet.count == 40 + 32 && packet[6] == 58 && packet[7] == 255)
        #expect(Array(packet[8..<24]) == address.bytes && Array(packet[48..<64]) == address.bytes)
        #expect(
            packet[40] == 136 && packet[44] == 0x20 && Array(packet.suffix(8)) == [2, 1, 2, 0, 0, 0, 0, 5])
        #expect(try #require(ServiceAddress("10.1.2.3/24")).bytes == [10, 1, 2, 3])
    }
}
