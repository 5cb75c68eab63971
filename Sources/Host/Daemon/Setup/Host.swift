import CLinux
import Glibc
import Records
import SystemCalls

/// Who this host is.
struct Host: Sendable {
    var id: String
    var name: String
    var kernel: String
    var boot: String
    /// What is watched of it.
    var scope = DumpHeader.Scope()

    /// Who this host is to others: to the peers of a network namespace that is a host of its own.
    static func read(_ options: Options, _ network: HostNetwork, _ cgroup: ControlGroupPath?) -> Host {
        var host = read()
        host.scope = DumpHeader.Scope(netns: network.name, cgroup: cgroup?.workload)
        if let name = network.name {
            host.id += "/" + name
            host.name = name
        }
        host.id = options.hostID ?? host.id
        host.name = options.hostName ?? host.name
        return host
    }

    /// Reads machine id, name, kernel release and boot id.
    static func read() -> Host {
        var names = utsname()
        uname(&names)
        let kernel = withUnsafeBytes(of: &names.release, text)
        let boot = line("/proc/sys/kernel/random/boot_id") ?? ""
        return Host(id: MachineID.read(), name: MachineID.hostName(), kernel: kernel, boot: boot)
    }

    /// The host's addresses now, loopback left out (getifaddrs(3)).
    static func addresses() -> [NetworkAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var result: [NetworkAddress] = []
        var entry = list
        while let interface = entry {
            entry = interface.pointee.ifa_next
            guard let address = interface.pointee.ifa_addr, let found = Self.address(address),
                !found.isLoopback, !result.contains(found)
            else { continue }
            result.append(found)
        }
        return result
    }

    private static func address(_ address: UnsafeMutablePointer<sockaddr>) -> NetworkAddress? {
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let bytes = UnsafeRawPointer(address).load(fromByteOffset: 4, as: UInt32.self)
            return NetworkAddress(v4: UInt32(bigEndian: bytes))
        case AF_INET6:
            let raw = UnsafeRawPointer(address)
            return NetworkAddress(
                high: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
        default: return nil
        }
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func line(_ path: String) -> String? {
        guard let bytes = try? FileDescriptor.open(path, O_RDONLY).readAll(limit: 4096) else { return nil }
        let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return line.isEmpty ? nil : line
    }
}
