import Glibc
import SystemCalls

/// Keeps new clients waiting while a service is at neither place: a table of its own in nftables.
///
/// What opens a connection is dropped and sent again by its client, as if the network were slow; what belongs to one that is open
/// passes. At the source the kernel itself lifts the hold when nobody renews it: an agent that dies leaves no service dark for
/// longer. At the destination it stays until it is lifted, since there clients must not be let in by chance; what comes from
/// the host itself passes there, which is the private door for checks.
struct Hold {
    /// In which family `inet` table.
    let table: String
    let ports: [ServicePort]
    /// Seconds after which the kernel lifts it; `nil` for never.
    let within: Int?
    /// What is sent to this address alone; `nil` for whatever comes.
    let address: String?

    init(name: String, ports: [ServicePort], within: Int?, address: String? = nil) {
        self.address = address
        table = "retinue_" + Self.word(name)
        self.ports = ports.filter { !$0.isLoopback || within != nil }
        self.within = within
    }

    /// A name as nftables takes it.
    static func word(_ name: String) -> String {
        String(
            name.utf8.prefix(24).map { byte in
                Character(
                    UnicodeScalar(
                        (48...57).contains(byte) || (97...122).contains(byte | 32) ? byte : UInt8(ascii: "_"))
                )
            })
    }

    /// What nft(8) reads: the table made anew, in one transaction.
    var text: String {
        func set(_ isTCP: Bool) -> String {
            let numbers = Set(ports.filter { $0.isTCP == isTCP }.map(\.number)).sorted()
            let elements = numbers.map { within == nil ? "\($0)" : "\($0) timeout \(within!)s" }.joined(
                separator: ", ")
            return """
                  set \(isTCP ? "tcp" : "udp")_ports {
                    type inet_service\(within == nil ? "" : "; flags timeout")
                    \(elements.isEmpty ? "" : "elements = { \(elements) }")
                  }

                """
        }
        // A packet from elsewhere that names this host's own loopback does not come this far.
        let door = within == nil ? "    iifname \"lo\" accept\n" : ""
        let to = address.map { "\($0.contains(":") ? "ip6" : "ip") daddr \($0) " } ?? ""
        return NftTable(name: table).anew(
            """
            \(set(true))\(set(false))  chain prerouting {
                type filter hook prerouting priority -350; policy accept;
            \(door)    \(to)tcp dport @tcp_ports tcp flags & (syn | ack | rst | fin) == syn counter drop
                \(to)udp dport @udp_ports counter drop
              }

            """)
    }

    /// Loads it, or renews it; it is there when this returns.
    func load() throws(MoveError) {
        guard !ports.isEmpty else { return }
        // One process loads it and then asks the kernel for it: clients are held while it runs.
        try NftTable.load(text + "list table inet \(table)\n")
    }

    /// Lifts it; one that is not there is no error.
    static func lift(name: String) throws(MoveError) {
        let table = "retinue_" + word(name)
        try NftTable(name: table).remove()
    }
}
