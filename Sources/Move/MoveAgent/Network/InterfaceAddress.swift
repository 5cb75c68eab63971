import CLinux
import Glibc
import SystemCalls

/// Addresses of this host's interfaces, by libc and the kernel and not by ip(8): clients are held while one moves, and a process
/// takes longer than all that it does.
enum InterfaceAddress {
    /// All of a family, in network order (getifaddrs(3)).
    ///
    /// - Returns: the interfaces' names with 4 bytes, or with 16.
    static func all(isIPv6: Bool) throws(MoveError) -> [(interface: String, bytes: [UInt8])] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { throw MoveError("getifaddrs: \(SystemError.text(of: errno))") }
        defer { freeifaddrs(first) }
        var found: [(interface: String, bytes: [UInt8])] = []
        for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
            guard let entry = entry?.pointee, let address = entry.ifa_addr,
                Int32(address.pointee.sa_family) == (isIPv6 ? AF_INET6 : AF_INET)
            else { continue }
            // IPv4 names an address by its label, such as `eth0:1`.
            let name = String(cString: entry.ifa_name).prefix { $0 != ":" }
            let raw = UnsafeRawPointer(address)
            let bytes =
                isIPv6
                ? withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
                : withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
            found.append((String(name), bytes))
        }
        return found
    }

    /// Gives an interface an address, or takes it away (rtnetlink(7), `RTM_NEWADDR`, `RTM_DELADDR`). One of IPv6 is used at once,
    /// without a search for another host that has it (`IFA_F_NODAD`): the host that had it has given it up.
    ///
    /// - Returns: 0, or the error: `EEXIST` for one that is there, `EADDRNOTAVAIL` for one that is not.
    static func change(
        _ bytes: [UInt8], prefix: Int, of interface: String, isAdded: Bool
    ) throws(MoveError) -> Int32 {
        let index = if_nametoindex(interface)
        guard index > 0 else { return ENODEV }
        do throws(SystemError) {
            let number = try systemCall("socket") {
                socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Int32(NETLINK_ROUTE))
            }
            let descriptor = FileDescriptor(owning: number)
            let request = request(bytes, prefix, index, isAdded)
            _ = try systemCall("send") { send(descriptor.number, request, request.count, 0) }
            // nlmsghdr: length, type, flags, sequence, port; then nlmsgerr: 0 or a negative error.
            var answer = [UInt8](repeating: 0, count: 4096)
            let count = try systemCall("recv") { recv(descriptor.number, &answer, answer.count, 0) }
            guard count >= 20, answer[4] == UInt8(NLMSG_ERROR) else {
                throw SystemError("rtnetlink", code: EPROTO)
            }
            return -answer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: Int32.self) }
        } catch { throw MoveError("rtnetlink: \(error)") }
    }

    private static func request(
        _ bytes: [UInt8], _ prefix: Int, _ index: UInt32, _ isAdded: Bool
    ) -> [UInt8] {
        func raw<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number) { Array($0) }
        }
        let isIPv6 = bytes.count == 16
        // ifaddrmsg: family, length of the prefix, flags, scope (global), interface.
        var body = [UInt8(isIPv6 ? AF_INET6 : AF_INET), UInt8(prefix), isIPv6 && isAdded ? 0x02 : 0, 0]
        body += raw(index)
        // IFA_ADDRESS, IFA_LOCAL.
        for kind in [UInt16(1), 2] { body += raw(UInt16(4 + bytes.count)) + raw(kind) + bytes }
        // RTM_NEWADDR with NLM_F_CREATE | NLM_F_EXCL, RTM_DELADDR; each with NLM_F_REQUEST | NLM_F_ACK.
        let (kind, flags): (UInt16, UInt16) = isAdded ? (20, 0x605) : (21, 0x5)
        return raw(UInt32(16 + body.count)) + raw(kind) + raw(flags) + raw(UInt32(1)) + raw(UInt32(0)) + body
    }
}
