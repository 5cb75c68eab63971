/// Walks over the frames of a recorded stream.
public struct TraceReader: Sendable {
    private let bytes: [UInt8]
    private var offset: Int

    /// One frame.
    public struct Frame: Sendable {
        /// What it holds; `nil` for a tag that a later version added.
        public var tag: TraceTag?
        /// Its payload, as offsets into the stream.
        public var payload: Range<Int>
    }

    /// Starts at the first frame.
    public init(_ bytes: [UInt8]) throws(TraceError) {
        guard bytes.starts(with: traceMagic) else { throw .notATrace }
        self.bytes = bytes
        offset = traceMagic.count
    }

    /// The next frame; `nil` at the end.
    public mutating func next() throws(TraceError) -> Frame? {
        guard offset < bytes.count else { return nil }
        guard bytes.count - offset >= 5 else { throw .truncated(offset: offset) }
        var length = 0
        for index in 0..<4 { length |= Int(bytes[offset + 1 + index]) << (8 * index) }
        guard length <= bytes.count - offset - 5 else { throw .truncated(offset: offset) }
        let frame = Frame(tag: TraceTag(rawValue: bytes[offset]), payload: offset + 5..<offset + 5 + length)
        offset += 5 + length
        return frame
    }

    /// A frame's payload, to be read piece by piece.
    public func payload(_ frame: Frame) -> PayloadReader { PayloadReader(bytes, frame.payload) }

    /// A frame's payload as bytes.
    public func raw(_ frame: Frame) -> ArraySlice<UInt8> { bytes[frame.payload] }

    /// Lends a frame's payload: nothing is copied, as nothing is where the kernel's own bytes are read.
    public func withRaw<Result>(_ frame: Frame, _ body: (RawSpan) -> Result) -> Result {
        body(bytes.span.bytes.extracting(frame.payload))
    }
}

/// Takes a payload apart in the order in which it was put together.
public struct PayloadReader: Sendable {
    private let bytes: [UInt8]
    private var rest: Range<Int>

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        rest = range
    }

    /// Whether nothing is left: what a later version added at the end is not there in an earlier one's.
    public var isAtEnd: Bool { rest.isEmpty }

    /// Takes an integer of at most eight bytes.
    public mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(TraceError) -> Value {
        let size = MemoryLayout<Value>.size
        guard rest.count >= size else { throw .malformed(offset: rest.lowerBound) }
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
        guard count <= rest.count else { throw .malformed(offset: rest.lowerBound) }
        let value = Array(bytes[rest.lowerBound..<rest.lowerBound + count])
        rest = rest.lowerBound + count..<rest.upperBound
        return value
    }

    /// Takes a byte string or the fact that there is none.
    public mutating func optionalString() throws(TraceError) -> [UInt8]? { try bool() ? try string() : nil }

    /// Takes a text.
    public mutating func text() throws(TraceError) -> String { String(decoding: try string(), as: UTF8.self) }
}
