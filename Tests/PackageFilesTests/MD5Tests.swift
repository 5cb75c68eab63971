import PackageFiles
import TestSupport
import Testing

@Suite struct MD5Tests {
    /// The test suite of RFC 1321, A.5.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f"
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a"
        ),
    ])
    func vectorsOfTheRFC(message: String, digest: String) {
        #expect(MD5.digest(of: message.utf8).description == digest)
    }

    /// In whatever pieces the bytes come: padding and blocks meet at every length.
    @Test func piecesMakeNoDifference() {
        var generator = SeededGenerator(seed: 1321)
        for length in 0...300 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            var digest = MD5()
            var offset = 0
            while offset < length {
                let end = Int.random(in: offset...length, using: &generator)
                Array(bytes[offset..<end]).withUnsafeBytes { digest.update($0) }
                offset = end
            }
            #expect(digest.finish() == MD5.digest(of: bytes), "\(length) bytes")
        }
    }

    /// Every length at which the padding changes, against what md5sum(1) gave for them.
    @Test(arguments: [
        (55, "ef1772b6dff9a122358552954ad0df65"), (56, "3b0c8ac703f828b04c6c197006d17218"),
        (57, "652b906d60af96844ebd21b674f35e93"), (63, "b06521f39153d618550606be297466d5"),
        (64, "014842d480b571495a4a0363793f7367"), (65, "c743a45e0d2e6a95cb859adae0248435"),
        (119, "8a7bd0732ed6a28ce75f6dabc90e1613"), (120, "5f61c0ccad4cac44c75ff505e1f1e537"),
        (128, "e510683b3f5ffe4093d021808bc6ff70"),
    ])
    func lengthsAroundTheBlock(length: Int, digest: String) {
        #expect(MD5.digest(of: [UInt8](repeating: UInt8(ascii: "a"), count: length)).description == digest)
    }

    @Test func hexadecimalDigits() {
        let digits = "d41d8cd98f00b204e9800998ecf8427e"
        #expect(MD5.Digest(hexadecimal: Array(digits.utf8))?.description == digits)
        #expect(MD5.Digest(hexadecimal: Array(digits.uppercased().utf8))?.description == digits)
        #expect(MD5.Digest(hexadecimal: Array("0000000000000000000000000000000a".utf8))?.low == 10)
        for wrong in ["", String(digits.dropLast()), digits + "0", digits.dropLast() + "g"] {
            #expect(MD5.Digest(hexadecimal: Array(wrong.utf8)) == nil, "\(wrong)")
        }
    }
}
