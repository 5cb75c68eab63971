/// Builds frames in memory; whoever owns the file takes the bytes.
public struct TraceWriter: Sendable {
    /// Frames that were not taken yet.
    public private(set) var bytes: [UInt8]
    /// Whether a frame was left out since its payload was longer than any may be.
    public private(set) var hasLeftOut = false

    /// Starts a stream.
    public init() { bytes = traceMagic }

    /// Hands over what was built and goes on with nothing.
    public mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20) }
        return bytes
    }

    /// Adds a frame whose payload is bytes as they are; see `hasLeftOut`.
    public mutating func add(_ tag: TraceTag, raw payload: UnsafeRawBufferPointer) {
        guard payload.count <= TraceFormat.longestPayload else {
            hasLeftOut = true
            return
        }
        begin(tag, payload.count)
        bytes.append(contentsOf: payload)
    }

    /// Adds a frame whose payload `build` puts together; see `hasLeftOut`.
    public mutating func add(_ tag: TraceTag, _ build: (inout PayloadWriter) -> Void) {
        var payload = PayloadWriter()
        build(&payload)
        payload.bytes.withUnsafeBytes { add(tag, raw: $0) }
    }

    private mutating func begin(_ tag: TraceTag, _ count: Int) {
        bytes.append(tag.rawValue)
        withUnsafeBytes(of: UInt32(count).littleEndian) { bytes.append(contentsOf: $0) }
    }
}

/// Puts a payload together: little-endian integers, byte strings with a length before them.
public struct PayloadWriter: Sendable {
    /// What was put so far.
    public private(set) var bytes: [UInt8] = []

    /// Starts an empty payload.
    public init() {}

    /// Puts an integer.
    public mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Puts a truth value.
    public mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Puts a byte string.
    public mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Puts a byte string or the fact that there is none.
    public mutating func put(optional value: [UInt8]?) {
        put(value != nil)
        if let value { put(value) }
    }

    /// Puts a text.
    public mutating func put(_ value: String) { put(Array(value.utf8)) }
}
