import Records

/// Programs, files, endpoints and channels of all hosts, and what depends on what.
///
/// Made by a `GraphBuilder`; never changed after.
public final class DependencyGraph {
    let nodes: NodeTable
    let edges: EdgeTable
    let adjacency: Adjacency
    /// The hosts by number; the first stands for "none".
    public let hosts: [GraphHost]
    /// The inputs by number.
    public let sources: [GraphInput]
    /// Whether an input has nothing but pairs (a list of four columns).
    public let hasEntries: Bool
    /// Whether there are pipes and the like of which the other end is not known.
    let hasNameless: Bool
    /// Names under which programs are executed that are not those of their files, by node.
    let called: [UInt32: [[UInt8]]]
    private let processes: [UInt32: ProcessDescription]

    init(
        nodes: consuming NodeTable, edges: consuming EdgeTable, hosts: [GraphHost], sources: [GraphInput],
        hasEntries: Bool, hasNameless: Bool, called: [UInt32: [[UInt8]]] = [:],
        processes: [UInt32: ProcessDescription] = [:]
    ) {
        self.called = called
        self.processes = processes
        let index = nodes.close()
        edges.shrink()
        adjacency = Adjacency(nodes: nodes.count, edges: edges, in: index)
        self.nodes = nodes
        self.edges = edges
        self.hosts = hosts
        self.sources = sources
        self.hasEntries = hasEntries
        self.hasNameless = hasNameless
    }

    /// How many nodes there are.
    public var nodeCount: Int { nodes.count }
    /// How many edges there are.
    public var edgeCount: Int { edges.count }
    /// Bytes of memory in use.
    public var footprint: Int { nodes.footprint + edges.footprint + adjacency.footprint }

    /// What a node stands for.
    @inline(__always)
    public func kind(_ node: NodeID) -> NodeKind {
        NodeKind(rawValue: UInt8(truncatingIfNeeded: nodes.tag(node.rawValue) & 7)).unsafelyUnwrapped
    }

    /// The host that a node is on; `.none` for an endpoint that no observed host has.
    @inline(__always)
    public func host(_ node: NodeID) -> HostID { HostID(rawValue: nodes.tag(node.rawValue) >> 3) }

    /// A host by its number.
    public subscript(host: HostID) -> GraphHost { hosts[Int(host.rawValue)] }

    /// What a program ran with when the latest dump was made that says so.
    public func process(of program: NodeID) -> ProcessDescription? { processes[program.rawValue] }

    /// Whether a channel has no name: not one object, but all of its kind whose other end is not known.
    func isNameless(_ channel: NodeID) -> Bool { nodes.withText(channel.rawValue) { $0.count == 1 } }

    /// What a node says.
    public subscript(node: NodeID) -> Node {
        nodes.withText(node.rawValue) { Node(kind: kind(node), text: $0) }
    }

    /// Lends the path of a file or entry without a copy; of other nodes the bytes they are kept as.
    @inline(__always)
    public func withText<Result>(_ node: NodeID, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        nodes.withText(node.rawValue, body)
    }

    /// The ends and the mark of an edge.
    public subscript(edge: EdgeID) -> Edge { edges[edge] }

    /// The end of an edge that is not the given one.
    func end(of edge: EdgeID, opposite node: NodeID) -> NodeID {
        let ends = self[edge]
        return ends.from == node ? ends.to : ends.from
    }

    /// Count, times and traffic of an edge.
    public func detail(_ edge: EdgeID) -> EdgeDetail { edges.detail(edge) }

    /// An edge seen from one of its ends.
    public struct Incidence: Sendable {
        /// The edge.
        public var edge: EdgeID
        /// The node at its other end.
        public var other: NodeID
        /// Whether the edge leads from the other end to this one.
        public var isIncoming: Bool
        /// Link, access and evidence.
        public var mark: EdgeMark
    }

    /// Calls `body` with every edge at a node, in the order in which they were met.
    @inline(__always)
    public func forEachEdge(at node: NodeID, _ body: (Incidence) -> Void) {
        for position in adjacency.range(node.rawValue) {
            let entry = adjacency[position]
            let row = Int(entry >> 1)
            let isIncoming = entry & 1 != 0
            let other = isIncoming ? edges.from[row] : edges.to[row]
            body(
                Incidence(
                    edge: EdgeID(rawValue: entry >> 1), other: NodeID(rawValue: other),
                    isIncoming: isIncoming, mark: edges.marks[row]))
        }
    }
}

/// A host, as all inputs together know it.
public struct GraphHost: Sendable {
    /// Its id: what dumps name it by, or the address that a list has.
    public var id: String
    /// Its name; empty if no input states it.
    public var name: String
    /// Its addresses, loopback left out, in the order in which they were met.
    public var addresses: [NetworkAddress]
    /// The first and last moment of which something is known, nanoseconds since 1970; 0 if no input states it.
    public var observed: ClosedRange<UInt64>
    /// Spans in which events were lost.
    public var gaps: [Gap]

    /// Makes a host of which only the id is known; an id that is an address is its address.
    public init(id: String) {
        self.id = id
        name = ""
        addresses = NetworkAddress(id).map { $0.isLoopback || $0.isWildcard ? [] : [$0] } ?? []
        observed = 0...0
        gaps = []
    }

    /// What to call it: its name if it has one.
    public var title: String { name.isEmpty ? id : name }
}

/// An input: a dump, a store, a list.
public struct GraphInput: Sendable {
    /// For messages: the path of the file.
    public var name: String
    /// Dependencies read from it.
    public var rows: Int
    /// Lines that could not be read and were skipped, since that was asked for.
    public var skipped: Int

    /// Makes an input of which nothing was read.
    public init(name: String) {
        self.name = name
        rows = 0
        skipped = 0
    }
}
