import Glibc

/// Finds the number of something by its hash: the things themselves lie elsewhere, in the order of their numbers.
///
/// Open addressing with linear probing. A slot of `Slot`'s width (`UInt32` or `UInt64`) holds a number and, in the
/// bits that are left, a part of the hash, the tag: the things lie all over the memory, and a tag that differs spares
/// reading one that only shares the way. Numbers begin at 1; a free slot is 0. With `UInt32` slots a number takes
/// only the bits that the size of the table needs, so numbers must be dense: none is larger than the count. With
/// `UInt64` slots it takes 32 bits, and may be anything (the place of an entry in an arena) but 0.
///
/// Hashes come from `SeededHash`. The index compares nothing itself: `matches` says whether a number is meant.
/// ```
/// let place = index.search(hash) { names[Int($0)] == name }
/// if place.number != 0 { return place.number }
/// names.append(name)
/// index.insert(number, hash, at: place)
/// if index.isFull { index.grow { hash(of: names[Int($0)]) } }
/// ```
public struct HashIndex<Slot: FixedWidthInteger & UnsignedInteger & Sendable>: ~Copyable {
    @usableFromInline var slots: UnsafeMutablePointer<Slot>
    /// One less than the number of slots, which is a power of two.
    @usableFromInline var mask: Int
    /// How many numbers there are.
    @usableFromInline var filled = 0

    /// Where a search ended.
    public struct Place {
        /// The number that was found; 0 for none.
        public let number: UInt32
        @usableFromInline let slot: Int

        @inlinable init(number: UInt32, slot: Int) {
            self.number = number
            self.slot = slot
        }
    }

    /// Makes an empty index with room for so many numbers.
    public init(capacity: Int = 0) {
        var size = 256
        while (size - 1) / 4 * 3 < capacity { size *= 2 }
        mask = size - 1
        slots = Self.empty(size)
    }

    deinit { free(slots) }

    /// How many numbers there are.
    @inlinable public var count: Int { filled }

    /// Bytes of memory in use.
    public var footprint: Int { (mask + 1) * MemoryLayout<Slot>.size }

