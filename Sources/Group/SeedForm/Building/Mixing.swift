/// Spreads keys over tables. Seeded anew for each table: what is in the records decides what the keys
/// are, and with a fixed seed would decide where they fall.
struct Mixing {
    private let seed = UInt64.random(in: .min ... .max)

    /// A hash of a number.
    @inline(__always)
    func hash(_ key: UInt64) -> UInt64 { Self.mix(seed ^ key) }

    /// A hash of two numbers.
    @inline(__always)
    func hash(_ first: UInt64, _ second: UInt64) -> UInt64 { Self.mix(Self.mix(seed ^ first) ^ second) }

    /// A hash of bytes, eight at a time.
    @inline(__always)
    func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = seed ^ UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            state = Self.mix(state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return Self.mix(state ^ tail)
    }

    /// Multiply and fold (the construction of wyhash).
    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}
