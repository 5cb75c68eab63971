import MovePlan
import Records
import SystemCalls
import Transport

/// The way from the destination to what stays.
extension Departure {
    /// Addresses of what stays, that the programs connect to by TCP.
    var staying: [(address: String, port: UInt16)] {
        var found: [(address: String, port: UInt16)] = []
        for endpoint in order.plan.endpoints where endpoint.isOutgoing && endpoint.address.hasPrefix("tcp:") {
            let text = endpoint.address.dropFirst(4)
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
                Tunnel.isAddress(String(text[..<colon]))
            else { continue }
            let address = String(text[..<colon])
            if !found.contains(where: { $0.address == address }) { found.append((address, port)) }
        }
        return found
    }

    /// Those that the destination does not reach by itself.
    func unreachable() throws(MoveError) -> [String] {
        guard !staying.isEmpty else { return [] }
        let answer = try connected().ask(
            "reach",
            [
                .init(
                    "endpoints",
                    .array(
                        staying.map {
                            .object([
                                .init("address", .string($0.address)),
                                .init("port", .integer(Int128($0.port))),
                            ])
                        }))
            ])
        return (answer["unreachable"]?.array ?? []).compactMap(\.string)
    }

    /// Makes it, if that was ordered and it is needed; done again it is made anew.
    func beginTunnel() throws(MoveError) {
        guard order.tunnels, !journal.stands(.tunnel) else { return }
        let addresses = try unreachable()
        guard !addresses.isEmpty else { return }
        let tunnel = Tunnel(
            name: order.name, addresses: addresses, local: try Tunnel.ownAddress(towards: order.address),
            remote: order.address, isSource: true)
        try journal.write(.tunnel, .begun, tunnel.value)
        try tunnel.begin()
        try connected().ask("tunnel", [.init("tunnel", tunnel.reversed(name: order.name).value)])
        try journal.write(.tunnel, .done, tunnel.value)
    }

    /// After a restart of the host.
    func renewTunnel() throws(MoveError) {
        guard journal.stands(.tunnel), let tunnel = Tunnel(journal.detail(.tunnel) ?? .null, name: order.name)
        else { return }
        try tunnel.begin()
    }

    /// Removes this end; the destination removes its own.
    func endTunnel() throws(MoveError) {
        guard journal.stands(.tunnel) else { return }
        if let tunnel = Tunnel(journal.detail(.tunnel) ?? .null, name: order.name) { try tunnel.end() }
        try journal.write(.tunnel, .undone)
    }
}
