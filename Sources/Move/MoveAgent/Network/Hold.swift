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

    /// What nft(8) reads: the table made anew, in one transaction, which holds nobody yet.
    var text: String {
        func set(_ isTCP: Bool) -> String {
            "  set \(Self.set(isTCP)) { type inet_service\(within == nil ? "" : "; flags timeout"); }\n"
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

    private static func set(_ isTCP: Bool) -> String { isTCP ? "tcp_ports" : "udp_ports" }

    /// What has clients held, or held on: the sets emptied and filled in one transaction, since an element that is there would keep
    /// the time that it has.
    var change: NftElements {
        var change = NftElements(NftTable(name: table))
        for isTCP in [true, false] {
            change.flush(Self.set(isTCP))
            change.add(
                Set(ports.filter { $0.isTCP == isTCP }.map(\.number)).sorted().map {
                    .port($0, timeout: within)
                }, to: Self.set(isTCP))
        }
        return change
    }

    /// Makes the table, before clients have to wait for it.
    func prepare() throws(MoveError) {
        guard !ports.isEmpty else { return }
        try NftTable.load(text)
    }

    /// Holds clients, or holds them on; they are held when this returns.
    func load() throws(MoveError) {
        guard !ports.isEmpty else { return }
        do throws(SystemError) {
            do throws(SystemError) { try change.commit() } catch {
                // Whoever loads rules of his own may have removed it.
                guard error.code == ENOENT else { throw error }
                do throws(MoveError) { try prepare() } catch { throw SystemError("nft", code: EPROTO) }
                try change.commit()
            }
        } catch { throw MoveError("\(table): \(error)") }
    }

    /// Lets clients in; that there is no table is no error. It stays, until it is removed.
    static func letIn(name: String) throws(MoveError) {
        let table = NftTable(name: "retinue_" + word(name))
        var change = NftElements(table)
        for isTCP in [true, false] { change.flush(set(isTCP)) }
        do throws(SystemError) { try change.commit() } catch {
            if error.code != ENOENT { try table.remove() }
        }
    }

    /// Removes the table; one that is not there is no error.
    static func remove(name: String) throws(MoveError) {
        try NftTable(name: "retinue_" + word(name)).remove()
    }
}
