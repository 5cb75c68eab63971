/// Lines of a dump on their way out, in memory of their own that is used again.
///
/// An array asks at every append whether it is shared, and copies some kinds of bytes one at a time; a dump
/// appends some twenty pieces for each of a million lines. Every append here looks whether there is room.
struct LineBuffer: ~Copyable {
    private var start: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 64)
        start = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { start.deallocate() }

    /// What was appended from `offset` on; valid until the next change.
    @inline(__always)
    borrowing func withBytes<Result, Failure: Error>(
        from offset: Int = 0, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(offset >= 0 && offset <= count)
        return try body(UnsafeRawBufferPointer(start: start + offset, count: count - offset))
    }

    mutating func removeAll() { count = 0 }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        start(of: 1).storeBytes(of: byte, as: UInt8.self)
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        start(of: bytes.count).copyMemory(from: source, byteCount: bytes.count)
    }

    /// Appends a word that the program knows: its length is known too, so that it is a few moves.
    @inline(__always)
    mutating func append(_ word: StaticString) {
        let length = word.utf8CodeUnitCount
        start(of: length).copyMemory(from: word.utf8Start, byteCount: length)
    }

    /// Appends a number in decimal.
    mutating func append(decimal value: UInt64) {
        var length = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            length += 1
        }
        let digits = start(of: length)
        rest = value
        while length > 0 {
            length -= 1
            digits.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: length, as: UInt8.self)
            rest /= 10
        }
    }

    /// Appends `text` between quotes if nothing in it has to be escaped or replaced; else nothing.
    mutating func appendPlain(_ text: UnsafeRawBufferPointer) -> Bool {
        let end = text.count
        let before = count
        let target = start(of: end + 2)
        target.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
        var offset = 0
        while offset < end {
            if end < 8 {
                let byte = text[offset]
                if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte >= 0x7f { break }
                target.storeBytes(of: byte, toByteOffset: 1 + offset, as: UInt8.self)
                offset += 1
                continue
            }
            // The last group overlaps the one before.
            let group = min(offset, end - 8)
            let word = text.loadUnaligned(fromByteOffset: group, as: UInt64.self)
            if EightBytes.needsEscaping(word) || EightBytes.contain(0x7f, word) { break }
            target.storeBytes(of: word, toByteOffset: 1 + group, as: UInt64.self)
            offset = group + 8
        }
        if offset < end {
            count = before
            return false
        }
        target.storeBytes(of: UInt8(ascii: "\""), toByteOffset: 1 + end, as: UInt8.self)
        return true
    }

    /// Where the next `length` bytes go; they count as appended.
    @inline(__always)
    private mutating func start(of length: Int) -> UnsafeMutableRawPointer {
        if capacity - count < length { grow(length) }
        let place = start + count
        count += length
        return place
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let place = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        place.copyMemory(from: start, byteCount: count)
        start.deallocate()
        start = place
        capacity = larger
    }
}

/// Lines on their way out: collected in one buffer that is used again, handed over in large pieces.
package struct OutputBuffer: ~Copyable {
    package var bytes: [UInt8] = []
    private let chunk: Int

    /// Makes a buffer that hands over when a line has filled `chunk` bytes.
    package init(chunk: Int) {
        self.chunk = max(chunk, 1)
        // Room for the line that goes over.
        bytes.reserveCapacity(self.chunk + min(self.chunk, 16 << 10))
    }

    /// Hands over what has been collected if it is enough.
    @inline(__always)
    package mutating func endLine<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        bytes.append(UInt8(ascii: "\n"))
        if bytes.count >= chunk { try flush(sink) }
    }

    /// Hands over whatever has been collected.
    package mutating func flush<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if bytes.isEmpty { return }
        try bytes.withUnsafeBufferPointer { bytes throws(Failure) in try sink(UnsafeRawBufferPointer(bytes)) }
        bytes.removeAll(keepingCapacity: true)
    }
}
