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

    /// In network order: 4 bytes, or 16.
    var bytes: [UInt8] {
        var (four, six) = (in_addr(), in6_addr())
        if isIPv6 {
            inet_pton(AF_INET6, address, &six)
            return withUnsafeBytes(of: &six) { Array($0) }
        }
        inet_pton(AF_INET, address, &four)
        return withUnsafeBytes(of: &four) { Array($0) }
    }

    /// The interface that has it; `nil` if none has.
    func interface() throws(MoveError) -> String? {
        let bytes = bytes
        return try InterfaceAddress.all(isIPv6: isIPv6).first { $0.bytes == bytes }?.interface
    }

    /// The interface at which its network lies: that of another address of the same network.
    func interfaceOfNetwork() throws(MoveError) -> String? {
        guard let route = try Route.to(bytes), !route.hasGateway, route.interface != "lo" else { return nil }
        return route.interface
    }

    /// All IPv4 addresses of this host.
    static func all() throws(MoveError) -> [String] {
        try InterfaceAddress.all(isIPv6: false).map { $0.bytes.map(String.init).joined(separator: ".") }
    }

    /// One that is not there is no error.
    func remove(from interface: String) throws(MoveError) {
        let code = try InterfaceAddress.change(bytes, prefix: prefix, of: interface, isAdded: false)
        guard code == 0 || code == EADDRNOTAVAIL else {
            throw MoveError("\(text) cannot be taken from \(interface): \(SystemError.text(of: code))")
        }
    }

    /// One that is there is no error; it is announced again.
    func add(to interface: String) throws(MoveError) {
        let code = try InterfaceAddress.change(bytes, prefix: prefix, of: interface, isAdded: true)
        guard code == 0 || code == EEXIST else {
            throw MoveError("\(text) cannot be given to \(interface): \(SystemError.text(of: code))")
        }
        if isIPv6 { awaitRoute() }
        announce(on: interface)
    }

    /// The kernel makes the local route of an IPv6 address by a work queue, behind its answer (`addrconf_dad_work`): what comes to
    /// the address until then is not for this host, and lost.
    private func awaitRoute() {
        let limit = Clock.monotonic() + 1_000_000_000
        while Clock.monotonic() < limit {
            if let route = try? Route.to(bytes), route.isLocal { return }
            usleep(100)
        }
    }

    /// Makes the neighbours take this host for the owner, three times, since one may be lost: gratuitous ARP (RFC 5227, 3), or
    /// an unsolicited neighbour advertisement (RFC 4861, 7.2.6), which the kernel sends by itself only where `ndisc_notify` is
    /// set.
    func announce(on interface: String) {
        let kind = UInt16(isIPv6 ? ETH_P_IPV6 : ETH_P_ARP).bigEndian
        // What is sent here is not received here.
        let number = socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return }
        // Clients are held while this runs.
        defer { DeferredClose.close(number) }
        let index = if_nametoindex(interface)
        var hardware = [UInt8](repeating: 0, count: 6)
        guard index > 0, clinux_hardware_address(number, interface, &hardware) == 0 else { return }
        let packet = isIPv6 ? advertisement(hardware) : gratuitousARP(hardware)
        var to = sockaddr_ll()
        to.sll_family = UInt16(AF_PACKET)
        to.sll_protocol = kind
        to.sll_ifindex = Int32(index)
        to.sll_halen = 6
        // Everybody; of IPv6 the hosts that take part in the group ff02::1 (RFC 2464, 7).
        to.sll_addr = isIPv6 ? (0x33, 0x33, 0, 0, 0, 1, 0, 0) : (255, 255, 255, 255, 255, 255, 0, 0)
        for _ in 0..<3 {
            withUnsafePointer(to: &to) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(
                        number, packet, packet.count, 0, $0,
                        socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
        }
    }

    /// Ethernet, IPv4, a request of its own address.
    func gratuitousARP(_ hardware: [UInt8]) -> [UInt8] {
        [0, 1, 8, 0, 6, 4, 0, 1] + hardware + bytes + [0, 0, 0, 0, 0, 0] + bytes
    }

    /// A packet from its own address to ff02::1: neighbour advertisement with the flag "override", and the option of the
    /// target's link-layer address.
    func advertisement(_ hardware: [UInt8]) -> [UInt8] {
        let everybody: [UInt8] = [0xff, 2] + [UInt8](repeating: 0, count: 13) + [1]
        var message: [UInt8] = [136, 0, 0, 0, 0x20, 0, 0, 0] + bytes + [2, 1] + hardware
        let sum = InternetChecksum.of(
            message, from: bytes, to: everybody, transport: UInt8(IPPROTO_ICMPV6))
        (message[2], message[3]) = (UInt8(sum >> 8), UInt8(sum & 255))
        // Neighbours take it with a hop limit of 255 alone, which no router passes on.
        return [0x60, 0, 0, 0, 0, UInt8(message.count), UInt8(IPPROTO_ICMPV6), 255] + bytes + everybody
            + message
    }
}
