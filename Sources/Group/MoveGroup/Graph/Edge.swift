import Records

/// How two nodes belong together: a relation of the record format, or no more than that they do.
public enum Link: UInt8, Sendable, CaseIterable {
    case file, spawn, connect, accept, listen, ipc
    /// A row of a dependency list of four columns, which does not say how.
    case listed

    /// The same word as a record's.
    public init(_ relation: Relation) {
        switch relation {
        case .file: self = .file
        case .spawn: self = .spawn
        case .connect: self = .connect
        case .accept: self = .accept
        case .listen: self = .listen
        case .ipc: self = .ipc
        }
    }

    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .file: "file"
        case .spawn: "spawn"
        case .connect: "connect"
        case .accept: "accept"
        case .listen: "listen"
        case .ipc: "ipc"
        case .listed: "listed"
        }
    }
}

/// The number of an edge in a graph.
public struct EdgeID: Hashable, Comparable, Sendable {
    /// Position in the graph.
    public let rawValue: UInt32
    /// Makes a number from a position.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Edges met earlier come first.
    public static func < (left: EdgeID, right: EdgeID) -> Bool { left.rawValue < right.rawValue }
}

/// Link, access and evidence of an edge in one byte.
public struct EdgeMark: Hashable, Sendable, BitwiseCopyable {
    let bits: UInt8

    /// Makes a mark; `evidence` is `nil` where the input does not say.
    public init(_ link: Link, access: Access = [], evidence: Evidence? = nil) {
        bits = link.rawValue << 5 | (access.rawValue & 7) << 2 | (evidence?.rawValue ?? 3)
    }

    /// How the two belong together.
    @inline(__always)
    public var link: Link { Link(rawValue: bits >> 5).unsafelyUnwrapped }
    /// file: the letters seen.
    @inline(__always)
    public var access: Access { Access(rawValue: bits >> 2 & 7) }
    /// How it is known; `nil` where the input did not say.
    public var evidence: Evidence? { Evidence(rawValue: bits & 3) }
    /// Strength of the evidence for choosing between reasons; what a list states counts as exact.
    @inline(__always)
    var strength: UInt8 { min(bits & 3, Evidence.exact.rawValue) }
}

/// What is known of an edge beside its ends and its mark.
public struct EdgeDetail: Sendable, BitwiseCopyable {
    /// Observations; 0 if not known.
    public var count: UInt64 = 0
    /// First observation, nanoseconds since 1970; 0 if not known.
    public var first: UInt64 = 0
    /// Last observation, nanoseconds since 1970; 0 if not known.
    public var last: UInt64 = 0
    /// connect, accept: payload bytes that the edge's first end sent.
    public var sent: UInt64 = 0
    /// connect, accept: payload bytes that it received.
    public var received: UInt64 = 0
    /// The node of the endpoint or of the channel over which two programs meet, plus one; 0: none.
    var viaPlusOne: UInt32 = 0
    /// The input that reported it; equal dependencies of one input add up, those of two are the same.
    public var source: UInt16 = 0
    var kindBits: UInt8 = 0
    /// The change number of the record, by the daemon of the host of the edge's first end; 0 if not known.
    public var change: UInt32 = 0

    /// The node of the endpoint or of the channel over which two programs meet.
    public var via: NodeID? {
        get { viaPlusOne == 0 ? nil : NodeID(rawValue: viaPlusOne - 1) }
        set { viaPlusOne = newValue.map { $0.rawValue + 1 } ?? 0 }
    }

    /// file: the type of the file.
    public var kind: FileKind {
        get { FileKind(rawValue: kindBits) ?? .regular }
        set { kindBits = newValue.rawValue }
    }

    /// Nothing known.
    public init() {}
}

/// A detail as it is kept: without what few edges have, which stands in columns of its own.
private struct KeptDetail: BitwiseCopyable {
    private let count, first, last: UInt64
    private let viaPlusOne: UInt32
    private let source: UInt16
    private let kindBits: UInt8

