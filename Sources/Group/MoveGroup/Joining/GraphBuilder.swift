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
    /// Whose each address is; `.none` where several hosts have it.
    private var addressOwners: [NetworkAddress: HostID] = [:]
    /// What `hosts` has of addresses and gaps, so that taking in one more does not compare it with all.
    private(set) var hostAddresses: Set<HostAddress> = []
    private var hostGaps: Set<HostGap> = []
    var sources: [Source] = []
    /// How many ends and addresses pairing compared.
    var comparedEnds = 0
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
        let host = Host(id: id)
        hosts.append(host)
        hostNumbers[id] = number
        for address in host.addresses { own(address, number) }
        return number
    }

    /// The host that a list names: by its id, or by an address that exactly one known host has.
    mutating func listedHost(_ name: String) -> HostID {
        if let known = hostNumbers[name] { return known }
        if let address = NetworkAddress(name), let owner = addressOwners[address], owner != .none {
            hostNumbers[name] = owner
            return owner
        }
        return host(id: name)
    }

    /// Notes that a host has an address; says whether that is new.
    @discardableResult
    private mutating func own(_ address: NetworkAddress, _ host: HostID) -> Bool {
        guard hostAddresses.insert(HostAddress(host: host, address: address)).inserted else { return false }
        addressOwners[address] = addressOwners[address] == nil ? host : HostID.none
        return true
    }

    /// Takes in what an input tells about a host.
    mutating func learn(
        _ host: HostID, name: String = "", addresses: [NetworkAddress] = [], from: UInt64 = 0, to: UInt64 = 0
    ) {
        let place = Int(host.rawValue)
        // Of two names the smaller stands, so that the order of inputs does not matter.
        if !name.isEmpty, hosts[place].name.isEmpty || name < hosts[place].name { hosts[place].name = name }
        for address in addresses where !address.isLoopback && !address.isWildcard {
            if own(address, host) { hosts[place].addresses.append(address) }
        }
        if to != 0 {
            let known = hosts[place].observed
            let lower = known.upperBound == 0 ? from : min(known.lowerBound, from)
            hosts[place].observed = min(lower, to)...max(known.upperBound, to)
        }
    }

    mutating func addGaps(_ gaps: [Gap], to host: HostID) {
        for gap in gaps where hostGaps.insert(HostGap(host: host, gap: gap)).inserted {
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
        hostGaps = []
        pairing.resolve(&self)
        return DependencyGraph(
            nodes: nodes, edges: edges, hosts: hosts, sources: sources, hasEntries: hasEntries,
            hasNameless: hasNameless)
    }
}

/// An address of a host.
struct HostAddress: Hashable {
    var host: HostID
    var address: NetworkAddress
}

/// A gap of a host.
private struct HostGap: Hashable {
    var host: HostID
    var gap: Gap
}
