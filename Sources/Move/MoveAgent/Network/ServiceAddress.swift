import CLinux
import Glibc
import SystemCalls

/// An address that moves with the service: taken from an interface here, given to one there, and made known to the neighbours.
struct ServiceAddress: Equatable {
    /// `10.0.0.5`.
    var address: String
    /// Length of the network's prefix.
    var prefix: Int

    /// Of `10.0.0.5/24`; `nil` for what is none.
    init?(_ text: String) {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let prefix = Int(parts[1]) else { return nil }
        var four = in_addr()
        var six = in6_addr()
        let host = String(parts[0])
        let isFour = inet_pton(AF_INET, host, &four) == 1
        guard
            isFour
                ? (0...32).contains(prefix)
                : inet_pton(AF_INET6, host, &six) == 1 && (0...128).contains(prefix)
        else {
            return nil
        }
        (address, self.prefix) = (host, prefix)
    }

    var text: String { "\(address)/\(prefix)" }
    private var isIPv6: Bool { address.contains(":") }

    /// The interface that has it; `nil` if none has.
    func interface() throws(MoveError) -> String? {
        try Self.interfaces(isIPv6).first { $0.address == address }?.interface
    }

    /// The interface at which its network lies: that of another address of the same network.
    func interfaceOfNetwork() throws(MoveError) -> String? {
        let route = try Tool.run(["ip", "-o", "route", "get", address], seconds: 10)
        let words = route.output.split { $0 == " " || $0 == "\n" }
        guard route.status == 0, let place = words.firstIndex(of: "dev"), place + 1 < words.count,
            !words.contains("via")
        else {
            return nil
        }
        return words[place + 1] == "lo" ? nil : String(words[place + 1])
    }

    /// All IPv4 addresses of this host.
    static func all() throws(MoveError) -> [String] { try interfaces(false).map(\.address) }

    private static func interfaces(_ isIPv6: Bool) throws(MoveError) -> [(interface: String, address: String)]
    {
        let said = try Tool.run(["ip", "-o", isIPv6 ? "-6" : "-4", "addr", "show"], seconds: 10)
        guard said.status == 0 else { throw MoveError("ip addr: \(said.output)") }
        return said.output.split(separator: "\n").compactMap { line in
            // 2: eth0    inet 10.0.0.5/24 scope global eth0
            let words = line.split(separator: " ")
            guard words.count > 3, let slash = words[3].split(separator: "/").first else { return nil }
            return (String(words[1].prefix { $0 != "@" }), String(slash))
        }
    }

    func remove(from interface: String) throws(MoveError) {
        let done = try Tool.run(["ip", "addr", "del", text, "dev", interface], seconds: 10)
        guard
            done.status == 0 || done.output.contains("Cannot assign requested address")
                || done.output.contains("Address not found")
        else {
            throw MoveError("ip addr del \(text) dev \(interface): \(done.output)")
        }
    }

    func add(to interface: String) throws(MoveError) {
        let duplicates = isIPv6 ? ["nodad"] : []
        let done = try Tool.run(["ip", "addr", "add", text, "dev", interface] + duplicates, seconds: 10)
        guard
            done.status == 0 || done.output.contains("File exists")
                || done.output.contains("already assigned")
        else {
            throw MoveError("ip addr add \(text) dev \(interface): \(done.output)")
        }
        announce(on: interface)
    }

    /// Makes the neighbours take this host for the owner (RFC 5227, 3): gratuitous ARP, three times, since one may be lost.
    ///
    /// For IPv6 the kernel does so itself where `ndisc_notify` is set.
    func announce(on interface: String) {
        guard !isIPv6 else { return }
        let number = socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue), Int32(UInt16(0x0806).bigEndian))
        guard number >= 0 else { return }
        let descriptor = FileDescriptor(owning: number)
        let index = if_nametoindex(interface)
        var hardware = [UInt8](repeating: 0, count: 6)
        guard index > 0, clinux_hardware_address(number, interface, &hardware) == 0 else { return }
        var four = in_addr()
        inet_pton(AF_INET, address, &four)
        let own = withUnsafeBytes(of: &four.s_addr) { Array($0) }
        // Ethernet, IPv4, a request of its own address.
        let packet: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1] + hardware + own + [0, 0, 0, 0, 0, 0] + own
        var to = sockaddr_ll()
        to.sll_family = UInt16(AF_PACKET)
        to.sll_protocol = UInt16(0x0806).bigEndian
        to.sll_ifindex = Int32(index)
        to.sll_halen = 6
        to.sll_addr = (255, 255, 255, 255, 255, 255, 0, 0)
        for _ in 0..<3 {
            withUnsafePointer(to: &to) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(
                        descriptor.number, packet, packet.count, 0, $0,
                        socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
        }
    }
}
