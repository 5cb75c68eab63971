/// The message digest that dpkg keeps of the files of a package (RFC 1321).
///
/// Here it tells a changed file from an unchanged one, against the database of a host that is trusted; it
/// is no protection against somebody who makes two files with one digest.
public struct MD5: Sendable {
    /// 128 bits, in the order in which they are written.
    public struct Digest: Hashable, Sendable, CustomStringConvertible {
        /// The first eight bytes, the first one the most significant.
        public let high: UInt64
        /// The last eight bytes.
        public let low: UInt64

        /// Puts a digest together from its halves.
        public init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }

        /// Reads exactly 32 hexadecimal digits, in either case.
        public init?(hexadecimal digits: some Collection<UInt8>) {
            guard digits.count == 32 else { return nil }
            var words: (UInt64, UInt64) = (0, 0)
            for (index, digit) in digits.enumerated() {
                let value: UInt8
                switch digit {
                case 0x30...0x39: value = digit - 0x30
                case 0x41...0x46: value = digit - 0x41 + 10
                case 0x61...0x66: value = digit - 0x61 + 10
                default: return nil
                }
                if index < 16 {
                    words.0 = words.0 << 4 | UInt64(value)
                } else {
                    words.1 = words.1 << 4 | UInt64(value)
                }
            }
            self.init(high: words.0, low: words.1)
        }

        /// 32 hexadecimal digits, as md5sum(1) prints them.
        public var description: String { Self.digits(high) + Self.digits(low) }

        private static func digits(_ word: UInt64) -> String {
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
    }

    private var state = MD5State()
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    /// Bytes taken in so far; the digest holds their number of bits modulo 2^64.
    private var length: UInt64 = 0

    /// Starts with no bytes.
    public init() { rest.reserveCapacity(128) }

    /// The digest of all of `bytes`.
    public static func digest(of bytes: some Collection<UInt8>) -> Digest {
        var digest = MD5()
        Array(bytes).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    /// Takes in the next bytes, any number of them.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        length &+= UInt64(bytes.count)
        var offset = 0
        if !rest.isEmpty {
            offset = min(64 - rest.count, bytes.count)
            rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<offset]))
            guard rest.count == 64 else { return }
            rest.withUnsafeBytes { state.take(block: $0.baseAddress!) }
            rest.removeAll(keepingCapacity: true)
        }
        // A local copy stays in registers from block to block.
        var running = state
        while bytes.count - offset >= 64 {
            running.take(block: bytes.baseAddress! + offset)
            offset += 64
        }
        state = running
        rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }

    /// The digest of everything that was taken in.
    public consuming func finish() -> Digest {
        let bits = length &<< 3
        rest.append(0x80)
        while rest.count % 64 != 56 { rest.append(0) }
        for index in 0..<8 { rest.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index))) }
        rest.withUnsafeBytes { padded in
            for offset in stride(from: 0, to: padded.count, by: 64) {
                state.take(block: padded.baseAddress! + offset)
            }
        }
        return Digest(
            high: UInt64(state.a.byteSwapped) << 32 | UInt64(state.b.byteSwapped),
            low: UInt64(state.c.byteSwapped) << 32 | UInt64(state.d.byteSwapped))
    }
}
