import Glibc
import Records
import SystemCalls
import Transfer

/// A network namespace of a cell's own, joined to the host by a pair of interfaces; the host hands the service's ports on to it
/// (destination NAT), and lets nothing else in.
///
/// What is published is either everything that comes to one address of the host's, which moves with the service, or ports of
/// all its addresses, under other numbers where those are taken. So programs that listen on the same port live side by side. The
/// namespace has a name (ip-netns(8)) and outlives the agent. IPv4 alone.
struct CellNetwork: Equatable {
    /// What a move asks for.
    struct Wish: Equatable {
        /// The address, without a prefix, to which what is handed on was sent; `nil` for any of the host's.
        var address: String?
        /// Number inside to number outside, of those that differ.
        var published: [UInt16: UInt16] = [:]

        init(address: String? = nil, published: [UInt16: UInt16] = [:]) {
            (self.address, self.published) = (address, published)
        }

        /// Ports as clients outside see them; those of loopback are nobody's outside.
        func outside(_ ports: [ServicePort]) -> [ServicePort] {
            ports.filter { !$0.isLoopback }.map {
                ServicePort(isTCP: $0.isTCP, number: published[$0.number] ?? $0.number)
            }
        }

        var value: JSONValue {
            .object([
                .init("address", address.map { .string($0) } ?? .null),
                .init(
                    "published",
                    .array(
                        published.sorted { $0.key < $1.key }.map {
                            .array([.integer(Int128($0.key)), .integer(Int128($0.value))])
                        })),
            ])
        }

        /// Reads a tree; `nil` where it is none of these.
        init?(_ value: JSONValue) {
            guard let pairs = value["published"]?.array else { return nil }
            if let text = value["address"]?.string {
                guard ServiceAddress(text + "/32") != nil, !text.contains(":") else { return nil }
                address = text
            }
            for pair in pairs {
                guard let pair = pair.array, pair.count == 2,
                    let inside = pair[0].integer.flatMap({ UInt16(exactly: $0) }), inside > 0,
                    let outside = pair[1].integer.flatMap({ UInt16(exactly: $0) }), outside > 0
                else { return nil }
                published[inside] = outside
            }
        }
    }

    let wish: Wish
    let ports: [ServicePort]
    /// Which of the pairs of addresses it has.
    let number: Int
    /// The move's name, shortened to what interfaces can be called.
    let key: String

    /// Pairs of addresses out of 198.18.0.0/15, which no network routes (RFC 2544).
    static let mostNetworks = 1 << 15

    init(of cell: String, ports: [ServicePort], wish: Wish, number: Int) {
        (self.wish, self.ports, self.number) = (wish, ports, number)
        key = Self.key(cell)
    }

    /// Twelve hexadecimal digits: an interface's name has at most 15 characters (IFNAMSIZ).
    static func key(_ cell: String) -> String {
        let hash = Array(cell.utf8).withUnsafeBytes { BlockHash($0) }
        let digits = String(hash.high & 0xffff_ffff_ffff, radix: 16)
        return String(repeating: "0", count: 12 - digits.count) + digits
    }

    var value: JSONValue {
        .object([
            .init("wish", wish.value), .init("ports", .array(ports.map(\.value))),
            .init("number", .integer(Int128(number))), .init("key", .string(key)),
        ])
    }

    init?(_ value: JSONValue) {
        guard let wish = value["wish"].flatMap(Wish.init), let key = value["key"]?.string,
            let number = value["number"]?.integer.flatMap({ Int(exactly: $0) }),
            (0..<Self.mostNetworks).contains(number), key.utf8.count == 12, MoveOrder.isName(key)
        else { return nil }
        (self.wish, self.number, self.key) = (wish, number, key)
        ports = value["ports"]?.array?.compactMap { ServicePort($0) } ?? []
    }

    // MARK: What it is called

    var name: String { "retinue-" + key }
    /// Where its namespace can be opened, by any program.
    var path: String { "/run/netns/" + name }
    var interface: String { "rn" + key }
    var table: String { "retinue_net_" + key }

    private func address(_ last: Int) -> String {
        let value = number * 4 + last
        return "198.\(18 + value >> 16).\(value >> 8 & 0xff).\(value & 0xff)"
    }
    /// The host's end of the pair.
    var gateway: String { address(1) }
    /// The cell's end.
    var inside: String { address(2) }

    // MARK: As nftables has it

