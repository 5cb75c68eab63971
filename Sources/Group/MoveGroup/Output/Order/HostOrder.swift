/// The hosts of a graph in the order of outputs, which is that of their titles, and what outputs call them.
struct HostOrder {
    /// Position in the order, by the number of the host.
    let ranks: [UInt32]
    /// What to call it, by the number of the host: its title, its id where another host has that title.
    let labels: [String]

    init(_ hosts: [Host]) {
        let titles = hosts.map { Array($0.title.utf8) }
        let ids = hosts.map { Array($0.id.utf8) }
        let order = hosts.indices.sorted { left, right in
            titles[left] == titles[right]
                ? ids[left].lexicographicallyPrecedes(ids[right])
                : titles[left].lexicographicallyPrecedes(titles[right])
        }
        var ranks = [UInt32](repeating: 0, count: hosts.count)
        for (rank, host) in order.enumerated() { ranks[host] = UInt32(rank) }
        self.ranks = ranks
        var uses: [[UInt8]: Int] = [:]
        for host in hosts.indices {
            uses[titles[host], default: 0] += 1
            if ids[host] != titles[host] { uses[ids[host], default: 0] += 1 }
        }
        labels = hosts.indices.map { uses[titles[$0]] == 1 ? hosts[$0].title : hosts[$0].id }
    }
}
