/// A multicast group that an interface receives for some socket (/proc/PID/net/igmp and igmp6).
public struct MulticastGroup: Hashable, Sendable {
    /// The interface's number.
    public var interface: UInt32
    /// Its name.
    public var name: String
    /// In network order: 4 bytes, or 16.
    public var address: [UInt8]

    /// Makes a group.
    public init(interface: UInt32, name: String, address: [UInt8]) {
        (self.interface, self.name, self.address) = (interface, name, address)
    }

    /// Reads `igmp`: a line for an interface, `Idx Device : Count Querier`, then one for each of its groups, whose first word is
    /// the address as a number of this machine's byte order.
    public static func parse(igmp bytes: [UInt8]) -> [MulticastGroup] {
        var interface: (number: UInt32, name: String)?
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let words = line.split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            guard let first = words.first else { return nil }
            let text = String(decoding: first, as: UTF8.self)
            guard line.first == UInt8(ascii: "\t") else {
                // `eth0      :`, or `enp0s31f6d1:`: no name has a colon.
                interface = UInt32(text).flatMap { number in
                    guard words.count > 1 else { return nil }
                    return (
                        number, String(decoding: words[1].prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
                    )
                }
                return nil
            }
            guard let interface, text.utf8.count == 8, let address = UInt32(text, radix: 16) else {
                return nil
            }
            return MulticastGroup(
                interface: interface.number, name: interface.name,
                address: withUnsafeBytes(of: address, Array.init))
        }
    }

    /// Reads `igmp6`: lines `index device address users …`, the address as 32 digits.
    public static func parse(igmp6 bytes: [UInt8]) -> [MulticastGroup] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count >= 3, words[2].count == 32,
                let interface = UInt32(String(decoding: words[0], as: UTF8.self))
            else { return nil }
            let digits = Array(words[2])
            let address = stride(from: 0, to: 32, by: 2).compactMap {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
            }
            let name = String(decoding: words[1], as: UTF8.self)
            return address.count == 16
                ? MulticastGroup(interface: interface, name: name, address: address) : nil
        }
    }

    /// Whether every host is in it: 224.0.0.1, and all nodes of an interface or a link.
    public var isOfAllHosts: Bool {
        address == [224, 0, 0, 1]
            || address.count == 16 && address[0] == 0xff && address[1] <= 2
                && address[2...].dropLast().allSatisfy { $0 == 0 } && address.last == 1
    }
}

extension ProcessDirectory {
    /// The groups of the process's network namespace, but for those that every host is in.
    public borrowing func multicastGroups() -> [MulticastGroup] {
        let found =
            MulticastGroup.parse(igmp: contents("net/igmp", limit: 1 << 20) ?? [])
            + MulticastGroup.parse(igmp6: contents("net/igmp6", limit: 1 << 20) ?? [])
        return found.filter { !$0.isOfAllHosts }
    }
}
