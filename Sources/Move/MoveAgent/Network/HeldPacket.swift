import CLinux
import Glibc

/// An IP packet that opens a flow, as it arrived: the SYN of a TCP connection, or a UDP datagram.
struct HeldPacket: Equatable, Sendable {
    /// Whose flow it is. A SYN that is sent again is of the same flow.
    struct Flow: Hashable, Sendable {
        let isTCP: Bool
        /// 4 bytes or 16.
        let source: [UInt8]
        let destination: [UInt8]
        let sourcePort: UInt16
        let port: UInt16
    }

    /// From the IP header on, without what Ethernet fills up with.
    private(set) var bytes: [UInt8]
    let flow: Flow
    /// Where TCP's or UDP's header begins.
    private let header: Int

    /// Reads a packet; `nil` for whatever is none that opens a flow: fragments, IPv6 with extension headers, and TCP
    /// segments other than a SYN alone.
    init?(_ packet: some Collection<UInt8>) {
        let packet = Array(packet)
        func word(_ place: Int) -> Int { Int(packet[place]) << 8 | Int(packet[place + 1]) }
        let total: Int
        let transport: UInt8
        let addresses: (Range<Int>, Range<Int>)
        switch packet.first.map({ $0 >> 4 }) {
        case 4 where packet.count >= 20:
            header = Int(packet[0] & 15) * 4
            total = word(2)
            transport = packet[9]
            addresses = (12..<16, 16..<20)
            // The bit "more fragments", and the offset.
            guard header >= 20, word(6) & 0x3fff == 0 else { return nil }
        case 6 where packet.count >= 40:
            (header, total, transport) = (40, 40 + word(4), packet[6])
            addresses = (8..<24, 24..<40)
        default: return nil
        }
        let isTCP = transport == UInt8(IPPROTO_TCP)
        guard isTCP || transport == UInt8(IPPROTO_UDP), total <= packet.count,
            total >= header + (isTCP ? 20 : 8)
        else { return nil }
        // SYN, and none of FIN, RST and ACK.
        guard !isTCP || packet[header + 13] & 0x17 == 2 else { return nil }
        bytes = Array(packet[..<total])
        flow = Flow(
            isTCP: isTCP, source: Array(packet[addresses.0]), destination: Array(packet[addresses.1]),
            sourcePort: UInt16(word(header)), port: UInt16(word(header + 2)))
    }

    /// Completes a checksum that was left to the network adapter, as it is between two namespaces of a host (RFC 9293, 3.1).
    mutating func completeChecksum() {
        let place = header + (flow.isTCP ? 16 : 6)
        (bytes[place], bytes[place + 1]) = (0, 0)
        let sum = InternetChecksum.of(
            bytes[header...], from: flow.source, to: flow.destination,
            transport: UInt8(flow.isTCP ? IPPROTO_TCP : IPPROTO_UDP))
        (bytes[place], bytes[place + 1]) = (UInt8(sum >> 8), UInt8(sum & 255))
    }
}

/// The checksum of TCP, UDP and ICMPv6, with its pseudo-header (RFC 1071; RFC 8200, 8.1).
enum InternetChecksum {
    /// Of a packet in which its own place is 0. Never 0, which says in UDP that there is none.
    static func of(
        _ packet: some Collection<UInt8>, from source: [UInt8], to destination: [UInt8], transport: UInt8
    ) -> UInt16 {
        let length = packet.count
        var sum: UInt64 = UInt64(transport) + UInt64(length)
        func add(_ bytes: some Collection<UInt8>) {
            var isHigh = true
            for byte in bytes {
                sum += isHigh ? UInt64(byte) << 8 : UInt64(byte)
                isHigh.toggle()
            }
        }
        add(source)
        add(destination)
        add(packet)
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        let folded = ~UInt16(sum)
        return folded == 0 ? 0xffff : folded
    }
}

/// Packets in the order in which they came, at most so many.
struct PacketStore: Sendable {
    /// Packets, and bytes of all of them.
    let most: (packets: Int, bytes: Int)
    /// How many had to give way.
    private(set) var dropped = 0
    private var packets: [UInt64: (packet: HeldPacket, interface: UInt32)] = [:]
    private var places: [HeldPacket.Flow: UInt64] = [:]
    private var (first, next): (UInt64, UInt64) = (0, 0)
    private var bytes = 0

    init(most packets: Int, bytes: Int) { most = (packets, bytes) }

    /// Adds one that arrived at an interface. A SYN takes the place of an earlier one of its connection; where there is no room,
    /// the oldest gives way.
    mutating func add(_ packet: HeldPacket, at interface: UInt32) {
        bytes += packet.bytes.count
        if packet.flow.isTCP, let place = places[packet.flow], let before = packets[place] {
            bytes -= before.packet.bytes.count
            packets[place] = (packet, interface)
        } else {
            packets[next] = (packet, interface)
            if packet.flow.isTCP { places[packet.flow] = next }
            next += 1
        }
        while packets.count > most.packets || bytes > most.bytes {
            if let oldest = packets[first]?.packet {
                remove(first, oldest)
                dropped += 1
            }
            first += 1
        }
    }

    private mutating func remove(_ place: UInt64, _ packet: HeldPacket) {
        packets[place] = nil
        bytes -= packet.bytes.count
        if packet.flow.isTCP { places[packet.flow] = nil }
    }

    /// Takes out those that are wanted, the oldest first.
    mutating func take(
        where isWanted: (HeldPacket) -> Bool = { _ in true }
    ) -> [(packet: HeldPacket, interface: UInt32)] {
        let found = packets.filter { isWanted($0.value.packet) }.sorted { $0.key < $1.key }
        for (place, value) in found { remove(place, value.packet) }
        return found.map(\.value)
    }
}
