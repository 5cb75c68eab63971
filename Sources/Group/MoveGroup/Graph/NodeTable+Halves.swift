import Glibc

/// One half of the index of a table, to which one thread adds nodes while another adds to the other half.
///
/// All the memory that it may need is there before: nothing is allocated, moved or grown, and the two write
/// to slots, words and places apart from each other. A node in one half is never looked at by the other.
struct NodeHalf {
    fileprivate(set) var arena: UnsafeMutablePointer<UInt32>
    fileprivate(set) var slots: UnsafeMutablePointer<UInt64>
    fileprivate(set) var mask: Int
    /// Where the places of the nodes to come are written.
    fileprivate(set) var places: UnsafeMutablePointer<UInt32>
    fileprivate(set) var free: Range<Int>
    /// The words of the whole arena.
    fileprivate let end: Int
    /// The number of the first node to come.
    fileprivate(set) var number: UInt32
    fileprivate(set) var added = 0
    fileprivate let isUpper: Bool

    /// Looks at the place where a node's search begins, so that it is at hand soon after.
    @inline(__always)
    func peek(_ hash: UInt64) -> UInt64 { slots[Int(truncatingIfNeeded: hash) & mask] }

    /// Looks at both ends of the entry that stands there, if one does, for a text of so many bytes.
    @inline(__always)
    func peekEntry(_ hash: UInt64, _ count: Int) -> UInt64 {
        let slot = peek(hash)
        // Place 0 is not used: looking there does no harm, and saves a branch that is hard to predict.
        let place = slot >> 32 == hash >> 32 ? Int(slot & 0xffff_ffff) : 0
        let far = place == 0 ? 0 : min(place + 3 + count / 4, end - 1)
        return UInt64(arena[place]) ^ UInt64(arena[far])
    }

    /// The number of a node, a new one if it was not met before.
    @inline(__always)
    mutating func intern(_ tag: UInt32, _ text: UnsafeRawPointer, _ count: Int, hash: UInt64) -> UInt32 {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let found = slots[slot]
            if found == 0 { return add(tag, text, count, hash: hash, slot: slot) }
            if found >> 32 == hash >> 32 {
                let entry = arena + Int(found & 0xffff_ffff)
                if entry[1] == tag, Int(entry[2]) == count,
                    memcmp(entry + NodeTable.headWords, text, count) == 0
                {
                    return entry[0]
                }
            }
            slot = (slot + 1) & mask
        }
    }

    @inline(__always)
    private mutating func add(
        _ tag: UInt32, _ text: UnsafeRawPointer, _ count: Int, hash: UInt64, slot: Int
    ) -> UInt32 {
        let words = NodeTable.words(of: count)
        precondition(words <= free.count, "more names than room was made for")
        let place = isUpper ? free.upperBound - words : free.lowerBound
        free = isUpper ? free.lowerBound..<place : place + words..<free.upperBound
        arena[place] = number
        arena[place + 1] = tag
        arena[place + 2] = UInt32(count)
        memcpy(arena + place + NodeTable.headWords, text, count)
        slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(place)
        places[added] = UInt32(place)
        added += 1
        defer { number += 1 }
        return number
    }
}

extension NodeTable {
    /// The most that a half can be asked to take in at a time.
    struct Need {
        /// Nodes.
        var nodes = 0
        /// Words of their entries.
        var words = 0

        mutating func add(_ other: Need) {
            nodes += other.nodes
            words += other.words
        }
    }

    /// Whether two threads added to it last.
    var isOfHalves: Bool { lateShift != 0 }

    /// Prepares the table for two threads; they take turns with plain adding until `endHalves`.
    mutating func beginHalves() {
        // The second one's share of what `reserve` made room for.
        late.reserve(places.spareCount * 17 / 32)
        guard lateShift != 0 else { return }
        // Nodes that a second thread added before get their numbers into their entries.
        for node in 0..<places.count { arena[Int(places[node])] = UInt32(node) }
        lateShift = 0
    }

    /// Lends both halves of the index, with room for what they need.
    mutating func halves(_ lower: Need, _ upper: Need) -> (lower: NodeHalf, upper: NodeHalf) {
        precondition(count + late.count + lower.nodes + upper.nodes < Int(Self.lateBit), "too many names")
        growIndex(for: lower.nodes, upper.nodes)
        ensure(words: lower.words + upper.words)
        // What the lower one takes in ends before what the upper one does begins.
        let middle = free.lowerBound + lower.words
        return (
            NodeHalf(
                arena: arena, slots: slots, mask: mask, places: places.spare(lower.nodes),
                free: free.lowerBound..<middle, end: capacity, number: UInt32(places.count), isUpper: false),
            NodeHalf(
                arena: arena, slots: slots + mask + 1, mask: mask, places: late.spare(upper.nodes),
                free: middle..<free.upperBound, end: capacity, number: Self.lateBit | UInt32(late.count),
                isUpper: true)
        )
    }

    /// Takes in what was added to both halves.
    mutating func take(_ lower: NodeHalf, _ upper: NodeHalf) {
        places.took(lower.added)
        late.took(upper.added)
        filled.lower += lower.added
        filled.upper += upper.added
        free = lower.free.lowerBound..<upper.free.upperBound
    }

    /// Puts the nodes that the second thread added behind the others, and says what must be added to the
    /// numbers that have `lateBit` (wrapping).
    mutating func endHalves() -> UInt32 {
        lateShift = UInt32(places.count) &- Self.lateBit
        late.withElements { late in
            guard let start = late.baseAddress else { return }
            places.spare(late.count).initialize(from: start, count: late.count)
            places.took(late.count)
        }
        late = Column()
        return lateShift
    }
}
