/// The message digest that dpkg, and rpm before version 4.6, keep of the files of a package (RFC 1321).
///
/// Here it distinguishes a changed file from an unchanged one, against the database of a host that is trusted; it
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

    private var message = BlockMessage<MD5State>()

    /// Starts with no bytes.
    public init() {}

    /// The digest of all of `bytes`.
    public static func digest(of bytes: some Collection<UInt8>) -> Digest {
        var digest = MD5()
        Array(bytes).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    /// Takes in the next bytes, any number of them.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { message.update(bytes) }

    /// The digest of everything that was taken in.
    public consuming func finish() -> Digest {
        let state = message.finish()
        return Digest(
            high: UInt64(state.a.byteSwapped) << 32 | UInt64(state.b.byteSwapped),
            low: UInt64(state.c.byteSwapped) << 32 | UInt64(state.d.byteSwapped))
    }
}

/// The four words that a message is mixed into (RFC 1321, 3.3 and 3.4).
struct MD5State: BlockState {
    static let isBigEndian = false

    var a: UInt32 = 0x6745_2301
    var b: UInt32 = 0xefcd_ab89
    var c: UInt32 = 0x98ba_dcfe
    var d: UInt32 = 0x1032_5476

    /// Mixes in 64 bytes. Written out, without a table or a loop: this is what looking at a file costs.
    @inline(__always)
    mutating func take(block: UnsafeRawPointer) {
        // Words are little-endian wherever this runs.
        @inline(__always) func word(_ index: Int) -> UInt32 {
            UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        var (a, b, c, d) = (self.a, self.b, self.c, self.d)

        // Round 1.
        f(&a, b, c, d, word(0), 7, 0xd76a_a478)
        f(&d, a, b, c, word(1), 12, 0xe8c7_b756)
        f(&c, d, a, b, word(2), 17, 0x2420_70db)
        f(&b, c, d, a, word(3), 22, 0xc1bd_ceee)
        f(&a, b, c, d, word(4), 7, 0xf57c_0faf)
        f(&d, a, b, c, word(5), 12, 0x4787_c62a)
        f(&c, d, a, b, word(6), 17, 0xa830_4613)
        f(&b, c, d, a, word(7), 22, 0xfd46_9501)
        f(&a, b, c, d, word(8), 7, 0x6980_98d8)
        f(&d, a, b, c, word(9), 12, 0x8b44_f7af)
        f(&c, d, a, b, word(10), 17, 0xffff_5bb1)
        f(&b, c, d, a, word(11), 22, 0x895c_d7be)
        f(&a, b, c, d, word(12), 7, 0x6b90_1122)
        f(&d, a, b, c, word(13), 12, 0xfd98_7193)
        f(&c, d, a, b, word(14), 17, 0xa679_438e)
        f(&b, c, d, a, word(15), 22, 0x49b4_0821)
        // Round 2.
        g(&a, b, c, d, word(1), 5, 0xf61e_2562)
        g(&d, a, b, c, word(6), 9, 0xc040_b340)
        g(&c, d, a, b, word(11), 14, 0x265e_5a51)
        g(&b, c, d, a, word(0), 20, 0xe9b6_c7aa)
        g(&a, b, c, d, word(5), 5, 0xd62f_105d)
        g(&d, a, b, c, word(10), 9, 0x0244_1453)
        g(&c, d, a, b, word(15), 14, 0xd8a1_e681)
        g(&b, c, d, a, word(4), 20, 0xe7d3_fbc8)
        g(&a, b, c, d, word(9), 5, 0x21e1_cde6)
        g(&d, a, b, c, word(14), 9, 0xc337_07d6)
        g(&c, d, a, b, word(3), 14, 0xf4d5_0d87)
        g(&b, c, d, a, word(8), 20, 0x455a_14ed)
        g(&a, b, c, d, word(13), 5, 0xa9e3_e905)
        g(&d, a, b, c, word(2), 9, 0xfcef_a3f8)
        g(&c, d, a, b, word(7), 14, 0x676f_02d9)
        g(&b, c, d, a, word(12), 20, 0x8d2a_4c8a)
        // Round 3.
        h(&a, b, c, d, word(5), 4, 0xfffa_3942)
        h(&d, a, b, c, word(8), 11, 0x8771_f681)
        h(&c, d, a, b, word(11), 16, 0x6d9d_6122)
        h(&b, c, d, a, word(14), 23, 0xfde5_380c)
        h(&a, b, c, d, word(1), 4, 0xa4be_ea44)
        h(&d, a, b, c, word(4), 11, 0x4bde_cfa9)
        h(&c, d, a, b, word(7), 16, 0xf6bb_4b60)
        h(&b, c, d, a, word(10), 23, 0xbebf_bc70)
        h(&a, b, c, d, word(13), 4, 0x289b_7ec6)
        h(&d, a, b, c, word(0), 11, 0xeaa1_27fa)
        h(&c, d, a, b, word(3), 16, 0xd4ef_3085)
        h(&b, c, d, a, word(6), 23, 0x0488_1d05)
        h(&a, b, c, d, word(9), 4, 0xd9d4_d039)
        h(&d, a, b, c, word(12), 11, 0xe6db_99e5)
        h(&c, d, a, b, word(15), 16, 0x1fa2_7cf8)
        h(&b, c, d, a, word(2), 23, 0xc4ac_5665)
        // Round 4.
        i(&a, b, c, d, word(0), 6, 0xf429_2244)
        i(&d, a, b, c, word(7), 10, 0x432a_ff97)
        i(&c, d, a, b, word(14), 15, 0xab94_23a7)
        i(&b, c, d, a, word(5), 21, 0xfc93_a039)
        i(&a, b, c, d, word(12), 6, 0x655b_59c3)
        i(&d, a, b, c, word(3), 10, 0x8f0c_cc92)
        i(&c, d, a, b, word(10), 15, 0xffef_f47d)
        i(&b, c, d, a, word(1), 21, 0x8584_5dd1)
        i(&a, b, c, d, word(8), 6, 0x6fa8_7e4f)
        i(&d, a, b, c, word(15), 10, 0xfe2c_e6e0)
        i(&c, d, a, b, word(6), 15, 0xa301_4314)
        i(&b, c, d, a, word(13), 21, 0x4e08_11a1)
        i(&a, b, c, d, word(4), 6, 0xf753_7e82)
        i(&d, a, b, c, word(11), 10, 0xbd3a_f235)
        i(&c, d, a, b, word(2), 15, 0x2ad7_d2bb)
        i(&b, c, d, a, word(9), 21, 0xeb86_d391)

        self.a &+= a
        self.b &+= b
        self.c &+= c
        self.d &+= d
    }
}

@inline(__always)
private func turn(_ word: UInt32, _ bits: UInt32) -> UInt32 { word &<< bits | word &>> (32 &- bits) }

@inline(__always)
private func f(
    _ a: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ bits: UInt32, _ sine: UInt32
) {
    a = x &+ turn(a &+ word &+ sine &+ (z ^ (x & (y ^ z))), bits)
}

@inline(__always)
private func g(
    _ a: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ bits: UInt32, _ sine: UInt32
) {
    a = x &+ turn(a &+ word &+ sine &+ ((x & z) &+ (y & ~z)), bits)
}

@inline(__always)
private func h(
    _ a: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ bits: UInt32, _ sine: UInt32
) {
    a = x &+ turn(a &+ word &+ sine &+ (x ^ y ^ z), bits)
}

@inline(__always)
private func i(
    _ a: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ bits: UInt32, _ sine: UInt32
) {
    a = x &+ turn(a &+ word &+ sine &+ (y ^ (x | ~z)), bits)
}
