import Glibc

/// What clients that stay have to be changed for a service that goes to another address: which address was used, and which one
/// takes its place.
public struct Reconnection: Equatable, Sendable {
    /// A port of the service: the same at both addresses.
    public struct Redirect: Hashable, Sendable {
        /// Whether it is TCP; else UDP.
        public let isTCP: Bool
        /// The address that clients use.
        public let old: String
        /// The address where the service is; of the same family.
        public let new: String
        /// The port.
        public let port: UInt16

        /// Makes one; `nil` if these are no addresses of one family.
        public init?(isTCP: Bool, old: String, new: String, port: UInt16) {
            guard let one = Self.family(old), one == Self.family(new), port > 0 else { return nil }
            (self.isTCP, self.old, self.new, self.port) = (isTCP, old, new, port)
        }

        var isIPv6: Bool { old.contains(":") }
        var transport: String { isTCP ? "tcp" : "udp" }

        static func family(_ text: String) -> Int32? {
            var (four, six) = (in_addr(), in6_addr())
            if inet_pton(AF_INET, text, &four) == 1 { return AF_INET }
            return inet_pton(AF_INET6, text, &six) == 1 ? AF_INET6 : nil
        }
    }

    /// What the move is called.
    public let name: String
    /// In order, each once.
    public let redirects: [Redirect]

    /// Makes one of redirects that are known.
    public init(name: String, redirects: [Redirect]) {
        (self.name, self.redirects) = (name, redirects)
    }

    /// That of a plan: ports of its members, at the addresses by which clients were seen to reach them, and at others that are
    /// named. An address of another family than the new one cannot be redirected, and is left out; so is loopback.
    public init(of plan: HostPlan, name: String, old: [String], new: String) {
        let ports = plan.ports.compactMap { PlannedAddress($0.address) }.filter { !$0.isLoopback }
        let seen = plan.endpoints.filter { !$0.isOutgoing }.compactMap { PlannedAddress($0.address) }
        var redirects: Set<Redirect> = []
        for port in ports {
            // A port number of a client's own is none of the service's.
            let used = seen.filter {
                $0.isTCP == port.isTCP && $0.port == port.port && !$0.isLoopback
            }.compactMap(\.host)
            for old in used + old + [port.host].compactMap({ $0 }) where old != new {
                if let redirect = Redirect(isTCP: port.isTCP, old: old, new: new, port: port.port) {
                    redirects.insert(redirect)
                }
            }
        }
        self.init(
            name: name,
            redirects: redirects.sorted {
                ($0.old, $0.port, $0.transport) < ($1.old, $1.port, $1.transport)
            })
    }

    /// The table's name in nft(8), in the family `inet`.
    public var table: String {
        "retinue_reconnect_"
            + String(
                name.utf8.prefix(24).map { byte in
                    Character(
                        UnicodeScalar(
                            (48...57).contains(byte) || (97...122).contains(byte | 32)
                                ? byte : UInt8(ascii: "_")))
                })
    }

    /// What nft(8) reads to take the table away, whether it is there or not.
    public var ending: String { "table inet \(table) {}\ndelete table inet \(table)\n" }

    /// What nft(8) reads on a client's host: what its programs, and those behind it, send to an old address goes to the new one
    /// (destination NAT). Connections that are open stay where they are.
    public var nftables: String {
        let rules = redirects.map {
            let new = $0.isIPv6 ? "[\($0.new)]" : $0.new
            let family = $0.isIPv6 ? "ip6" : "ip"
            return
                "    \(family) daddr \($0.old) \($0.transport) dport \($0.port) dnat \(family) to \(new):\($0.port)\n"
        }.joined()
        return ending + """
            table inet \(table) {
              chain output {
                type nat hook output priority -100; policy accept;
            \(rules)  }
              chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
            \(rules)  }
            }

            """
    }

    /// Lines for hosts(5), by the names under which clients know the service.
    public func hosts(names: [String]) -> String {
        let addresses = Set(redirects.map(\.new)).sorted()
        return addresses.map { "\($0) \(names.joined(separator: " ")) # retinue: \(name)\n" }.joined()
    }

    /// A NetworkPolicy of Kubernetes (`networking.k8s.io/v1`) that lets pods with the label `retinue/client: NAME` reach the
    /// service at its new address.
    public var networkPolicy: String {
        let label = String(
            name.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        var text = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: retinue-\(label)-clients
            spec:
              podSelector:
                matchLabels:
                  retinue/client: "\(label)"
              policyTypes:
                - Egress
              egress:

            """
        for new in Set(redirects.map(\.new)).sorted() {
            text += """
                    - to:
                        - ipBlock:
                            cidr: "\(new)/\(new.contains(":") ? 128 : 32)"
                      ports:

                """
            let ports = Set(
                redirects.filter { $0.new == new }.map { "\($0.isTCP ? "TCP" : "UDP") \($0.port)" })
            for port in ports.sorted() {
                let words = port.split(separator: " ")
                text += "        - protocol: \(words[0])\n          port: \(words[1])\n"
            }
        }
        return text
    }
}
