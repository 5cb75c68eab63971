import Glibc
import SystemCalls

/// Distributes new TCP connections over members: destination NAT by nftables, which sees a connection's first packet alone.
///
/// Connections that are there when it begins, or when its members change, stay where they are. Members see this host's address in
/// place of the client's, so that answers come back by it. This host's own programs go on with the source.
struct Balancer: Equatable {
    /// What passes connections on.
    enum Kind: String, CaseIterable {
        case nft, haproxy
    }

    struct Member: Equatable {
        var name: String
        /// `nil` for this host's own programs.
        var address: String?
        /// From 1, the same whoever else is a member; 0 for this host's own programs.
        var number: UInt32
    }

    let name: String
    let ports: [UInt16]
    /// To which clients connect; `nil` for any of this host's.
    let address: String?
    let isIPv6: Bool
    /// By the client's address and port, so that the same goes to the same; else in turn.
    let isStatic: Bool
    let members: [Member]
    /// Where haproxy listens for each port, if it is what distributes.
    var redirected: [UInt16: UInt16] = [:]

    /// `AF_INET`, `AF_INET6`; `nil` for what is no address.
    static func family(_ text: String) -> Int32? {
        var (four, six) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, text, &four) == 1 { return AF_INET }
        return inet_pton(AF_INET6, text, &six) == 1 ? AF_INET6 : nil
    }

    /// A word that `NeededSetting` knows.
    static let prefix = "retinue_spread_"

    var table: String { Self.prefix + Hold.word(name) }

    private var family: String { isIPv6 ? "ip6" : "ip" }

    /// What nft(8) reads: the table made anew, in one transaction.
    var text: String {
        var chains = ""
        for (index, member) in members.enumerated() {
            let verdict =
                member.address.map { "dnat \(family) to \(isIPv6 ? "[\($0)]" : $0)" } ?? "accept"
            chains +=
                "  chain member_\(index) {\n    counter ct mark set \(mark(of: member)) \(verdict)\n  }\n"
        }
        let list = ports.map(String.init).joined(separator: ", ")
        let to = address.map { "\(family) daddr \($0)" } ?? "fib daddr type local"
        // The first packet alone: connections of before the table was there must stay.
        let new =
            "iifname != \"lo\" meta nfproto ipv\(isIPv6 ? 6 : 4) \(to) tcp dport"
        let first = "tcp flags & (fin | syn | rst | ack) == syn"
        var rules = ""
        if !redirected.isEmpty {
            for port in ports {
                guard let own = redirected[port] else { continue }
                rules += "    \(new) \(port) \(first) ct mark set \(mark(of: Self.own)) redirect to :\(own)\n"
            }
        } else if members.isEmpty {
            // Marked all the same: what is open when the table goes would stay in conntrack, its end unseen.
            rules = "    \(new) { \(list) } \(first) ct mark set \(mark(of: Self.own))\n"
        } else {
            let choice = isStatic ? "jhash \(family) saddr . tcp sport" : "numgen inc"
            let map = members.indices.map { "\($0) : goto member_\($0)" }.joined(separator: ", ")
            rules =
                "    \(new) { \(list) } \(first) \(choice) mod \(members.count)\(isStatic ? " seed 1" : "") vmap { \(map) }\n"
        }
        return NftTable(name: table).anew(
            """
            \(chains)  chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
            \(rules)  }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                oifname != "lo" tcp dport { \(list) } ct status dnat masquerade
              }

            """)
    }

    /// `R`.
    private static let markPrefix: UInt8 = 0x52

    /// What its connections are marked with in conntrack: `R`, 16 bits of the name, the member.
    private func mark(of member: Member) -> UInt32 {
        let hash = name.utf8.reduce(UInt32(5381)) { $0 &* 33 &+ UInt32($1) } & 0xffff
        return UInt32(Self.markPrefix) << 24 | hash << 8 | member.number
    }

    /// This host's own programs.
    static let own = Member(name: "source", address: nil, number: 0)

    /// Forgets what was on its way to a member that does not answer: the same client's port would be led there again.
    ///
    /// - Parameter isGone: whether nobody has the connections either that it had.
    func forget(_ member: Member, isGone: Bool) throws(MoveError) {
        try TrackedConnections.forget(mark: mark(of: member), mask: .max, unanswered: !isGone)
    }

    /// Whether the host passes IPv6 on.
    private static let switchPath = "/proc/sys/net/ipv6/conf/all/forwarding"

    /// Begins, or goes on with other members; done again it changes nothing.
    func load() throws(MoveError) {
        // Before the table, with which the kernel begins to track connections.
        try NeededSetting.noPickUp.need()
        try NftTable.load(text)
        try EndedConnections.forget(ports: ports, markedBy: Self.markPrefix)
        guard isIPv6 else { return try NeededSetting.forwarding.need() }
        if let obstacle { throw MoveError(obstacle) }
    }

    /// What this host lacks to pass connections on: of IPv6 it is switched on by nobody here, since an interface then no longer takes
    /// its routes from router advertisements, which is the administrator's to decide.
    var obstacle: String? {
        guard isIPv6, redirected.isEmpty, members.contains(where: { $0.address != nil }),
            (try? FileDescriptor.open(Self.switchPath, O_RDONLY))?.bytes?.first != UInt8(ascii: "1")
        else { return nil }
        return "this host does not pass IPv6 packets on: sysctl net.ipv6.conf.all.forwarding=1"
    }

    /// Ends it; that it is not there is no error.
    func end() throws(MoveError) {
        try NftTable(name: table).remove()
        // Behind the rules, which would mark more of them.
        try TrackedConnections.forget(mark: mark(of: Self.own), mask: 0xffff_ff00, unanswered: false)
        try NeededSetting.noPickUp.release()
        try NeededSetting.forwarding.release()
    }
}
