import PackageFiles
import TestSupport
import Testing

@Suite struct SHA256Tests {
    /// The examples of FIPS 180-2, appendix B, and of no bytes at all.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func vectorsOfTheStandard(message: String, digest: String) {
        #expect(SHA256.digest(of: message.utf8).description == digest)
    }

    /// sha256sum(1) agrees at every length at which the padding changes.
    @Test func agreesWithCoreutils() throws {
        try withTemporaryFolder { folder in
            var generator = SeededGenerator(seed: 256)
            for length in [1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_000] {
                let bytes = (0..<length).map { _ in UInt8.random(in: 32...126, using: &generator) }
                try write(String(decoding: bytes, as: UTF8.self), to: folder + "/x")
                let expected = try run(["sha256sum", folder + "/x"]).prefix(64)
                #expect(SHA256.digest(of: bytes).description == expected, "\(length) bytes")
                #expect(SHA256.Digest(hexadecimal: expected.utf8) == SHA256.digest(of: bytes))
            }
        }
    }

    @Test func forms() {
        let digest = SHA256.digest(of: "x".utf8)
        #expect(SHA256.Digest(hexadecimal: digest.description.uppercased().utf8) == digest)
        #expect(SHA256.Digest(hexadecimal: "0".utf8) == nil)
        #expect(SHA256.Digest(hexadecimal: String(repeating: "g", count: 64).utf8) == nil)
        #expect(SHA256.Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(
            SHA256.Digest(bytes: [UInt8](repeating: 0, count: 32))?.description
                == String(repeating: "0", count: 64))
        #expect(SHA256.Digest(bytes: [UInt8](repeating: 0, count: 32)) != digest)
    }
}
