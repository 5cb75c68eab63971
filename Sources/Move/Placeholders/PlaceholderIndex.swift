public import Transfer

/// A file that has its size, owner, mode and times, and not all of its content yet.
public struct Placeholder: Equatable, Sendable {
    /// Its number at the source.
    public var number: UInt32
    /// Where it was made, below the root; a program may have renamed it since.
    public var path: [UInt8]
    /// Bytes of the source's file: what lies behind them is the programs' own.
    public var size: UInt64
    /// What opens it whatever it is called by now (name_to_handle_at(2)): the bytes of a `struct file_handle`.
    public var handle: [UInt8]

    /// Makes one.
    public init(number: UInt32, path: [UInt8], size: UInt64, handle: [UInt8]) {
        (self.number, self.path, self.size, self.handle) = (number, path, size, handle)
    }

    /// Bytes that are fetched or not fetched together, one bit each. What a program writes into a part of it needs the rest
    /// first.
    public static let unit = 64 << 10

    /// How many units it has.
    public var units: Int { Int((size + UInt64(Self.unit) - 1) / UInt64(Self.unit)) }
}

/// The list of a group's placeholders, as it lies on the disk: written once, whole or not at all.
public enum PlaceholderIndex {
    private static let magic: UInt64 = 0x3158_4449_4850_5452  // "RTPHIDX1"
    /// Handles have at most 128 bytes (MAX_HANDLE_SZ) behind length and type.
    private static let mostHandle = 136

    /// As bytes, with a hash that shows whether they are whole.
    public static func bytes(_ placeholders: [Placeholder]) -> [UInt8] {
        var packet = PacketWriter()
        packet.integer(magic)
        packet.integer(UInt32(placeholders.count))
        for placeholder in placeholders {
            packet.integer(placeholder.number)
            packet.string(placeholder.path)
            packet.integer(placeholder.size)
            packet.string(placeholder.handle)
        }
        let hash = packet.bytes.withUnsafeBytes { BlockHash($0) }
        packet.hash(hash)
        return packet.bytes
    }

    /// Reads them, whatever they are.
    public static func read(_ bytes: [UInt8]) throws(TransferError) -> [Placeholder] {
        guard bytes.count >= 28 else { throw .malformed("a list of placeholders ends too early") }
        var packet = PacketReader(bytes)
        guard try packet.integer(UInt64.self) == magic else { throw .malformed("no list of placeholders") }
        var found: [Placeholder] = []
        for _ in 0..<(try packet.count(ofAtLeast: 20)) {
            let number: UInt32 = try packet.integer()
            let path = try packet.string()
            let size: UInt64 = try packet.integer()
            let handle = try packet.string()
            guard FileEntry.isSound(path), path.count > 1, size > 0, size < 1 << 44, handle.count >= 8,
                handle.count <= mostHandle
            else { throw .malformed("a placeholder that cannot be") }
            // The kernel copies as many bytes as the handle says that it has.
            let length =
                UInt32(handle[0]) | UInt32(handle[1]) << 8 | UInt32(handle[2]) << 16 | UInt32(handle[3]) << 24
            guard Int(length) == handle.count - 8 else { throw .malformed("a handle of another length") }
            found.append(Placeholder(number: number, path: path, size: size, handle: handle))
        }
        let body = bytes.dropLast(packet.rest)
        let hash = try packet.hash()
        guard packet.isAtEnd, Array(body).withUnsafeBytes({ BlockHash($0) }) == hash else {
            throw .malformed("a list of placeholders that was damaged")
        }
        return found
    }
}
