import Glibc

/// Rows of CSV on their way out, for millions of them: one area of memory, a check of its size a row.
struct RowBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var used = 0
    private let chunk: Int

    /// Makes a buffer that hands over when a row has filled `chunk` bytes.
    init(chunk: Int) {
        self.chunk = max(chunk, 1)
        capacity = self.chunk + 8 << 10
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// Makes room for as many bytes.
    @inline(__always)
    mutating func reserve(_ count: Int) {
        if capacity - used < count { grow(count) }
    }

    private mutating func grow(_ count: Int) {
        capacity = max(used + count, capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        base = larger
    }

    /// Appends bytes as they are; there must be room.
    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        if let start = bytes.baseAddress { memcpy(base + used, start, bytes.count) }
        used += bytes.count
    }

    /// Appends a byte; there must be room.
    @inline(__always)
    mutating func put(_ byte: UInt8) {
        base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
        used += 1
    }

    /// Writes a byte where the next one will be written over it; there must be room.
    @inline(__always)
    mutating func scribble(_ byte: UInt8) { base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self) }

    /// Appends a field (RFC 4180); there must be room for two bytes more than twice its length.
    @inline(__always)
    mutating func putField(_ bytes: UnsafeRawBufferPointer) {
        if Self.mayNeedQuotes(bytes), Self.needsQuotes(bytes) { putQuoted(bytes) } else { put(bytes) }
    }

    private mutating func putQuoted(_ bytes: UnsafeRawBufferPointer) {
        put(UInt8(ascii: "\""))
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { put(byte) }
            put(byte)
        }
        put(UInt8(ascii: "\""))
    }

    /// Whether any byte comes before `-`, as all those do that need quotes and hardly any in a path does.
    @inline(__always)
    private static func mayNeedQuotes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let (tops, bound) = (ones &* 0x80, ones &* 0x2d)
        let count = bytes.count
        guard count >= 8 else { return true }
        var offset = 0
        while offset + 8 < count {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if (word &- bound) & ~word & tops != 0 { return true }
            offset += 8
        }
        let word = bytes.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
        return (word &- bound) & ~word & tops != 0
    }

    private static func needsQuotes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.contains { $0 == 0x2c || $0 == 0x22 || $0 == 0x0a || $0 == 0x0d }
    }

    /// Ends a row; there must be room for a byte.
    @inline(__always)
    mutating func endRow<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        put(UInt8(ascii: "\n"))
        if used >= chunk { try flush(sink) }
    }

    /// Hands over whatever has been collected.
    mutating func flush<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if used == 0 { return }
        try sink(UnsafeRawBufferPointer(start: base, count: used))
        used = 0
    }
}
