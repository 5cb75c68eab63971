/// Rows of four columns that are put into the graph together.
///
/// Nearly every row names something new, at a random place of a large index: a cache miss a row, and most of
/// the time. Looking at all the places of a batch first lets the processor fetch them side by side.
struct RowBatch: ~Copyable {
    /// One end of a row.
    struct End {
        var tag: UInt32 = 0
        /// Whether it is that of the row before.
        var isRepeated = false
        var path = HostCache.Field()
        var hash: UInt64 = 0
    }

    static let capacity = 32
    private let ends: UnsafeMutablePointer<End>
    private(set) var count = 0
    private var lastFrom: UInt32 = 0
    /// What looking ahead saw, kept so that it is not optimised away.
    private var seen: UInt64 = 0

    init() {
        ends = .allocate(capacity: Self.capacity * 2)
        ends.initialize(repeating: End(), count: Self.capacity * 2)
    }

    deinit { ends.deallocate() }

    var isFull: Bool { count == Self.capacity }

    @inline(__always)
    mutating func append(from: End, to: End) {
        precondition(count < Self.capacity)
        ends[count * 2] = from
        ends[count * 2 + 1] = to
        count += 1
    }

    /// Puts the rows into the graph, in order.
    mutating func flush(into builder: inout GraphBuilder) {
        for end in 0..<count * 2 where !ends[end].isRepeated {
            let bytes = ends[end].path.bytes
            ends[end].hash = builder.nodes.hash(ends[end].tag, bytes)
        }
        for end in 0..<count * 2 where !ends[end].isRepeated { seen ^= builder.nodes.peek(ends[end].hash) }
        for end in 0..<count * 2 where !ends[end].isRepeated {
            seen ^= builder.nodes.peekEntry(ends[end].hash)
        }
        for row in 0..<count {
            let from = ends[row * 2]
            if !from.isRepeated {
                lastFrom = builder.nodes.intern(from.tag, from.path.bytes, hash: from.hash)
            }
            let to = ends[row * 2 + 1]
            let node = builder.nodes.intern(to.tag, to.path.bytes, hash: to.hash)
            builder.edges.append(lastFrom, node, EdgeMark(.listed))
        }
        count = 0
    }
}
