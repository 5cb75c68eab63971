import CLinux
import Glibc
import Procfs
import Records
import SystemCalls

/// A membership of a socket in a multicast group (ip(7), ipv6(7), RFC 3678), and from whom it takes datagrams of it.
struct MulticastMembership: Equatable {
    /// The name of the interface: its number is another one at another host.
    var interface: String
    /// In network order: 4 bytes, or 16.
    var group: [UInt8]
    /// Whether datagrams of `sources` alone are taken; else of all but those.
    var isOfSources = false
    /// In network order.
    var sources: [[UInt8]] = []

    /// More of one membership are not read: the kernel takes 10 of IPv4 and 64 of IPv6 unless it was configured otherwise.
    private static let mostSources = 1024
    /// Bytes of `struct sockaddr_storage`, and of `struct group_filter` without sources.
    private static let (place, head) = (128, 144)

    /// Those of a socket.
    ///
    /// - Parameter groups: of the socket's network namespace, as the kernel lists none of a socket: it is asked for each.
    static func all(of socket: Int32, among groups: [MulticastGroup]) -> [MulticastMembership] {
        groups.compactMap { MulticastMembership(of: socket, in: $0) }
    }

    /// `nil` where the socket has not joined a group.
    private init?(of socket: Int32, in group: MulticastGroup) {
        func filter(_ sources: Int) -> [UInt8]? {
            // struct group_filter: interface, group, mode, number of sources, sources.
            var filter = [UInt8](repeating: 0, count: Self.head + max(1, sources) * Self.place)
            filter.replaceSubrange(0..<4, with: Self.number(group.interface))
            filter.replaceSubrange(8..<8 + Self.place, with: Self.address(group.address))
            filter.replaceSubrange(Self.head - 4..<Self.head, with: Self.number(UInt32(sources)))
            var size = socklen_t(Self.head + sources * Self.place)
            return getsockopt(socket, Self.level(group.address), MCAST_MSFILTER, &filter, &size) == 0
                ? filter : nil
        }
        guard var found = filter(0) else { return nil }
        var count = Self.number(found, Self.head - 4)
        if count > 0 {
            guard count <= Self.mostSources, let all = filter(Int(count)) else { return nil }
            found = all
            count = min(count, Self.number(found, Self.head - 4))
        }
        (interface, self.group) = (group.name, group.address)
        isOfSources = Self.number(found, Self.head - 8) == UInt32(MCAST_INCLUDE)
        let size = group.address.count
        sources = (0..<Int(count)).map { index in
            let begin = Self.head + index * Self.place + Self.offset(size)
            return Array(found[begin..<begin + size])
        }
    }

    init(interface: String, group: [UInt8], isOfSources: Bool = false, sources: [[UInt8]] = []) {
        (self.interface, self.group, self.isOfSources, self.sources) = (
            interface, group, isOfSources, sources
        )
    }

    private static func level(_ address: [UInt8]) -> Int32 {
        Int32(address.count == 4 ? IPPROTO_IP : IPPROTO_IPV6)
    }

    /// Of an address in `sockaddr_in`, and in `sockaddr_in6`.
    private static func offset(_ size: Int) -> Int { size == 4 ? 4 : 8 }

    /// `struct sockaddr_storage`.
    private static func address(_ address: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: place)
        let family = UInt16(address.count == 4 ? AF_INET : AF_INET6)
        bytes.replaceSubrange(0..<2, with: withUnsafeBytes(of: family, Array.init))
        bytes.replaceSubrange(offset(address.count)..<offset(address.count) + address.count, with: address)
        return bytes
    }

    private static func number(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number, Array.init) }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }

    /// Joins a socket.
    ///
    /// - Throws: why it cannot; that it has joined already, as whoever shares it with others, is no error.
    func join(on socket: Int32) throws(SystemError) {
        let number = if_nametoindex(interface)
        guard number > 0 else { throw SystemError("if_nametoindex", code: ENODEV) }
        // struct group_req.
        let request = Self.number(number) + [0, 0, 0, 0] + Self.address(group)
        let level = Self.level(group)
        if setsockopt(socket, level, MCAST_JOIN_GROUP, request, socklen_t(request.count)) != 0,
            errno != EADDRINUSE
        {
            throw SystemError("MCAST_JOIN_GROUP", code: errno)
        }
        guard isOfSources || !sources.isEmpty else { return }
        var filter = request + Self.number(UInt32(isOfSources ? MCAST_INCLUDE : MCAST_EXCLUDE))
        filter += Self.number(UInt32(sources.count))
        for source in sources { filter += Self.address(source) }
        _ = try systemCall("MCAST_MSFILTER") {
            setsockopt(socket, level, MCAST_MSFILTER, filter, socklen_t(filter.count))
        }
    }

    /// The group, for people.
    var text: String {
        var text = [CChar](repeating: 0, count: 64)
        var address = group
        inet_ntop(address.count == 4 ? AF_INET : AF_INET6, &address, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    var value: JSONValue {
        func bytes(_ bytes: [UInt8]) -> JSONValue { .array(bytes.map { .integer(Int128($0)) }) }
        return .object([
            .init("interface", .string(interface)), .init("group", bytes(group)),
            .init("of_sources", .boolean(isOfSources)), .init("sources", .array(sources.map(bytes))),
        ])
    }

    /// Reads a tree; `nil` where it is none.
    init?(_ value: JSONValue) {
        func bytes(_ value: JSONValue?) -> [UInt8]? {
            guard let numbers = value?.array, [4, 16].contains(numbers.count) else { return nil }
            let bytes = numbers.compactMap { $0.integer.flatMap { UInt8(exactly: $0) } }
            return bytes.count == numbers.count ? bytes : nil
        }
        guard let interface = value["interface"]?.string, (1..<16).contains(interface.utf8.count),
            let group = bytes(value["group"]), case .boolean(let isOfSources)? = value["of_sources"],
            let listed = value["sources"]?.array, listed.count <= Self.mostSources
        else { return nil }
        let sources = listed.compactMap { bytes($0) }
        guard sources.count == listed.count, sources.allSatisfy({ $0.count == group.count }) else {
            return nil
        }
        self.init(interface: interface, group: group, isOfSources: isOfSources, sources: sources)
    }
}
