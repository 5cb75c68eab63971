import CLinux
import Glibc
import Synchronization
import SystemCalls

/// Gives packets to this host's kernel as if they had just arrived at an interface.
///
/// They are written to a TUN device of which tc(8) redirects everything to the ingress of that interface (`act_mirred`, Linux
/// 4.10): routing, the filter of reverse paths and the host's own firewall see them come from where they came from. A raw
/// socket would do without, but what it sends to this host arrives at `lo`, which firewalls let in. What did arrive at `lo` takes
/// that way. The devices go with this object.
final class PacketInjector: Sendable {
    private final class Device: Sendable {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    private let devices = Mutex<[UInt32: Device]>([:])

    /// Makes what is needed for an interface, which takes some milliseconds: before clients have to wait for it.
    func prepare(_ interface: UInt32) throws(MoveError) { _ = try device(interface) }

    private func device(_ interface: UInt32) throws(MoveError) -> Device {
        if let known = devices.withLock({ $0[interface] }) { return known }
        var text = [CChar](repeating: 0, count: Int(IFNAMSIZ))
        guard if_indextoname(interface, &text) != nil else {
            throw MoveError("interface \(interface): \(SystemError.text(of: errno))")
        }
        let target = Self.string(text)
        var own = [CChar](repeating: 0, count: Int(IFNAMSIZ))
        let number = clinux_open_tun("retinue%d", &own)
        guard number >= 0 else { throw MoveError("/dev/net/tun: \(SystemError.text(of: errno))") }
        let made = Device(FileDescriptor(owning: number))
        let name = Self.string(own)
        try Tool.need(["ip", "link", "set", "dev", name, "addrgenmode", "none", "up"], seconds: 10)
        try Tool.need(
            ["tc", "-batch", "-"],
            input: """
                qdisc add dev \(name) clsact
                filter add dev \(name) ingress protocol all u32 match u32 0 0 action mirred ingress redirect dev \(target)

                """, seconds: 10)
        return devices.withLock { devices in
            devices[interface] = devices[interface] ?? made
            return devices[interface]!
        }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Gives one packet to the kernel, at an interface by its number.
    func inject(_ packet: HeldPacket, at interface: UInt32) throws(MoveError) {
        if interface == if_nametoindex("lo") { return try send(packet) }
        let device = try device(interface)
        let number = device.descriptor.number
        do throws(SystemError) {
            _ = try systemCall("write") {
                packet.bytes.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            }
        } catch { throw MoveError("TUN device: \(error)") }
    }

    /// By a raw socket (raw(7), `IPPROTO_RAW`), to an address of this host.
    private func send(_ packet: HeldPacket) throws(MoveError) {
        let isIPv6 = packet.flow.destination.count == 16
        do throws(SystemError) {
            let number = try systemCall("socket") {
                socket(
                    isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue),
                    Int32(IPPROTO_RAW))
            }
            let descriptor = FileDescriptor(owning: number)
            _ = try systemCall("sendto") {
                packet.bytes.withUnsafeBytes { bytes in
                    packet.flow.destination.withUnsafeBytes { address in
                        if isIPv6 {
                            var to = sockaddr_in6()
                            to.sin6_family = sa_family_t(AF_INET6)
                            withUnsafeMutableBytes(of: &to.sin6_addr) { $0.copyMemory(from: address) }
                            return Self.send(descriptor.number, bytes, &to)
                        }
                        var to = sockaddr_in()
                        to.sin_family = sa_family_t(AF_INET)
                        withUnsafeMutableBytes(of: &to.sin_addr) { $0.copyMemory(from: address) }
                        return Self.send(descriptor.number, bytes, &to)
                    }
                }
            }
        } catch { throw MoveError("raw socket: \(error)") }
    }

    private static func send<Address>(
        _ number: Int32, _ bytes: UnsafeRawBufferPointer, _ to: inout Address
    ) -> Int {
        withUnsafePointer(to: &to) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(number, bytes.baseAddress, bytes.count, 0, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}
