/// Texts that were met of late: their numbers, by the hash of each.
///
/// A text has four places: where five share them, the one that was put in first has to be looked for in the tree.
struct RecentTexts: Sendable {
    /// Upper half: of the hash, which spares comparing most of what only shares the places; lower half: the number, which
    /// is not 0.
    private var entries: [UInt64]

    /// Makes room for so many, a power of two from four on, or none.
    init(places: Int) { entries = [UInt64](repeating: 0, count: places) }

    var isEmpty: Bool { entries.isEmpty }

    /// Bytes of memory in use.
    var footprint: Int { entries.capacity * MemoryLayout<UInt64>.stride }

    /// The number of the text that is meant; there must be places.
    @inline(__always)
    func search(_ hash: UInt64, where matches: (UInt32) -> Bool) -> UInt32? {
        let places = places(hash)
        return entries.withUnsafeBufferPointer { entries in
            for place in places where entries[place] >> 32 == hash >> 32 {
                let number = UInt32(truncatingIfNeeded: entries[place])
                if number != 0, matches(number) { return number }
            }
            return nil
        }
    }

    /// Puts in a text.
    @inline(__always)
    mutating func remember(_ number: UInt32, _ hash: UInt64) {
        let places = places(hash)
        entries.withUnsafeMutableBufferPointer { entries in
            var new = hash & ~0xffff_ffff | UInt64(number)
            for place in places {
                let old = entries[place]
                entries[place] = new
                new = old
            }
        }
    }

    /// Forgets all of them.
    mutating func removeAll() { entries = [UInt64](repeating: 0, count: entries.count) }

    @inline(__always)
    private func places(_ hash: UInt64) -> Range<Int> {
        let first = Int(truncatingIfNeeded: hash) & (entries.count - 1) & ~3
        return first..<first + 4
    }
}
