/// Writes the payload of a frame: integers little endian, byte strings behind their length.
public struct PacketWriter: Sendable {
    /// What was written.
    public var bytes: [UInt8] = []

    /// An empty one.
    public init() {}

    /// Appends an integer of its own width.
    public mutating func integer<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends a byte string behind its length, 32 bits wide.
    public mutating func string(_ text: some Collection<UInt8>) {
        integer(UInt32(text.count))
        bytes.append(contentsOf: text)
    }
}

/// Reads the payload of a frame; whatever bytes it has, nothing beyond them is read.
public struct PacketReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    /// Begins at the first byte.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
        position = 0
    }

    /// Whether all was read.
    public var isAtEnd: Bool { position == bytes.endIndex }
    /// How many bytes were not read yet.
    public var rest: Int { bytes.endIndex - position }

    /// The next integer.
    public mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(TransferError) -> Value {
        let size = MemoryLayout<Value>.size
        guard rest >= size else { throw .malformed("a packet ends too early") }
        var value = Value.zero
        for offset in (0..<size).reversed() {
            value =
                size == 1
                ? Value(truncatingIfNeeded: bytes[position])
                : value << 8 | Value(truncatingIfNeeded: bytes[position + offset])
        }
        position += size
        return value
    }

    /// The next byte string.
    public mutating func string() throws(TransferError) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        return Array(try raw(count))
    }

    /// So many bytes as they are.
    public mutating func raw(_ count: Int) throws(TransferError) -> ArraySlice<UInt8> {
        guard count >= 0, rest >= count else { throw .malformed("a packet ends too early") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// A count of things that take at least so many bytes each, so that no packet makes room for more than it can hold.
    public mutating func count(ofAtLeast size: Int) throws(TransferError) -> Int {
        let count = Int(try integer(UInt32.self))
        guard count <= rest / max(size, 1) else { throw .malformed("a packet counts more than it holds") }
        return count
    }
}
