import Glibc

/// The number of an interned byte string; 0 stands for "none".
public struct TextID: Hashable, Sendable {
    /// Position in the interner.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// No text.
    public static let none = TextID(rawValue: 0)
}

/// Byte strings, each kept once, known by a small number.
///
/// Paths are bytes and not text: Linux promises neither UTF-8 nor anything but the absence of NUL.
/// All bytes lie in one array; looking up or adding allocates nothing but that array's growth.
public struct ByteInterner: ~Copyable {
    private var bytes: [UInt8] = []
    /// End of each string; string `n` starts where `n - 1` ends.
    private var ends: [UInt32] = [0]
    /// Open addressing with linear probing; 0 is free. The size is a power of two. A slot holds a string's
    /// number in the bits that the size needs, and above it as many bits of the string's hash as there is
    /// room for: they spare a look at strings that only share the way.
    private var slots: [UInt32]
    private let seed: UInt64

    /// Makes an empty interner.
    public init() {
        slots = [UInt32](repeating: 0, count: 1024)
        // A fixed seed would let a program choose names that all fall into one slot.
        seed = UInt64.random(in: .min ... .max)
    }

    /// How many strings there are.
    public var count: Int { ends.count - 1 }

    /// Bytes of all strings together; no more than 4 GiB fit.
    public var byteCount: Int { bytes.count }

    /// Bytes of memory in use, for `status`.
    public var footprint: Int { bytes.capacity + ends.capacity * 4 + slots.capacity * 4 }

    /// The number of a string, a new one if it was not met before.
    public mutating func intern(_ text: UnsafeRawBufferPointer) -> TextID {
        let hash = hash(text)
        let mask = slots.count - 1
        let tag = tag(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry & ~UInt32(mask) == tag {
                let number = entry & UInt32(mask)
                if matches(number, text) { return TextID(rawValue: number) }
            }
            slot = (slot + 1) & mask
        }
        precondition(bytes.count + text.count <= Int(UInt32.max), "4 GiB of names")
        bytes.append(contentsOf: text)
        ends.append(UInt32(bytes.count))
        let number = UInt32(ends.count - 1)
        slots[slot] = tag | number
        if ends.count * 4 > slots.count * 3 { grow() }
        return TextID(rawValue: number)
    }

    /// The number of a string given as an array.
    public mutating func intern(_ text: [UInt8]) -> TextID {
        text.withUnsafeBytes { intern($0) }
    }

    /// The number of a string's UTF-8 bytes.
    public mutating func intern(_ text: String) -> TextID { intern(Array(text.utf8)) }

    /// Lends the bytes of a string; empty for `.none`.
    public borrowing func withBytes<Result>(
        _ text: TextID, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let range = range(text.rawValue)
        return try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// A copy of a string; empty for `.none`.
    public borrowing func array(_ text: TextID) -> [UInt8] { Array(bytes[range(text.rawValue)]) }

    /// Whether a string has no bytes, as `.none` has none.
    public borrowing func isEmpty(_ text: TextID) -> Bool { range(text.rawValue).isEmpty }

    private func range(_ number: UInt32) -> Range<Int> {
        number == 0 ? 0..<0 : Int(ends[Int(number) - 1])..<Int(ends[Int(number)])
    }

    private func matches(_ number: UInt32, _ text: UnsafeRawBufferPointer) -> Bool {
        let range = range(number)
        guard range.count == text.count else { return false }
        if range.isEmpty { return true }
        return bytes.withUnsafeBytes { own in
            memcmp(own.baseAddress! + range.lowerBound, text.baseAddress!, range.count) == 0
        }
    }

    /// Bits of the hash that do not choose the slot, where a slot has room for them.
    private func tag(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash >> 32) & ~UInt32(slots.count - 1)
    }

    /// Eight bytes at a time, multiply and fold (the construction of wyhash), seeded.
    private func hash(_ text: UnsafeRawBufferPointer) -> UInt64 {
        var state = seed ^ UInt64(text.count)
        var offset = 0
        while offset + 8 <= text.count {
            state = mix(state ^ text.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < text.count {
            tail = tail << 8 | UInt64(text[offset])
            offset += 1
        }
        return mix(state ^ tail)
    }

    private func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for number in 1..<UInt32(ends.count) {
            let hash = bytes.withUnsafeBytes {
                self.hash(UnsafeRawBufferPointer(rebasing: $0[range(number)]))
            }
            var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = tag(hash) | number
        }
    }
}
