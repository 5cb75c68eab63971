import Glibc

/// The nodes of a graph, each known by kind, host and text, each kept once.
///
/// All entries lie in one arena, one behind another: number, tag (host and kind), length of the text, the
/// text, padded to four bytes. The index holds where an entry begins and half of its hash, so that a
/// look-up that misses touches nothing but the index, and one that hits one entry.
///
/// The index has two halves, distinguished by one bit of the hash, so that two threads can add at a time, each
/// to its own half (`NodeTable+Halves.swift`).
///
/// No `HashIndex`: its slots are one piece of memory with one owner, and it grows in the order of its slots, which
/// reads the texts here and there. Growing in the order of the arena spares a list of a million rows that comes
/// through a pipe, with no size known before, 12 % of its processor time, one of six million 15 %.
struct NodeTable: ~Copyable {
    /// The arena in words of four bytes; the first is not used, so that no entry begins at 0.
    var arena: UnsafeMutablePointer<UInt32>
    /// The free words: they are taken from the lower end; by the second of two threads from the upper.
    var free = 1..<1 << 12
    private(set) var capacity: Int
    /// Where each node's entry begins, in words.
    var places = Column<UInt32>()
    /// The same of the nodes that the second thread is adding.
    var late = Column<UInt32>()
    /// What makes the number of such a node from the one in its entry.
    var lateShift: UInt32 = 0
    /// Upper half: of the hash; lower half: place of the entry; 0 is free. Twice a power of two of them.
    var slots: UnsafeMutablePointer<UInt64>
    /// One less than the slots of one half.
    var mask: Int
    /// How many nodes each half of the index has.
    var filled = (lower: 0, upper: 0)
    private let seed: UInt64

    /// In the number of a node that the second thread added.
    static let lateBit: UInt32 = 1 << 31

    static let headWords = 3

    init() {
        capacity = 1 << 12
        arena = Self.grown(nil, from: 0, to: capacity)
        mask = (1 << 9) - 1
        slots = Self.emptySlots(mask + 1)
        // A fixed seed would let a program choose names that all fall into one slot.
        seed = UInt64.random(in: .min ... .max)
    }

    private init(copying other: borrowing NodeTable) {
        capacity = other.capacity
        arena = Self.grown(nil, from: 0, to: capacity)
        memcpy(arena, other.arena, other.free.lowerBound * 4)
        free = other.free
        places = other.places.copied()
        lateShift = other.lateShift
        mask = other.mask
        slots = Self.emptySlots(mask + 1)
        memcpy(slots, other.slots, (mask + 1) * 16)
        filled = other.filled
        seed = other.seed
    }

    /// A table with the same nodes under the same numbers; of one that two threads never added to.
    borrowing func copied() -> NodeTable {
        precondition(late.count == 0 && free.upperBound == capacity, "a table that two threads add to")
        return NodeTable(copying: self)
    }

    deinit {
        Glibc.free(arena)
        LargeMemory.release(zeroes: slots, (mask + 1) * 16)
    }

    var count: Int { places.count }

    /// Bytes of memory in use.
    var footprint: Int { (capacity - free.count) * 4 + places.footprint + (mask + 1) * 16 }

    /// Makes room, so that a large input does not grow the index again and again.
    mutating func reserve(nodes: Int) {
        var wanted = mask + 1
        while wanted * 6 < nodes * 4 { wanted *= 2 }
        if wanted > mask + 1 { resize(to: wanted) }
        places.reserve(nodes)
        // As long names as so far, and a little more.
        guard count > 0 else { return }
        let used = capacity - free.count
        let words = min(Int(Double(used) / Double(count) * Double(nodes) * 1.05), Int(UInt32.max))
        if words > capacity { growArena(to: words, isFinal: true) }
    }

