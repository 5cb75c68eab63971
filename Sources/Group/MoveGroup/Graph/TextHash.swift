/// Hashes the texts of nodes: eight bytes at a time, multiply and fold (the construction of wyhash), seeded.
struct TextHash {
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    /// The hash of a text, to which `tagged` adds kind and host.
    @inline(__always)
    func hash(_ start: UnsafeRawPointer?, _ count: Int) -> UInt64 {
        var state = seed ^ UInt64(truncatingIfNeeded: count)
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
    /// The half of the index in which a node lies, told by the hash of its text alone: hosts may have no
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
