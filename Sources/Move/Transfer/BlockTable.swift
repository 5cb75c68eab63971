import COpenSSL

/// The first 128 bits of the SHA-256 of a block.
public struct BlockHash: Hashable, Sendable {
    /// The bits.
    public var high: UInt64
    /// See `high`.
    public var low: UInt64

    /// Of bytes.
    public init(_ bytes: UnsafeRawBufferPointer) {
        var digest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &digest) {
            _ = SHA256(
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count,
                $0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        (high, low) = (digest.0, digest.1)
    }

    /// Of its two halves.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The hashes of a file's blocks.
public struct BlockTable: Equatable, Sendable {
    /// Bytes of the file.
    public var size: UInt64
    /// One for each block; the last block may be shorter.
    public var hashes: [BlockHash]

    /// The table of an empty file.
    public init() { (size, hashes) = (0, []) }

    /// Makes one.
    public init(size: UInt64, hashes: [BlockHash]) { (self.size, self.hashes) = (size, hashes) }

    /// Bytes of a block. Databases write pages of 4 to 16 KiB: a larger block would send more than was changed; a smaller one
    /// would cost more memory than the thousandth part of the file that this does. The hashes of a file of up to 2 TiB fit in
    /// one frame.
    public static func blockSize(_ size: UInt64) -> Int {
        size <= 4 << 30 ? 16 << 10 : size <= 64 << 30 ? 128 << 10 : 2 << 20
    }

    /// How many blocks a file has.
    public static func blocks(_ size: UInt64) -> Int {
        let block = UInt64(blockSize(size))
        return Int((size + block - 1) / block)
    }

    /// Bytes of the block of an index.
    public static func length(_ index: Int, of size: UInt64) -> Int {
        let block = UInt64(blockSize(size))
        return Int(min(block, size - UInt64(index) * block))
    }

    /// One hash for all of it.
    public var root: BlockHash {
        var writer = PacketWriter()
        writer.integer(size)
        for hash in hashes {
            writer.integer(hash.high)
            writer.integer(hash.low)
        }
        return writer.bytes.withUnsafeBytes { BlockHash($0) }
    }

    private static let zeros: [Int: BlockHash] = Dictionary(
        uniqueKeysWithValues: [16 << 10, 128 << 10, 2 << 20].map { size in
            (size, [UInt8](repeating: 0, count: size).withUnsafeBytes { BlockHash($0) })
        })

    /// The hash of a whole block of zeros: such blocks are neither read nor sent, and stay holes.
    public static func zeroHash(_ size: UInt64) -> BlockHash { zeros[blockSize(size)]! }
}

extension PacketWriter {
    /// Appends a hash.
    public mutating func hash(_ hash: BlockHash) {
        integer(hash.high)
        integer(hash.low)
    }
}

extension PacketReader {
    /// The next hash.
    public mutating func hash() throws(TransferError) -> BlockHash {
        BlockHash(high: try integer(), low: try integer())
    }
}