    /// Gives up the index, which only adding needs; what comes next may use its memory.
    mutating func close() -> UsedArea {
        let index = UsedArea(zeroes: slots, (mask + 1) * 16)
        mask = 0
        slots = Self.emptySlots(1)
        places.shrink()
        // What lies between the words of two threads was never touched, and costs nothing.
        guard free.upperBound == capacity, free.count > capacity / 4 else { return index }
        arena = Self.grown(arena, from: capacity, to: free.lowerBound)
        capacity = free.lowerBound
        free = capacity..<capacity
        return index
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

    /// The hash of a node, to be given to `intern`, perhaps after a `peek`.
    @inline(__always)
    func hash(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt64 {
        TextHash(seed: seed).hash(text.baseAddress, text.count).tagged(tag)
    }

    /// Hashes texts as this table does.
    var textHash: TextHash { TextHash(seed: seed) }

    /// The number in an entry, corrected if the second thread gave it.
    @inline(__always)
    private func number(at place: Int) -> UInt32 {
        let number = arena[place]
        return number & Self.lateBit == 0 ? number : number &+ lateShift
    }

    /// The slot at which the search for a hash begins.
    @inline(__always)
    private func slot(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash) & mask | (hash.isUpperHalf ? mask + 1 : 0)
    }

    /// The slot behind one, in its half.
    @inline(__always)
    private func next(_ slot: Int) -> Int { slot & ~mask | (slot + 1) & mask }

    /// Looks at the place where a node's search begins, so that it is at hand soon after.
    @inline(__always)
    func peek(_ hash: UInt64) -> UInt64 { slots[slot(hash)] }

    /// Looks at the entry that stands there, if one does.
    @inline(__always)
    func peekEntry(_ hash: UInt64) -> UInt64 {
        let slot = slots[slot(hash)]
        // Place 0 is not used: looking there does no harm, and saves a branch that is hard to predict.
        return UInt64(arena[slot >> 32 == hash >> 32 ? Int(slot & 0xffff_ffff) : 0])
    }

    /// The number of a node, a new one if it was not met before.
    @inline(__always)
    mutating func intern(_ tag: UInt32, _ text: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
        var slot = slot(hash)
        let upper = hash >> 32
        while true {
            let entry = slots[slot]
            if entry == 0 { return add(tag, text, hash: hash, slot: slot) }
            if entry >> 32 == upper, let found = match(Int(entry & 0xffff_ffff), tag, text) { return found }
            slot = next(slot)
        }
    }

    mutating func intern(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32 {
        intern(tag, text, hash: hash(tag, text))
    }

    /// The number of a node, if it was met. Only before `close`.
    func find(_ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32? {
        let hash = hash(tag, text)
        var slot = slot(hash)
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32, let found = match(Int(slots[slot] & 0xffff_ffff), tag, text) {
                return found
            }
            slot = next(slot)
        }
        return nil
    }

    @inline(__always)
    private func match(_ place: Int, _ tag: UInt32, _ text: UnsafeRawBufferPointer) -> UInt32? {
        guard arena[place + 1] == tag, Int(arena[place + 2]) == text.count else { return nil }
        guard let start = text.baseAddress, !text.isEmpty else { return number(at: place) }
        return memcmp(arena + place + Self.headWords, start, text.count) == 0 ? number(at: place) : nil
    }

    private mutating func add(
        _ tag: UInt32, _ text: UnsafeRawBufferPointer, hash: UInt64, slot: Int
    ) -> UInt32 {
        let words = Self.words(of: text.count)
        ensure(words: words)
        let place = free.lowerBound
        let number = UInt32(places.count)
        arena[place] = number
        arena[place + 1] = tag
        arena[place + 2] = UInt32(text.count)
        if let start = text.baseAddress { memcpy(arena + place + Self.headWords, start, text.count) }
        slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(place)
        places.append(UInt32(place))
        free = place + words..<free.upperBound
        if hash.isUpperHalf { filled.upper += 1 } else { filled.lower += 1 }
        growIndex(for: 0, 0)
        return number
    }

    /// The words of an entry whose text has so many bytes.
    @inline(__always)
    static func words(of bytes: Int) -> Int { headWords + (bytes + 3) / 4 }

    /// Makes room for so many words in one piece.
    @inline(__always)
    mutating func ensure(words: Int) {
        if words > free.count { growArena(to: capacity + max(words, capacity / 2)) }
    }

    /// Makes the arena larger; what two threads left between them is given up if it does not end there.
    private mutating func growArena(to words: Int, isFinal: Bool = false) {
        precondition(words <= Int(UInt32.max), "16 GiB of names")
        arena = Self.grown(arena, from: capacity, to: words, isFinal: isFinal)
        free = (free.upperBound == capacity ? free.lowerBound : capacity)..<words
        capacity = words
    }

    /// Makes the index larger if so many more would fill one of its halves to more than three quarters.
    @inline(__always)
    mutating func growIndex(for lower: Int, _ upper: Int) {
        var wanted = mask + 1
        while max(filled.lower + lower, filled.upper + upper) * 4 > wanted * 3 { wanted *= 2 }
        if wanted > mask + 1 { resize(to: wanted) }
    }

    private mutating func resize(to size: Int) {
        LargeMemory.release(zeroes: slots, (mask + 1) * 16)
        slots = Self.emptySlots(size)
        mask = size - 1
        places.withElements { insert($0) }
        late.withElements { insert($0) }
    }

    /// Puts nodes into an empty index, in the order of the arena: the texts are read one behind another.
    private func insert(_ places: UnsafeMutableBufferPointer<UInt32>) {
        for place in places {
            let entry = arena + Int(place)
            let hash = textHash.hash(UnsafeRawPointer(entry + Self.headWords), Int(entry[2])).tagged(entry[1])
            var slot = slot(hash)
            while slots[slot] != 0 { slot = next(slot) }
            slots[slot] = (hash & 0xffff_ffff_0000_0000) | UInt64(place)
        }
    }

    private static func grown(
        _ memory: UnsafeMutablePointer<UInt32>?, from had: Int, to words: Int, isFinal: Bool = false
    ) -> UnsafeMutablePointer<UInt32> {
        LargeMemory.resize(memory, from: had * 4, to: words * 4, isFinal: isFinal).bindMemory(
            to: UInt32.self, capacity: words)
    }

    private static func emptySlots(_ half: Int) -> UnsafeMutablePointer<UInt64> {
        LargeMemory.zeroes(half * 16).bindMemory(to: UInt64.self, capacity: half * 2)
    }
}

/// Hashes the texts of nodes: eight bytes at a time, multiply and fold (the construction of wyhash), seeded.
struct TextHash {
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    /// The hash of a text, to which `tagged` adds kind and host.
    @inline(__always)
    func hash(_ start: UnsafeRawPointer?, _ count: Int) -> UInt64 {
        // Not added: texts of two lengths could then be chosen so that their first bytes make up for it, under any seed.
        var state = seed &* UInt64(truncatingIfNeeded: 2 &* count &+ 1)
        guard let start else { return state.folded }
        if count >= 8 {
            var offset = 0
            while offset + 8 < count {
                state = (state ^ start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)).folded
                offset += 8
            }
            // The last eight, some of them for the second time.
            return (state ^ start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)).folded
        }
        var tail: UInt64 = 0
        for offset in 0..<count {
            tail = tail << 8 | UInt64(start.load(fromByteOffset: offset, as: UInt8.self))
        }
        return (state ^ tail).folded
    }
}

extension UInt64 {
    /// The half of the index in which a node lies, given by the hash of its text alone: hosts may have no
    /// number yet when the ends of rows are dealt out to two threads.
    @inline(__always)
    var isUpperHalf: Bool { self >> 63 != 0 }

    /// The hash of a node, from that of its text.
    @inline(__always)
    func tagged(_ tag: UInt32) -> UInt64 {
        (self ^ UInt64(tag) << 17).folded & ~(1 << 63) | self & (1 << 63)
    }

    @inline(__always)
    fileprivate var folded: UInt64 {
        let product = multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}
