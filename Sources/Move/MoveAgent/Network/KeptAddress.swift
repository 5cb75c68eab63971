import Glibc

/// An address that stays where it is, while a service that moves alive goes on by it.
///
/// The host that keeps it hands packets for the service's ports on to the destination as they are (nft(8), `fwd`, Linux 4.18 with a
/// neighbour), before its own TCP would answer those of connections that it does not have any more. Nothing else of the address is touched.
/// The destination answers the clients itself. It has the address for its own programs alone, and nobody in the network learns that it has it.
struct KeptAddress {
    /// Of the move.
    let name: String
    let address: ServiceAddress

    /// IPv4 alone: a host answers for the IPv6 addresses of its other interfaces too, and has no table that keeps it from that.
    init?(_ text: String, name: String) {
        guard let address = ServiceAddress(text), address.bytes.count == 4 else { return nil }
        (self.name, self.address) = (name, address)
    }

    /// The interface by which clients reach it here; `nil` where this host does not keep it.
    func interface() throws(MoveError) -> String? {
        // Where `lo` has it, another host keeps it.
        let bytes = address.bytes
        return try InterfaceAddress.all(isIPv6: false).first { $0.bytes == bytes && $0.interface != "lo" }?
            .interface
    }

    // MARK: At the host that keeps it

    private var forwarding: NftTable { NftTable(name: "retinue_kept_" + Hold.word(name), family: "netdev") }

    func text(_ ports: [ServicePort], to host: String, of interface: String, by way: String) -> String {
        let numbers = Set(ports.filter(\.isTCP).map(\.number)).sorted().map(String.init)
        return forwarding.anew(
            """
              chain in {
                type filter hook ingress device "\(interface)" priority -400; policy accept;
                ip daddr \(address.address) tcp dport { \(numbers.joined(separator: ", ")) } counter fwd ip to \(host) device "\(way)"
              }

            """)
    }

    /// Why it cannot hand packets on to a host; `nil` where it can, or where another host keeps it.
    func obstacle(_ ports: [ServicePort], to host: String) throws(MoveError) -> String? {
        guard let interface = try interface() else { return nil }
        guard let there = ServiceAddress(host + "/32"), there.bytes.count == 4 else {
            return "--address-stays needs the destination's IPv4 address: --to HOST=ADDRESS"
        }
        guard let route = try Route.to(there.bytes), !route.isLocal, !route.hasGateway else {
            return
                "--address-stays: \(host) is not in a network of this host, and what lies between would send packets back"
        }
        do throws(MoveError) {
            // Not loaded: a kernel without it says so.
            try NftTable.load(
                text(ports, to: host, of: interface, by: route.interface), isTrial: true)
        } catch { return "--address-stays: this host cannot hand packets on: \(error)" }
        return nil
    }

    /// Begins to hand on what comes here; done again it changes nothing. Where another host keeps it there is nothing to be done.
    func forward(_ ports: [ServicePort], to host: String) throws(MoveError) {
        guard let interface = try interface(), let there = ServiceAddress(host + "/32"),
            let way = try Route.to(there.bytes)?.interface
        else { return }
        try NftTable.load(text(ports, to: host, of: interface, by: way))
    }

    static func endForwarding(name: String) throws(MoveError) {
        try NftTable(name: "retinue_kept_" + Hold.word(name), family: "netdev").remove()
    }

    // MARK: At the host that the service is at

    private static func silence(_ name: String) -> NftTable {
        NftTable(name: "retinue_silent_" + Hold.word(name), family: "arp")
    }

    /// Nobody is answered that asks who has the address, and whoever is asked from it learns this host's own (arp(7)).
    func silent(own: String) -> String {
        Self.silence(name).anew(
            """
              chain in {
                type filter hook input priority 0; policy accept;
                arp daddr ip \(address.address) drop
              }
              chain out {
                type filter hook output priority 0; policy accept;
                arp saddr ip \(address.address) arp saddr ip set \(own)
              }

            """)
    }

    /// Gives it to this host's programs alone; done again it changes nothing.
    func take() throws(MoveError) {
        // Once it is here, the way to its network is not found by it.
        if try address.interface() == nil {
            guard let route = try Route.to(address.bytes), !route.hasGateway, route.source.count == 4 else {
                throw MoveError("no interface of this host lies in the network of \(address.text)")
            }
            try NftTable.load(silent(own: route.source.map(String.init).joined(separator: ".")))
        }
        try alone.add(to: "lo")
    }

    func leave() throws(MoveError) {
        try alone.remove(from: "lo")
        try Self.silence(name).remove()
    }

    /// Without a route to the others of its net.
    private var alone: ServiceAddress { ServiceAddress(address.address + "/32")! }
}
