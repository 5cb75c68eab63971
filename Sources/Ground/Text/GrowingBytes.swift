import Glibc

/// Bytes to which short runs are appended very often.
///
/// Appending to a `[UInt8]` takes four times as long: it asks first whether somebody else has the same array.
public struct GrowingBytes: ~Copyable {
    @usableFromInline var start: UnsafeMutableRawPointer
    @usableFromInline var length = 0
    @usableFromInline var room = 256

    /// How many bytes there are.
    @inlinable public var count: Int { length }
    /// For how many there is room.
    @inlinable public var capacity: Int { room }

    /// Makes an empty one.
    public init() { start = Self.resized(nil, 256) }

    deinit { free(start) }

    /// Appends bytes, which do not lie in this one.
    @inlinable @inline(__always)
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if capacity - count < bytes.count { grow(for: bytes.count) }
        if let from = bytes.baseAddress { memcpy(start + count, from, bytes.count) }
        length += bytes.count
    }

    /// Lends all of them.
    @inlinable @inline(__always)
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Forgets them, and keeps the memory.
    @inlinable
    public mutating func removeAll() { length = 0 }

    /// Moves some to a place before them.
    public mutating func move(_ range: Range<Int>, to place: Int) {
        precondition(place >= 0 && place <= range.lowerBound && range.upperBound <= count, "no such bytes")
        memmove(start + place, start + range.lowerBound, range.count)
    }

    /// Keeps the first so many, and gives memory back that is not used, where it is worth a copy.
    public mutating func shorten(to kept: Int) {
        precondition(kept >= 0 && kept <= count, "no such bytes")
        length = kept
        if capacity - count > max(count / 4, 4096) { resize(to: max(count, 256)) }
    }

    /// Makes room for so many in all, where that many are sure to come.
    public mutating func reserve(_ wanted: Int) {
        if wanted > capacity { resize(to: wanted) }
        HugePages.advise(start, bytes: capacity)
    }

    /// By a quarter where there are many, since the double would be memory that is not used.
    @usableFromInline @inline(never)
    mutating func grow(for more: Int) {
        resize(to: max(count + more, count >= 1 << 20 ? count + count / 4 : capacity * 2))
    }

    private mutating func resize(to wanted: Int) {
        start = Self.resized(start, wanted)
        room = wanted
    }

    private static func resized(_ start: UnsafeMutableRawPointer?, _ wanted: Int) -> UnsafeMutableRawPointer {
        guard let resized = realloc(start, wanted) else { fatalError("out of memory: \(wanted) bytes") }
        return resized
    }
}

// Its memory is its own.
extension GrowingBytes: @unchecked Sendable {}
