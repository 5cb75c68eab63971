/// The message digest that rpm keeps of files since version 4.6, and pip of what it installs (FIPS 180-4, 6.2).
public struct SHA256: Sendable {
    /// 256 bits, in the order in which they are written.
    public struct Digest: Hashable, Sendable, CustomStringConvertible {
        /// The 32 bytes as four words, the first byte the most significant of the first one.
        let words: [4 of UInt64]

        init(words: [4 of UInt64]) { self.words = words }

        /// Takes exactly 32 bytes.
        public init?(bytes: some Collection<UInt8>) {
            guard bytes.count == 32 else { return nil }
            var words: [4 of UInt64] = [0, 0, 0, 0]
            for (index, byte) in bytes.enumerated() {
                words[index / 8] = words[index / 8] << 8 | UInt64(byte)
            }
            self.words = words
        }

        /// Reads exactly 64 hexadecimal digits, in either case.
        public init?(hexadecimal digits: some Collection<UInt8>) {
            guard digits.count == 64 else { return nil }
            let halves = [Array(digits.prefix(32)), Array(digits.dropFirst(32))].compactMap {
                MD5.Digest(hexadecimal: $0)
            }
            guard halves.count == 2 else { return nil }
            words = [halves[0].high, halves[0].low, halves[1].high, halves[1].low]
        }

        /// The first 64 bits, as a number that databases have as well.
        package var firstWord: Int64 { Int64(bitPattern: words[0]) }

        /// Whether all bits are equal.
        public static func == (left: Self, right: Self) -> Bool {
            (0..<4).allSatisfy { left.words[$0] == right.words[$0] }
        }

        /// Takes in all bits.
        public func hash(into hasher: inout Hasher) { for index in 0..<4 { hasher.combine(words[index]) } }

        /// 64 hexadecimal digits, as sha256sum(1) prints them.
        public var description: String {
            MD5.Digest(high: words[0], low: words[1]).description
                + MD5.Digest(high: words[2], low: words[3]).description
        }
    }

    private var message = BlockMessage<SHA256State>()

    /// Starts with no bytes.
    public init() {}

    /// The digest of all of `bytes`.
    public static func digest(of bytes: some Collection<UInt8>) -> Digest {
        var digest = SHA256()
        Array(bytes).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    /// Takes in the next bytes, any number of them.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { message.update(bytes) }

    /// The digest of everything that was taken in.
    public consuming func finish() -> Digest {
        let state = message.finish()
        var words: [4 of UInt64] = [0, 0, 0, 0]
        for index in 0..<4 {
            words[index] = UInt64(state.words[2 * index]) << 32 | UInt64(state.words[2 * index + 1])
        }
        return Digest(words: words)
    }
}

/// The eight words that a message is mixed into (FIPS 180-4, 5.3.3 and 6.2.2).
struct SHA256State: BlockState {
    static let isBigEndian = true

    /// Fractions of the square roots of the first eight primes.
    var words: [8 of UInt32] = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
        0x5be0_cd19,
    ]

    mutating func take(block: UnsafeRawPointer) {
        // The schedule, in a ring of sixteen: word t is made of those of t - 16, t - 15, t - 7 and t - 2.
        var schedule: [16 of UInt32] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        for index in 0..<16 {
            schedule[index] = UInt32(
                bigEndian: block.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        var (a, b, c, d) = (words[0], words[1], words[2], words[3])
        var (e, f, g, h) = (words[4], words[5], words[6], words[7])
        for step in 0..<64 {
            if step >= 16 {
                let (early, late) = (schedule[(step &+ 1) & 15], schedule[(step &+ 14) & 15])
                let first = turn(early, 7) ^ turn(early, 18) ^ early &>> 3
                let second = turn(late, 17) ^ turn(late, 19) ^ late &>> 10
                schedule[step & 15] = schedule[step & 15] &+ first &+ schedule[(step &+ 9) & 15] &+ second
            }
            let choice = (e & f) ^ (~e & g)
            let one =
                h &+ (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) &+ choice &+ Self.roots[step]
                &+ schedule[step & 15]
            let majority = (a & b) ^ (a & c) ^ (b & c)
            let two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) &+ majority
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ one, c, b, a, one &+ two)
        }
        words[0] &+= a
        words[1] &+= b
        words[2] &+= c
        words[3] &+= d
        words[4] &+= e
        words[5] &+= f
        words[6] &+= g
        words[7] &+= h
    }

    /// Fractions of the cube roots of the first 64 primes.
    private static let roots: [64 of UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7,
        0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351,
        0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585,
        0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7,
        0xc671_78f2,
    ]
}

@inline(__always)
private func turn(_ word: UInt32, _ bits: UInt32) -> UInt32 { word &>> bits | word &<< (32 &- bits) }
