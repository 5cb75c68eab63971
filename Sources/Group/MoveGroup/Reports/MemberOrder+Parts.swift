import Glibc

/// Putting the members of each host and kind together.
extension MemberOrder {
    /// Puts the members of each host and kind one behind another, and says where those of each are.
    ///
    /// - Parameter isMany: whether there are so many that two threads do so.
    func place(_ group: MoveGroup, isMany: Bool) -> [Part] {
        let counts = PartCounts(hosts)
        // To read memory from end to end is many times faster than to jump about in it.
        if group.members.count > graph.nodeCount / 8, counts.slots < Int(UInt16.max) {
            placeByNumber(group, counts, isMany)
        } else {
            for node in group.members {
                let tag = graph.nodes.tag(node.rawValue)
                counts.count(tag, half: 0)
                if Self.isMade(tag) { makeText(of: node.rawValue) }
            }
            counts.add()
            for node in group.members {
                put(node.rawValue, at: counts.place(of: counts.slot(graph.nodes.tag(node.rawValue)), half: 0))
            }
        }
        return counts.parts(hosts)
    }

    /// Whether the graph keeps the text of a node in another form.
    @inline(__always)
    private static func isMade(_ tag: UInt32) -> Bool {
        tag & 7 == UInt32(NodeKind.endpoint.rawValue) || tag & 7 == UInt32(NodeKind.channel.rawValue)
    }

    @inline(__always)
    private func put(_ node: UInt32, at place: Int) {
        (nodes.baseAddress.unsafelyUnwrapped + place).initialize(to: node)
    }

    /// The same by the numbers of nodes, and in the order in which inputs named them: what an input had in order is in
    /// order.
    private func placeByNumber(_ group: MoveGroup, _ counts: PartCounts, _ isMany: Bool) {
        let nodeCount = graph.nodeCount
        let halves = [0..<nodeCount / 2, nodeCount / 2..<nodeCount]
        // One more than the slot; 0 for what is no member, or has its place. So is each node's entry read but once.
        let slots = Column<UInt16>(zeroes: nodeCount)
        let made = UnsafeMutablePointer<[UInt32]>.allocate(capacity: 2)
        made.initialize(repeating: [], count: 2)
        slots.withElements { slots in
            group.states.withUnsafeBufferPointer { states in
                ThreadPair.forBoth(isLarge: isMany) { half in
                    for node in halves[half] where states[node] != 0 {
                        let tag = graph.nodes.tag(UInt32(node))
                        slots[node] = UInt16(counts.count(tag, half: half) + 1)
                        if Self.isMade(tag) { made[half].append(UInt32(node)) }
                    }
                }
            }
            counts.add()
            if graph.nodes.isOfHalves {
                // Two threads that read a list number the nodes of neighbouring pieces out of turn; its rows are in order.
                placeByRow(slots, counts)
            } else {
                ThreadPair.forBoth(isLarge: isMany) { half in
                    for node in halves[half] where slots[node] != 0 {
                        put(UInt32(node), at: counts.place(of: Int(slots[node]) - 1, half: half))
                    }
                }
            }
        }
        for half in 0..<2 { for node in made[half] { makeText(of: node) } }
        made.deinitialize(count: 2)
        made.deallocate()
    }

    /// The same in the order of edges, and behind those the nodes that have none.
    private func placeByRow(_ slots: UnsafeMutableBufferPointer<UInt16>, _ counts: PartCounts) {
        var left = nodes.count
        @inline(__always)
        func take(_ node: UInt32) {
            let slot = slots[Int(node)]
            if slot == 0 { return }
            slots[Int(node)] = 0
            put(node, at: counts.place(of: Int(slot) - 1, half: 0))
            left -= 1
        }
        graph.edges.from.withElements { from in
            graph.edges.to.withElements { to in
                for row in from.indices {
                    take(from[row])
                    take(to[row])
                }
            }
        }
        if left > 0 { for node in 0..<UInt32(slots.count) { take(node) } }
    }
}

/// How many members each host and kind has, and then where the next one goes; those of the lower half of all numbers, and
/// those of the upper, each kept by one thread.
private final class PartCounts {
    /// For each host, in the order of outputs, one for each number that a kind may have.
    let slots: Int
    private let ranks: UnsafeMutablePointer<UInt32>
    /// Two for each slot, far enough apart for two threads.
    private let places: UnsafeMutablePointer<Int>
    private let upper: Int
    private var ends: [Int] = []

    init(_ hosts: HostOrder) {
        slots = hosts.ranks.count << 3
        ranks = .allocate(capacity: hosts.ranks.count)
        for (host, rank) in hosts.ranks.enumerated() { (ranks + host).initialize(to: rank) }
        upper = slots + 32
        places = .allocate(capacity: upper + slots)
        places.initialize(repeating: 0, count: upper + slots)
    }

    deinit {
        ranks.deallocate()
        places.deallocate()
    }

    /// The slot of a host and kind.
    @inline(__always)
    func slot(_ tag: UInt32) -> Int { Int(ranks[Int(tag >> 3)]) << 3 | Int(tag & 7) }

    /// Counts one member; says in which slot.
    @inline(__always)
    @discardableResult
    func count(_ tag: UInt32, half: Int) -> Int {
        let slot = slot(tag)
        places[half * upper + slot] += 1
        return slot
    }

    /// Ends counting: from now on it is known where each slot begins.
    func add() {
        var begin = 0
        for slot in 0..<slots {
            let (lower, higher) = (places[slot], places[upper + slot])
            places[slot] = begin
            places[upper + slot] = begin + lower
            begin += lower + higher
            ends.append(begin)
        }
    }

    /// Where the next member of a slot goes.
    @inline(__always)
    func place(of slot: Int, half: Int) -> Int {
        let place = places[half * upper + slot]
        places[half * upper + slot] = place + 1
        return place
    }

    /// What the slots with members stand for.
    func parts(_ hosts: HostOrder) -> [MemberOrder.Part] {
        var order = [HostID](repeating: .none, count: hosts.ranks.count)
        for (host, rank) in hosts.ranks.enumerated() { order[Int(rank)] = HostID(rawValue: UInt32(host)) }
        var parts: [MemberOrder.Part] = []
        var begin = 0
        for (slot, end) in ends.enumerated() where end > begin {
            if let kind = NodeKind(rawValue: UInt8(slot & 7)) {
                parts.append(MemberOrder.Part(host: order[slot >> 3], kind: kind, range: begin..<end))
            }
            begin = end
        }
        return parts
    }
}
