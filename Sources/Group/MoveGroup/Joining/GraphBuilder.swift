import Records

/// Joins dumps, stores and lists into one graph.
///
/// Inputs may come in any order and more than once: the graph says the same. Hosts are told apart by id; a
/// host that a list names by an address is the host of that address if a dump added before tells of one.
/// ```
/// var builder = GraphBuilder()
/// builder.add(dump, from: "db1.ndjson")
/// let graph = builder.finish()
/// ```
public struct GraphBuilder: ~Copyable {
    var nodes = NodeTable()
    var edges = EdgeTable()
    var sockets = OpenSockets()
    private(set) var hosts: [Host] = [Host(id: "")]
    private var hostNumbers: [String: HostID] = [:]
    var sources: [Source] = []
    var hasEntries = false
    var hasNameless = false
    private var scratch: [UInt8] = []

    /// Makes a builder without any input.
    public init() {}

    /// How many dependencies were taken, for progress.
    public var rows: Int { edges.count + sockets.count }

    /// Begins an input.
    mutating func begin(_ name: String) -> UInt16 {
        precondition(sources.count < Int(UInt16.max), "more than 65,535 inputs")
        sources.append(Source(name: name))
        return UInt16(sources.count - 1)
    }

    /// The number of a host, a new one if it was not met before.
    mutating func host(id: String) -> HostID {
        if let known = hostNumbers[id] { return known }
        let number = HostID(rawValue: UInt32(hosts.count))
        precondition(hosts.count < NodeTag.mostHosts, "too many hosts")
        hosts.append(Host(id: id))
        hostNumbers[id] = number
        return number
    }

    /// The host that a list names: by its id, or by an address that exactly one known host has.
    mutating func listedHost(_ name: String) -> HostID {
        if let known = hostNumbers[name] { return known }
        if let address = NetworkAddress(name) {
            let owners = hosts.indices.dropFirst().filter { hosts[$0].addresses.contains(address) }
            if owners.count == 1 {
                let number = HostID(rawValue: UInt32(owners[0]))
                hostNumbers[name] = number
                return number
            }
        }
        return host(id: name)
    }

    /// Takes in what an input tells about a host.
    mutating func learn(
        _ host: HostID, name: String = "", addresses: [NetworkAddress] = [], from: UInt64 = 0, to: UInt64 = 0
    ) {
        var known = hosts[Int(host.rawValue)]
        // Of two names the smaller stands, so that the order of inputs does not matter.
        if !name.isEmpty, known.name.isEmpty || name < known.name { known.name = name }
        for address in addresses where !address.isLoopback && !address.isWildcard {
            if !known.addresses.contains(address) { known.addresses.append(address) }
        }
        if to != 0 {
            let lower = known.observed.upperBound == 0 ? from : min(known.observed.lowerBound, from)
            known.observed = min(lower, to)...max(known.observed.upperBound, to)
        }
        hosts[Int(host.rawValue)] = known
    }

    mutating func addGaps(_ gaps: [Gap], to host: HostID) {
        for gap in gaps where !hosts[Int(host.rawValue)].gaps.contains(gap) {
            hosts[Int(host.rawValue)].gaps.append(gap)
        }
    }

    /// The number of a node.
    mutating func intern(_ node: Node, on host: HostID) -> UInt32 {
        scratch.removeAll(keepingCapacity: true)
        node.appendText(to: &scratch)
        let tag = NodeTag.make(node.kind, host)
        return scratch.withUnsafeBytes { nodes.intern(tag, $0) }
    }

    /// The number of a file.
    mutating func internFile(_ path: UnsafeRawBufferPointer, on host: HostID) -> UInt32 {
        nodes.intern(NodeTag.make(.file, host), path)
    }

    /// Ends the joining: pairs sockets, and makes the graph.
    public consuming func finish(_ pairing: SocketPairing = SocketPairing()) -> DependencyGraph {
        pairing.resolve(&self)
        return DependencyGraph(
            nodes: nodes, edges: edges, hosts: hosts, sources: sources, hasEntries: hasEntries,
            hasNameless: hasNameless)
    }
}