    @inline(__always)
    init(_ detail: EdgeDetail) {
        (count, first, last) = (detail.count, detail.first, detail.last)
        (viaPlusOne, source, kindBits) = (detail.viaPlusOne, detail.source, detail.kindBits)
    }

    @inline(__always)
    var detail: EdgeDetail {
        var detail = EdgeDetail()
        (detail.count, detail.first, detail.last) = (count, first, last)
        (detail.viaPlusOne, detail.source, detail.kindBits) = (viaPlusOne, source, kindBits)
        return detail
    }
}

/// Bytes that went over an edge.
private struct KeptTraffic: BitwiseCopyable {
    var sent: UInt64 = 0
    var received: UInt64 = 0
}

/// A dependency between two nodes, from the program that has it to its object.
public struct Edge: Sendable {
    /// The program that depends.
    public var from: NodeID
    /// What it depends on.
    public var to: NodeID
    /// How, and how it is known.
    public var mark: EdgeMark
}

/// The edges of a graph, column by column; the details only where some input has them.
struct EdgeTable: ~Copyable {
    private(set) var from = Column<UInt32>()
    private(set) var to = Column<UInt32>()
    private(set) var marks = Column<EdgeMark>()
    /// Empty, or as long as the others.
    private var details = Column<KeptDetail>()
    /// Change numbers: of daemons' dumps and stores, not of lists. As long as the others, or shorter: those behind have none.
    private var changes = Column<UInt32>()
    /// Of connections; as long as the others, or shorter, too.
    private var traffic = Column<KeptTraffic>()

    init() {}

    /// A table with the same edges.
    borrowing func copied() -> EdgeTable {
        var copy = EdgeTable()
        copy.from = from.copied()
        copy.to = to.copied()
        copy.marks = marks.copied()
        copy.details = details.copied()
        copy.changes = changes.copied()
        copy.traffic = traffic.copied()
        return copy
    }

    var count: Int { from.count }

    var footprint: Int {
        from.footprint + to.footprint + marks.footprint + details.footprint + changes.footprint
            + traffic.footprint
    }

    /// Half of the numbers that 32 bits have, since each edge stands twice in the adjacency.
    static let limit = Int(UInt32.max / 2)

    /// Makes room for so many in all.
    ///
    /// - Parameter hasDetails: whether those to come have details and change numbers, as records have.
    mutating func reserve(_ count: Int, hasDetails: Bool = false) {
        from.reserve(count)
        to.reserve(count)
        marks.reserve(count)
        if hasDetails || details.count > 0 { details.reserve(count) }
        if hasDetails { changes.reserve(count) }
    }

    @inline(__always)
    mutating func append(_ from: UInt32, _ to: UInt32, _ mark: EdgeMark) {
        precondition(count < Self.limit, "2 thousand million dependencies")
        self.from.append(from)
        self.to.append(to)
        marks.append(mark)
        if details.count > 0 { details.append(Self.none) }
    }

    private static var none: KeptDetail { KeptDetail(EdgeDetail()) }

    mutating func append(_ from: UInt32, _ to: UInt32, _ mark: EdgeMark, _ detail: EdgeDetail) {
        // What came before without details has none.
        if details.count < count { details.append(repeating: Self.none, count: count - details.count) }
        if detail.change != 0 {
            if changes.count < count { changes.append(repeating: 0, count: count - changes.count) }
            changes.append(detail.change)
        }
        if detail.sent | detail.received != 0 {
            traffic.append(repeating: KeptTraffic(), count: count - traffic.count)
            traffic.append(KeptTraffic(sent: detail.sent, received: detail.received))
        }
        precondition(count < Self.limit, "2 thousand million dependencies")
        self.from.append(from)
        self.to.append(to)
        marks.append(mark)
        details.append(KeptDetail(detail))
    }

