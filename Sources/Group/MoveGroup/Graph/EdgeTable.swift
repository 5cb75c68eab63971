/// The edges of a graph, column by column; the details only where some input has them.
struct EdgeTable: ~Copyable {
    private(set) var from = Column<UInt32>()
    private(set) var to = Column<UInt32>()
    private(set) var marks = Column<EdgeMark>()
    /// Empty, or as long as the others.
    private var details = Column<EdgeDetail>()

    init() {}

    var count: Int { from.count }

    var footprint: Int { from.footprint + to.footprint + marks.footprint + details.footprint }

    /// Half of the numbers that 32 bits have, since each edge stands twice in the adjacency.
    static let limit = Int(UInt32.max / 2)

    mutating func reserve(_ count: Int) {
        from.reserve(count)
        to.reserve(count)
        marks.reserve(count)
    }

    @inline(__always)
    mutating func append(_ from: UInt32, _ to: UInt32, _ mark: EdgeMark) {
        precondition(count < Self.limit, "2 thousand million dependencies")
        self.from.append(from)
        self.to.append(to)
        marks.append(mark)
        if details.count > 0 { details.append(EdgeDetail()) }
    }

    mutating func append(_ from: UInt32, _ to: UInt32, _ mark: EdgeMark, _ detail: EdgeDetail) {
        // What came before without details has none.
        if details.count < count { details.append(repeating: EdgeDetail(), count: count - details.count) }
        precondition(count < Self.limit, "2 thousand million dependencies")
        self.from.append(from)
        self.to.append(to)
        marks.append(mark)
        details.append(detail)
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
        if details.count > 0 { details.append(repeating: EdgeDetail(), count: more) }
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
        details.count == 0 ? EdgeDetail() : details[Int(edge.rawValue)]
    }

    mutating func shrink() {
        from.shrink()
        to.shrink()
        marks.shrink()
        details.shrink()
    }
}