    /// What nft(8) reads: the table made anew, in one transaction.
    var text: String {
        let to = wish.address.map { "ip daddr \($0)" } ?? "fib daddr type local"
        var rules = ""
        for port in Set(
            ports.filter { !$0.isLoopback }.map { ServicePort(isTCP: $0.isTCP, number: $0.number) }
        )
        .sorted(by: { ($0.isTCP ? 0 : 1, $0.number) < ($1.isTCP ? 0 : 1, $1.number) }) {
            let outside = wish.published[port.number] ?? port.number
            rules +=
                "    \(to) \(port.isTCP ? "tcp" : "udp") dport \(outside) dnat ip to \(inside):\(port.number)\n"
        }
        // Packets of the host's own to 127.0.0.1 go in with the interface's address; what the cell sends there itself does not come
        // to the host (`route_localnet`).
        return NftTable(name: table).anew(
            """
              chain arriving {
                type filter hook prerouting priority raw; policy accept;
                iifname "\(interface)" ip saddr != \(inside) counter drop
                iifname "\(interface)" ip daddr 127.0.0.0/8 counter drop
              }
              chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
            \(rules)  }
              chain output {
                type nat hook output priority -100; policy accept;
            \(rules)  }
              chain passing {
                type filter hook forward priority filter; policy accept;
                oifname "\(interface)" ct status dnat accept
                oifname "\(interface)" ct state established,related accept
                oifname "\(interface)" counter drop
              }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                oifname "\(interface)" ip saddr { 127.0.0.0/8, \(inside) } masquerade
                oifname != "\(interface)" ip saddr \(inside) masquerade
              }

            """)
    }

    // MARK: Made and removed

    /// Makes it anew, whatever was left of it; nothing is handed on before all of it is there.
    func begin() throws(MoveError) {
        try end()
        try Tool.need(["ip", "netns", "add", name], seconds: 10)
        do throws(MoveError) {
            try Tool.need(
                ["ip", "-batch", "-"],
                input: """
                    link add \(interface) type veth peer name eth0 netns \(name)
                    addr add \(gateway)/30 dev \(interface)
                    link set \(interface) up

                    """, seconds: 10)
            try Tool.need(
                ["ip", "-n", name, "-batch", "-"],
                input: """
                    link set lo up
                    addr add \(inside)/30 dev eth0
                    link set eth0 up
                    route add default via \(gateway)

                    """, seconds: 10)
            try NeededSetting.write("1", to: "/proc/sys/net/ipv4/conf/\(interface)/route_localnet")
            try NeededSetting.forwarding.need()
            try NftTable.load(text)
        } catch {
            try? end()
            throw error
        }
    }

    /// Removes it; what is not there is no error.
    func end() throws(MoveError) {
        try NftTable(name: table).remove()
        if if_nametoindex(interface) != 0 { try Tool.need(["ip", "link", "del", interface], seconds: 10) }
        if access(path, F_OK) == 0 { try Tool.need(["ip", "netns", "del", name], seconds: 10) }
        try NeededSetting.forwarding.release()
    }

    // MARK: Beside others

    /// The first number that none of the cells beside a folder has, and none of the host's interfaces.
    static func freeNumber(beside folder: String) throws(MoveError) -> Int {
        let taken = Set(others(than: folder).map(\.number))
        let said = try Tool.run(["ip", "-o", "-4", "addr", "show"], seconds: 10)
        for number in 0..<mostNetworks where !taken.contains(number) {
            let network = CellNetwork(of: "", ports: [], wish: Wish(), number: number)
            if !said.output.contains(" \(network.gateway)/") { return number }
        }
        throw MoveError("all \(mostNetworks) networks of cells are taken")
    }

    /// What the cells beside a folder have.
    static func others(than folder: String) -> [CellNetwork] {
        guard let slash = folder.lastIndex(of: "/") else { return [] }
        let top = String(folder[..<slash])
        return Agent.names(in: top).filter { "\(top)/\($0)" != folder }.compactMap {
            Cell(at: "\(top)/\($0)").state.network
        }
    }

    /// Which of a move's ports go to another cell that is there: `nil` for a move without a network of its own, to which an
    /// address of the other's does not matter.
    static func conflicts(_ wish: Wish?, _ ports: [ServicePort], beside folder: String) -> [ServicePort] {
        let taken = others(than: folder).filter { other in
            guard other.isThere else { return false }
            guard let address = other.wish.address else { return true }
            return wish.map { $0.address == nil || $0.address == address } ?? false
        }
        let busy = Set(taken.flatMap { $0.wish.outside($0.ports) })
        return (wish ?? Wish()).outside(ports).filter { busy.contains($0) }
    }

    /// Whether it is there at this moment.
    var isThere: Bool { access(path, F_OK) == 0 }
}