    /// Adds edges of equal mark, whose ends are written afterwards, through what `ends` lends.
    mutating func extend(by more: Int, _ mark: EdgeMark) {
        precondition(count + more <= Self.limit, "2 thousand million dependencies")
        marks.spare(more).initialize(repeating: mark, count: more)
        marks.took(more)
        _ = from.spare(more)
        from.took(more)
        _ = to.spare(more)
        to.took(more)
        if details.count > 0 { details.append(repeating: Self.none, count: more) }
    }

    /// Both ends of all edges from one on.
    struct Ends {
        var from: UnsafeMutablePointer<UInt32>
        var to: UnsafeMutablePointer<UInt32>
        var count: Int
    }

    /// Lends the ends of all edges from one on; until the next edge is added.
    func ends(from first: Int) -> Ends? {
        from.withElements { from in
            to.withElements { to in
                guard let from = from.baseAddress, let to = to.baseAddress, first < count else { return nil }
                return Ends(from: from + first, to: to + first, count: count - first)
            }
        }
    }

    /// Corrects the numbers of nodes that the second of two threads gave.
    func renumber(from first: Int, late shift: UInt32) {
        guard let ends = ends(from: first) else { return }
        for column in [ends.from, ends.to] {
            for row in 0..<ends.count { column[row] &+= column[row] & NodeTable.lateBit == 0 ? 0 : shift }
        }
    }

    subscript(edge: EdgeID) -> Edge {
        let row = Int(edge.rawValue)
        return Edge(from: NodeID(rawValue: from[row]), to: NodeID(rawValue: to[row]), mark: marks[row])
    }

    func detail(_ edge: EdgeID) -> EdgeDetail {
        let row = Int(edge.rawValue)
        guard details.count > 0 else { return EdgeDetail() }
        var detail = details[row].detail
        if row < changes.count { detail.change = changes[row] }
        if row < traffic.count { (detail.sent, detail.received) = (traffic[row].sent, traffic[row].received) }
        return detail
    }

    mutating func shrink() {
        from.shrink()
        to.shrink()
        marks.shrink()
        details.shrink()
        changes.shrink()
        traffic.shrink()
    }
}

/// For each node the edges at it, in both directions (compressed sparse rows).
struct Adjacency: ~Copyable {
    /// Node `n`'s entries are those from `starts[n]` to `starts[n + 1]`.
    private var starts: Column<UInt32>
    /// Number of the edge times two, plus one where the edge leads to the node.
    private var entries: Column<UInt32>

    /// - Parameter area: what may be used for it.
    init(nodes: Int, edges: borrowing EdgeTable, in area: consuming UsedArea) {
        // Two places ahead, so that filling leaves every start where it belongs.
        starts = Column(zeroes: nodes + 2)
        // Each of them is written below.
        entries = Column(unwritten: edges.count * 2, in: area)
        starts.withElements { starts in
            edges.from.withElements { for node in $0 { starts[Int(node) + 2] += 1 } }
            edges.to.withElements { for node in $0 { starts[Int(node) + 2] += 1 } }
            for node in 2..<starts.count { starts[node] += starts[node - 1] }
            entries.withElements { entries in
                edges.from.withElements { from in
                    edges.to.withElements { to in
                        for edge in 0..<from.count {
                            let source = Int(from[edge]) + 1
                            entries[Int(starts[source])] = UInt32(edge) << 1
                            starts[source] += 1
                            let target = Int(to[edge]) + 1
                            entries[Int(starts[target])] = UInt32(edge) << 1 | 1
                            starts[target] += 1
                        }
                    }
                }
            }
        }
    }

    var footprint: Int { starts.footprint + entries.footprint }

    @inline(__always)
    func range(_ node: UInt32) -> Range<Int> { Int(starts[Int(node)])..<Int(starts[Int(node) + 1]) }

    @inline(__always)
    subscript(position: Int) -> UInt32 { entries[position] }
}