    /// Looks for a number.
    ///
    /// - Parameter matches: whether a number, whose hash has the same tag, is the one that is meant.
    @inlinable @inline(__always)
    public func search(_ hash: UInt64, where matches: (UInt32) -> Bool) -> Place {
        let tag = tag(hash)
        let numbers = numberBits
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry & ~numbers == tag {
                let number = UInt32(truncatingIfNeeded: entry & numbers)
                if matches(number) { return Place(number: number, slot: slot) }
            }
            slot = (slot + 1) & mask
        }
        return Place(number: 0, slot: slot)
    }

    /// Enters a number at the free place where the search for it ended; nothing may have been entered since, and
    /// the index may not be full.
    @inlinable @inline(__always)
    public mutating func insert(_ number: UInt32, _ hash: UInt64, at place: Place) {
        precondition(!isFull)
        slots[place.slot] = tag(hash) | Slot(truncatingIfNeeded: number)
        filled += 1
    }

    /// Whether it has to grow before another number is entered.
    @inlinable public var isFull: Bool { filled > mask / 4 * 3 }

    /// Makes the index twice as large.
    ///
    /// - Parameter rehash: the hash of any number that is in the index.
    @inlinable
    public mutating func grow(rehash: (UInt32) -> UInt64) { resize(to: (mask + 1) * 2, rehash) }

    /// Puts another number in the place of one that a search has found; both have the same hash.
    @inlinable
    public mutating func replace(at place: Place, by number: UInt32) {
        slots[place.slot] = slots[place.slot] & ~numberBits | Slot(truncatingIfNeeded: number)
    }

    /// The number in the slot where a search would begin, if its tag is that of the hash; else 0.
    ///
    /// For a batch of look-ups: asked for some hashes ahead, with what lies behind the number, the misses of the
    /// processor's caches overlap.
    @inlinable @inline(__always)
    public func peek(_ hash: UInt64) -> UInt32 {
        let entry = slots[Int(truncatingIfNeeded: hash) & mask]
        return entry & ~numberBits == tag(hash) ? UInt32(truncatingIfNeeded: entry & numberBits) : 0
    }

    /// Makes room for so many numbers at once.
    @inlinable
    public mutating func reserve(_ capacity: Int, rehash: (UInt32) -> UInt64) {
        var size = mask + 1
        while (size - 1) / 4 * 3 < capacity { size *= 2 }
        if size > mask + 1 { resize(to: size, isFilled: true, rehash) }
    }

    /// Forgets all numbers, and gives back the memory.
    public mutating func removeAll() {
        free(slots)
        mask = 255
        slots = Self.empty(256)
        filled = 0
    }

    /// The bits of a slot that hold the number.
    @inlinable @inline(__always)
    var numberBits: Slot {
        Slot.bitWidth == 32 ? Slot(truncatingIfNeeded: mask) : Slot(truncatingIfNeeded: UInt32.max)
    }

    /// Bits of the hash for which a slot has room; the lower half of it chooses the slot.
    @inlinable @inline(__always)
    func tag(_ hash: UInt64) -> Slot {
        (Slot.bitWidth == 32 ? Slot(truncatingIfNeeded: hash >> 32) : Slot(truncatingIfNeeded: hash))
            & ~numberBits
    }

    @inlinable @inline(never)
    mutating func resize(to size: Int, isFilled: Bool = false, _ rehash: (UInt32) -> UInt64) {
        let old = slots
        let oldSize = mask + 1
        let oldNumbers = numberBits
        slots = Self.empty(size)
        if isFilled { HugePages.advise(slots, bytes: size * MemoryLayout<Slot>.stride) }
        mask = size - 1
        for index in 0..<oldSize where old[index] != 0 {
            let number = UInt32(truncatingIfNeeded: old[index] & oldNumbers)
            let hash = rehash(number)
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = tag(hash) | Slot(truncatingIfNeeded: number)
        }
        free(old)
    }

    @usableFromInline
    static func empty(_ size: Int) -> UnsafeMutablePointer<Slot> {
        // Zero pages that nothing was written to take no memory.
        guard let memory = calloc(size, MemoryLayout<Slot>.stride) else { fatalError("out of memory") }
        return memory.bindMemory(to: Slot.self, capacity: size)
    }
}

// Its memory is its own.
extension HashIndex: @unchecked Sendable where Slot: Sendable {}

/// Hashes bytes and numbers for a `HashIndex`: eight bytes at a time, multiply and fold (the construction of
/// wyhash), with a seed of its own.
///
/// What programs do decides what is hashed: a fixed seed would let one choose names that all fall into one slot.
public struct SeededHash: Sendable {
    @usableFromInline let seed: UInt64

    /// Makes a hash that no other has.
    public init() { seed = UInt64.random(in: .min ... .max) }

    /// Makes the hash of a seed that somebody else has chosen.
    @inlinable @inline(__always)
    init(seed: UInt64) { self.seed = seed }

    /// Hashes bytes, together with a number.
    @inlinable @inline(__always)
    public func callAsFunction(_ bytes: UnsafeRawBufferPointer, _ number: UInt32 = 0) -> UInt64 {
        let count = bytes.count
        var state = seed ^ UInt64(truncatingIfNeeded: count) ^ UInt64(number) << 32
        guard let start = bytes.baseAddress else { return Self.mix(state) }
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
        var offset = 0
        while offset < count {
            tail = tail << 8 | UInt64(start.load(fromByteOffset: offset, as: UInt8.self))
            offset += 1
        }
        return Self.mix(state ^ tail)
    }

    /// Hashes one number.
    @inlinable @inline(__always)
    public func callAsFunction(_ first: UInt64) -> UInt64 { Self.mix(seed ^ first) }

    /// Hashes numbers, in this order.
    @inlinable @inline(__always)
    public func callAsFunction(_ first: UInt64, _ second: UInt64) -> UInt64 {
        Self.mix(Self.mix(seed ^ first) ^ second)
    }

    /// Hashes numbers, in this order.
    @inlinable @inline(__always)
    public func callAsFunction(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> UInt64 {
        Self.mix(Self.mix(Self.mix(seed ^ first) ^ second) ^ third)
    }

    @inlinable @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}
