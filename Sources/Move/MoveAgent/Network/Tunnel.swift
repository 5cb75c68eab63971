import Glibc
import Records
import SystemCalls
import Transfer

/// A way from the destination to what stays and what only the source reaches: an interface (VXLAN, RFC 7348; UDP port 4789) at each
/// end, routes at the destination, and source NAT at the source, which passes packets to those addresses on and to no others.
///
/// IPv4. Packets are not encrypted, no more than they were on the source's own network.
struct Tunnel: Equatable {
    /// Addresses that stay, each reached by its own route.
    let addresses: [String]
    /// This host's address, and the other's, between which packets go.
    let local: String
    let remote: String
    /// Whether this is the source.
    let isSource: Bool
    /// Twelve hexadecimal digits of the move's name.
    let key: String

    init(name: String, addresses: [String], local: String, remote: String, isSource: Bool) {
        (self.addresses, self.local, self.remote, self.isSource) = (addresses, local, remote, isSource)
        key = CellNetwork.key(name)
    }

    /// As the other end has it.
    func reversed(name: String) -> Tunnel {
        Tunnel(name: name, addresses: addresses, local: remote, remote: local, isSource: !isSource)
    }

    var value: JSONValue {
        .object([
            .init("addresses", .array(addresses.map { .string($0) })), .init("local", .string(local)),
            .init("remote", .string(remote)), .init("source", .boolean(isSource)),
        ])
    }

    /// Reads a tree; `nil` where it is none, or has something else than addresses.
    init?(_ value: JSONValue, name: String) {
        let addresses = value["addresses"]?.array?.compactMap(\.string) ?? []
        guard let local = value["local"]?.string, let remote = value["remote"]?.string,
            !addresses.isEmpty, (addresses + [local, remote]).allSatisfy(Self.isAddress)
        else { return nil }
        self.init(
            name: name, addresses: addresses, local: local, remote: remote,
            isSource: value["source"] == .boolean(true))
    }

    /// Whether a text is an address of IPv4 that another host can have.
    static func isAddress(_ text: String) -> Bool {
        ServiceAddress(text + "/32") != nil && !text.contains(":") && !text.hasPrefix("127.")
            && text != "0.0.0.0"
    }

    var interface: String { "rt" + key }
    var table: String { "retinue_via_" + key }
    /// The number of the VXLAN, 24 bits, and of the pair of addresses.
    private var number: UInt32 { UInt32(key.suffix(6), radix: 16) ?? 0 }

    /// One of a pair out of 198.19.128.0/17, which no network routes (RFC 2544).
    private func address(_ last: UInt32) -> String {
        let value = 0x8000 + (number % 0x2000) * 4 + last
        return "198.19.\(value >> 8).\(value & 0xff)"
    }

    /// What nft(8) reads at the source.
    var text: String {
        NftTable(name: table).anew(
            """
              set staying { type ipv4_addr; elements = { \(addresses.joined(separator: ", ")) } }
              chain passing {
                type filter hook forward priority filter; policy accept;
                iifname "\(interface)" ip daddr != @staying counter drop
                oifname "\(interface)" ct state != { established, related } counter drop
              }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                iifname "\(interface)" ip daddr @staying masquerade
              }

            """)
    }

    /// Makes it anew, whatever was left of it.
    func begin() throws(MoveError) {
        try end()
        do throws(MoveError) {
            try Tool.need(
                ["ip", "-batch", "-"],
                input: """
                    link add \(interface) type vxlan id \(number) dstport 4789 local \(local) remote \(remote)
                    addr add \(address(isSource ? 1 : 2))/30 dev \(interface)
                    link set \(interface) mtu 1400 up

                    """
                        + (isSource
                            ? ""
                            : addresses.map { "route add \($0)/32 via \(address(1)) dev \(interface)\n" }
                                .joined()),
                seconds: 10)
            guard isSource else { return }
            try NftTable.load(text)
            try NeededSetting.forwarding.need()
        } catch {
            try? end()
            throw error
        }
    }

    /// Removes it; what is not there is no error.
    func end() throws(MoveError) {
        if if_nametoindex(interface) != 0 { try Tool.need(["ip", "link", "del", interface], seconds: 10) }
        guard isSource else { return }
        try NftTable(name: table).remove()
        try NeededSetting.forwarding.release()
    }

    /// By which of its own addresses this host reaches another one.
    static func ownAddress(towards other: String) throws(MoveError) -> String {
        guard let address = ServiceAddress(other + "/32"), address.bytes.count == 4,
            let source = try Route.to(address.bytes)?.source, source.count == 4
        else {
            throw MoveError(
                "this host has no address towards \(other): a tunnel needs the destination's IPv4 address")
        }
        return source.map(String.init).joined(separator: ".")
    }
}
