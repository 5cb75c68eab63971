import Glibc

/// The nodes of a graph, each known by kind, host and text, each kept once.
///
/// All entries lie in one arena, one behind another: number, tag (host and kind), length of the text, the
/// text, padded to four bytes. The index holds where an entry begins and half of its hash, so that a
/// look-up that misses touches nothing but the index, and one that hits one entry.
struct NodeTable: ~Copyable {
    /// The arena in words of four bytes; the first is not used, so that no entry begins at 0.
    private var arena: UnsafeMutablePointer<UInt32>
    private var used = 1
    private var capacity: Int
    /// Where each node's entry begins, in words.
    private var places = Column<UInt32>()
    /// Upper half: of the hash; lower half: place of the entry; 0 is free. A power of two of them.
    private var slots: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private let seed: UInt64

    private static let headWords = 3

    init() {
        capacity = 1 << 12
        arena = Self.grown(nil, capacity)
        mask = (1 << 10) - 1
        slots = Self.emptySlots(mask + 1)
        // A fixed seed would let a program choose names that all fall into one slot.
        seed = UInt64.random(in: .min ... .max)
    }

    deinit {
        free(arena)
        free(slots)
    }

    var count: Int { places.count }

    /// Bytes of memory in use.
    var footprint: Int { capacity * 4 + places.footprint + (mask + 1) * 8 }

    /// Makes room, so that a large input does not grow the index again and again.
    mutating func reserve(nodes: Int) {
        var wanted = mask + 1
        while wanted * 3 < nodes * 4 { wanted *= 2 }
        if wanted > mask + 1 { resize(to: wanted) }
        places.reserve(nodes)
        // As long names as so far, and a little more.
        guard count > 0 else { return }
        let words = min(Int(Double(used) / Double(count) * Double(nodes) * 1.05), Int(UInt32.max))
        if words > capacity {
            capacity = words
            arena = Self.grown(arena, capacity, isFinal: true)
        }
    }

    /// Gives back the index, which only adding needs.
    mutating func close() {
        free(slots)
        mask = 0
        slots = Self.emptySlots(1)
        places.shrink()
        capacity = used
        arena = Self.grown(arena, capacity)
    }

    @inline(__always)
    func tag(_ node: UInt32) -> UInt32 { arena[place(node) + 1] }

    /// Lends the text of a node.
    @inline(__always)
    func withText<Result, Failure: Error>(
        _ node: UInt32, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let place = place(node)
        return try body(
            UnsafeRawBufferPointer(start: arena + place + Self.headWords, count: Int(arena[place + 2])))
    }

    @inline(__always)
    private func place(_ node: UInt32) -> Int { Int(places[Int(node)]) }

    /// The hash of a node, to be given to `intern`, perhaps after a `prefetch`.
    @inline(__always)
    func hash(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt64 {
        guard let start = text.baseAddress else { return Self.mix(seed ^ UInt64(tag)) }
        return hash(tag, start, text.count)
    }

    /// Looks at the place where a node's search begins, so that it is at hand soon after.
    @inline(__always)
    func peek(_ hash: UInt64) -> UInt64 { slots[Int(truncatingIfNeeded: hash) & mask] }

    /// Looks at the entry that stands there, if one does.
    @inline(__always)
    func peekEntry(_ hash: UInt64) -> UInt64 {
        let slot = slots[Int(truncatingIfNeeded: hash) & mask]
        // Place 0 is not used: looking there does no harm.
        return slot >> 32 == hash >> 32 ? UInt64(arena[Int(slot & 0xffff_ffff)]) : 0
    }

    /// The number of a node, a new one if it was not met before.
    @inline(__always)
    mutating func intern(_ tag: UInt32, _ text: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
        var slot = Int(truncatingIfNeeded: hash) & mask
        let upper = hash >> 32
        while true {
            let entry = slots[slot]
            if entry == 0 { return add(tag, text, hash: hash, slot: slot) }
            if entry >> 32 == upper, let found = match(Int(entry & 0xffff_ffff), tag, text) { return found }
            slot = (slot + 1) & mask
        }
    }

    mutating func intern(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32 {
        intern(tag, text, hash: hash(tag, text))
    }

    /// The number of a node, if it was met. Only before `close`.
    func find(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32? {
        let hash = hash(tag, text)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32, let found = match(Int(slots[slot] & 0xffff_ffff), tag, text) {
                return found
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    @inline(__always)
    private func match(_ place: Int, _ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32? {
        guard arena[place + 1] == tag, Int(arena[place + 2]) == text.count else { return nil }
        guard let start = text.baseAddress, !text.isEmpty else { return arena[place] }
        return memcmp(arena + place + Self.headWords, start, text.count) == 0 ? arena[place] : nil
    }

    private mutating func add(
        _ tag: UInt32, _ text: UnsafeRawBufferPointer, hash: UInt64, slot: Int
    ) -> UInt32 {
        let words = Self.headWords + (text.count + 3) / 4
        if used + words > capacity { grow(words) }
        let number = UInt32(places.count)
        arena[used] = number
        arena[used + 1] = tag
        arena[used + 2] = UInt32(text.count)
        if let start = text.baseAddress { memcpy(arena + used + Self.headWords, start, text.count) }
        slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(used)
        places.append(UInt32(used))
        used += words
        if places.count * 4 > (mask + 1) * 3 { resize(to: (mask + 1) * 2) }
        return number
    }

    private mutating func grow(_ words: Int) {
        capacity = max(used + words, capacity + capacity / 2)
        precondition(capacity <= Int(UInt32.max), "16 GiB of names")
        arena = Self.grown(arena, capacity)
    }

    private mutating func resize(to size: Int) {
        free(slots)
        slots = Self.emptySlots(size)
        mask = size - 1
        // In the order of the arena: the texts are read one behind another.
        for node in 0..<places.count {
            let place = Int(places[node])
            let length = Int(arena[place + 2])
            let hash = hash(arena[place + 1], UnsafeRawPointer(arena + place + Self.headWords), length)
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(place)
        }
    }

    /// Eight bytes at a time, multiply and fold (the construction of wyhash), seeded.
    @inline(__always)
    private func hash(_ tag: UInt32, _ start: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var state = Self.mix(seed ^ (UInt64(tag) << 32 | UInt64(UInt32(truncatingIfNeeded: count))))
        if count >= 8 {
            var offset = 0
            while offset + 8 < count {
                state = Self.mix(state ^ start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                offset += 8
            }
            // The last eight, some of them for the second time.
            return Self.mix(state ^ start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
        }
        var tail: UInt64 = 0
        for offset in 0..<count {
            tail = tail << 8 | UInt64(start.load(fromByteOffset: offset, as: UInt8.self))
        }
        return Self.mix(state ^ tail)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }

    private static func grown(
        _ memory: UnsafeMutablePointer<UInt32>?, _ words: Int, isFinal: Bool = false
    ) -> UnsafeMutablePointer<UInt32> {
        LargeMemory.resize(memory, to: words * 4, isFinal: isFinal).bindMemory(
            to: UInt32.self, capacity: words)
    }

    private static func emptySlots(_ count: Int) -> UnsafeMutablePointer<UInt64> {
        LargeMemory.zeroes(count * 8).bindMemory(to: UInt64.self, capacity: count)
    }
}
