import Testing

@testable import Text

@Suite struct UTF8FormTests {
    private func form(_ bytes: [UInt8]) -> UTF8Form { bytes.withUnsafeBytes { UTF8Form($0, at: 0) } }

    @Test(arguments: [
        ([0x41], UTF8Form.valid(1)), ([0xc3, 0xa9], .valid(2)), ([0xe2, 0x82, 0xac], .valid(3)),
        ([0xf0, 0x9f, 0x98, 0x80], .valid(4)), ([0xf4, 0x8f, 0xbf, 0xbf], .valid(4)),
        ([0xed, 0x9f, 0xbf], .valid(3)), ([0xee, 0x80, 0x80], .valid(3)),
        // Overlong, a surrogate, beyond U+10FFFF, a lone continuation, and what is cut off.
        ([0xc0, 0x80], .invalid(1)), ([0xc1, 0xbf], .invalid(1)), ([0xe0, 0x9f, 0xbf], .invalid(1)),
        ([0xf0, 0x8f, 0xbf, 0xbf], .invalid(1)), ([0xed, 0xa0, 0x80], .invalid(1)),
        ([0xf4, 0x90, 0x80, 0x80], .invalid(1)), ([0xf5, 0x80, 0x80, 0x80], .invalid(1)),
        ([0x80], .invalid(1)), ([0xff], .invalid(1)), ([0xe2, 0x82], .invalid(2)),
        ([0xe2, 0x82, 0x41], .invalid(2)), ([0xf0, 0x9f, 0x98], .invalid(3)), ([0xc3], .invalid(1)),
    ])
    func knowsTheTable(bytes: [UInt8], expected: UTF8Form) { #expect(form(bytes) == expected) }

    /// The standard library repairs by the same rule.
    @Test func agreesWithTheStandardLibrary() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let leads: [UInt8] = [
                0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xff, 0x9f, 0xa0, 0x8f, 0x90,
            ]
            let bytes = (0..<12).map { _ in leads.randomElement(using: &random)! }
            var repaired: [UInt8] = []
            bytes.withUnsafeBytes { raw in
                var offset = 0
                while offset < raw.count {
                    switch UTF8Form(raw, at: offset) {
                    case .valid(let length):
                        repaired += raw[offset..<offset + length]
                        offset += length
                    case .invalid(let length):
                        repaired += Array("\u{fffd}".utf8)
                        offset += length
                    }
                }
            }
            #expect(repaired == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
        }
    }
}
