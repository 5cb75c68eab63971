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
            let answers = try Netlink.ask(Int32(NETLINK_ROUTE), request(bytes, prefix, index, isAdded))
            guard let error = answers.first?.error else { throw SystemError("rtnetlink", code: EPROTO) }
            return error
        } catch { throw MoveError("rtnetlink: \(error)") }
    }

    private static func request(
        _ bytes: [UInt8], _ prefix: Int, _ index: UInt32, _ isAdded: Bool
    ) -> [UInt8] {
        let isIPv6 = bytes.count == 16
        // RTM_NEWADDR with NLM_F_CREATE | NLM_F_EXCL, RTM_DELADDR.
        var message = NetlinkMessage(
            isAdded ? 20 : 21, flags: (isAdded ? 0x600 : 0) | NetlinkMessage.acknowledged)
        // ifaddrmsg: family, length of the prefix, flags, scope (global), interface.
        message.append(
            [UInt8(isIPv6 ? AF_INET6 : AF_INET), UInt8(prefix), isIPv6 && isAdded ? 0x02 : 0, 0]
                + NetlinkMessage.raw(index))
        // IFA_ADDRESS, IFA_LOCAL.
        for kind in [UInt16(1), 2] { message.attribute(kind, bytes) }
        return message.bytes()
    }
}
