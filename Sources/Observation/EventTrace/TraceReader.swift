/// Walks over the frames of a recorded stream, which need not be in memory as a whole.
public struct TraceReader {
    /// Gives some of the bytes that come next, at most so many; none at the end of the stream.
    public typealias Source = (_ count: Int) throws(TraceError) -> [UInt8]

    /// A part of the stream.
    private var bytes: [UInt8]
    /// The place of its first byte in the stream.
    private var base = 0
    /// The place of the next frame.
    private var offset = 0
    private let source: Source?

    /// One frame.
    public struct Frame: Sendable {
        /// What it holds; `nil` for a tag that a later version added.
        public var tag: TraceTag?
        /// Its payload, as offsets into the stream.
        public var payload: Range<Int>
    }

    /// Starts at the first frame of a stream that is in memory.
    public init(_ bytes: [UInt8]) throws(TraceError) {
        self.bytes = bytes
        source = nil
        try begin()
    }

    /// Starts at the first frame of a stream that is read as it is needed: never more than the frame at hand and a
    /// piece of what follows it are kept. A frame can be looked into until the next is asked for.
    public init(from source: @escaping Source) throws(TraceError) {
        bytes = []
        self.source = source
        try begin()
    }

    private mutating func begin() throws(TraceError) {
        try fill(traceMagic.count)
        if !bytes.starts(with: traceMagic) {
            guard bytes.starts(with: TraceFormat.name) else { throw .notATrace }
            let version = bytes.dropFirst(TraceFormat.name.count).prefix(10)
            let digits = version.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty, version.dropFirst(digits.count).first == 0x0a, digits != [0x31] else {
                throw .notATrace
            }
            throw .unknownVersion(String(decoding: TraceFormat.name + digits, as: UTF8.self))
        }
        offset = traceMagic.count
    }

    /// Bytes from `offset` that are here.
    private var available: Int { base + bytes.count - offset }

    /// Sees to it that so many bytes from `offset` are here, unless the stream ends before.
    private mutating func fill(_ count: Int) throws(TraceError) {
        guard let source, available < count else { return }
        bytes.removeSubrange(0..<offset - base)
        base = offset
        while bytes.count < count {
            let piece = try source(max(count - bytes.count, 1 << 16))
            if piece.isEmpty { return }
            bytes.append(contentsOf: piece)
        }
    }

    /// The next frame; `nil` at the end.
    public mutating func next() throws(TraceError) -> Frame? {
        try fill(5)
        guard available > 0 else { return nil }
        guard available >= 5 else { throw .truncated(offset: offset) }
        var length = 0
        for index in 0..<4 { length |= Int(bytes[offset - base + 1 + index]) << (8 * index) }
        let tag = bytes[offset - base]
        // No version writes it: zeros, as a disk leaves them, are no frames, however many there are.
        guard tag != 0 else { throw .malformed(offset: offset) }
        guard length <= TraceFormat.longestPayload else { throw .tooLong(offset: offset) }
        try fill(5 + length)
        guard length <= available - 5 else { throw .truncated(offset: offset) }
        let frame = Frame(tag: TraceTag(rawValue: tag), payload: offset + 5..<offset + 5 + length)
        offset += 5 + length
        return frame
    }

    private func place(_ frame: Frame) -> Range<Int> {
        frame.payload.lowerBound - base..<frame.payload.upperBound - base
    }

    /// A frame's payload, to be read piece by piece.
    public func payload(_ frame: Frame) -> PayloadReader {
        PayloadReader(bytes, place(frame), base: base)
    }

    /// A frame's payload as bytes.
    public func raw(_ frame: Frame) -> ArraySlice<UInt8> { bytes[place(frame)] }

    /// Lends a frame's payload: nothing is copied, as nothing is where the kernel's own bytes are read.
    public func withRaw<Result>(_ frame: Frame, _ body: (RawSpan) -> Result) -> Result {
        body(bytes.span.bytes.extracting(place(frame)))
    }
}

/// Takes a payload apart in the order in which it was put together.
public struct PayloadReader: Sendable {
    private let bytes: [UInt8]
    private var rest: Range<Int>
    /// The place of the first byte in the stream.
    private let base: Int

    init(_ bytes: [UInt8], _ range: Range<Int>, base: Int) {
        self.bytes = bytes
        rest = range
        self.base = base
    }

    private var malformed: TraceError { .malformed(offset: base + rest.lowerBound) }

    /// Whether nothing is left: what a later version added at the end is not there in an earlier one's.
    public var isAtEnd: Bool { rest.isEmpty }

    /// Takes an integer of at most eight bytes.
    public mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(TraceError) -> Value {
        let size = MemoryLayout<Value>.size
        guard rest.count >= size else { throw malformed }
        // Put together in one type: the arithmetic of any other is looked up at run time.
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(bytes[rest.lowerBound + index]) << UInt64(8 * index) }
        rest = rest.lowerBound + size..<rest.upperBound
        return Value(truncatingIfNeeded: value)
    }

    /// Takes a truth value.
    public mutating func bool() throws(TraceError) -> Bool { try integer(UInt8.self) != 0 }

    /// Takes a byte string.
    public mutating func string() throws(TraceError) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        guard count <= rest.count else { throw malformed }
        let value = Array(bytes[rest.lowerBound..<rest.lowerBound + count])
        rest = rest.lowerBound + count..<rest.upperBound
        return value
    }

    /// Takes a byte string or the fact that there is none.
    public mutating func optionalString() throws(TraceError) -> [UInt8]? { try bool() ? try string() : nil }

    /// Takes a text.
    public mutating func text() throws(TraceError) -> String { String(decoding: try string(), as: UTF8.self) }
}
