/// For each node the edges at it, in both directions (compressed sparse rows).
struct Adjacency: ~Copyable {
    /// Node `n`'s entries are those from `starts[n]` to `starts[n + 1]`.
    private var starts: Column<UInt32>
    /// Number of the edge times two, plus one where the edge leads to the node.
    private var entries: Column<UInt32>

    init(nodes: Int, edges: borrowing EdgeTable) {
        // Two places ahead, so that filling leaves every start where it belongs.
        starts = Column(zeroes: nodes + 2)
        entries = Column(zeroes: edges.count * 2)
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
