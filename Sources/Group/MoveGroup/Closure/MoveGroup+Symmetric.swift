extension MoveGroup {
    /// The group as the method was published: everything related, then everything related to that, until
    /// nothing new appears.
    static func symmetric(
        _ graph: DependencyGraph, _ options: ClosureOptions, from start: [NodeID]
    ) -> MoveGroup {
        var group = MoveGroup(graph, options, start: start)
        // Left to grow: a small group of a large graph shall touch little memory.
        var queue: [NodeID] = []
        group.states.withUnsafeMutableBufferPointer { states in
            group.ways.withUnsafeMutableBufferPointer { ways in
                for node in start where states[Int(node.rawValue)] == 0 {
                    states[Int(node.rawValue)] = MemberState.member
                    queue.append(node)
                }
            }
        }
        group.spread(&queue)
        group.members = queue
        return group
    }

    private mutating func spread(_ queue: inout [NodeID]) {
        let graph = graph
        var levels = [0]
        states.withUnsafeMutableBufferPointer { states in
            ways.withUnsafeMutableBufferPointer { ways in
                graph.edges.from.withElements { from in
                    graph.edges.to.withElements { to in
                        var head = 0
                        while head < queue.count {
                            let end = queue.count
                            levels.append(end)
                            while head < end {
                                for position in graph.adjacency.range(queue[head].rawValue) {
                                    let entry = graph.adjacency[position]
                                    let row = Int(entry >> 1)
                                    let other = entry & 1 != 0 ? from[row] : to[row]
                                    if states[Int(other)] != 0 { continue }
                                    states[Int(other)] = MemberState.member
                                    ways[Int(other)] = UInt32(row) + 1
                                    queue.append(NodeID(rawValue: other))
                                }
                                head += 1
                            }
                        }
                    }
                }
            }
        }
        // The last level is empty.
        levels.removeLast()
        self.levels = levels.isEmpty ? [0] : levels
    }
}
