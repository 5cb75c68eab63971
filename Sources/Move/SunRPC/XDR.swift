/// Why bytes are no message of ONC RPC.
public struct XDRError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong with them.
    public var description: String

    init(_ description: String) { self.description = description }
}

/// Writes External Data Representation (RFC 4506): big endian, everything in units of four bytes.
public struct XDRWriter: Sendable {
    /// What was written.
    public private(set) var bytes: [UInt8] = []

    /// An empty one.
    public init() {}

    /// An `unsigned int` (RFC 4506, 4.2).
    public mutating func integer(_ value: UInt32) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// A `bool` (4.4).
    public mutating func boolean(_ value: Bool) { integer(value ? 1 : 0) }

    /// Opaque bytes of variable length, or a string (4.10, 4.11).
    public mutating func opaque(_ value: some Collection<UInt8>) {
        integer(UInt32(value.count))
        bytes.append(contentsOf: value)
        bytes.append(contentsOf: repeatElement(0, count: (4 - value.count % 4) % 4))
    }

    /// What was written elsewhere, as it is.
    public mutating func raw(_ value: [UInt8]) { bytes += value }
}

/// Reads External Data Representation; whatever bytes there are, nothing beyond them is read and no room is made for more.
public struct XDRReader: Sendable {
    private let bytes: [UInt8]
    private var position = 0

    /// Begins at the first byte.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Bytes that were not read yet.
    public var rest: Int { bytes.count - position }

    /// An `unsigned int`.
    public mutating func integer() throws(XDRError) -> UInt32 {
        guard rest >= 4 else { throw XDRError("it ends too early") }
        defer { position += 4 }
        return bytes.bigEndian(at: position)
    }

    /// A `bool`, which is 0 or 1.
    public mutating func boolean() throws(XDRError) -> Bool {
        switch try integer() {
        case 0: return false
        case 1: return true
        case let other: throw XDRError("\(other) is no truth value")
        }
    }

    /// Opaque bytes of variable length.
    ///
    /// - Parameter most: the longest that is accepted.
    public mutating func opaque(most: Int) throws(XDRError) -> [UInt8] {
        let count = Int(try integer())
        guard count <= most else { throw XDRError("\(count) bytes where \(most) are the most") }
        let padded = (count + 3) / 4 * 4
        guard rest >= padded else { throw XDRError("it ends too early") }
        defer { position += padded }
        return Array(bytes[position..<position + count])
    }

    /// A string, of bytes that are made text where they are not UTF-8.
    public mutating func string(most: Int) throws(XDRError) -> String {
        String(decoding: try opaque(most: most), as: UTF8.self)
    }
}

extension [UInt8] {
    /// Four bytes, which have to be there.
    func bigEndian(at position: Int) -> UInt32 {
        UInt32(self[position]) << 24 | UInt32(self[position + 1]) << 16 | UInt32(self[position + 2]) << 8
            | UInt32(self[position + 3])
    }

    mutating func setBigEndian(_ value: UInt32, at position: Int) {
        for offset in 0..<4 {
            self[position + offset] = UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32(offset)))
        }
    }
}
