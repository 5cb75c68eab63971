import Testing

@testable import Text

@Suite struct Base64Tests {
    /// RFC 4648, section 10, and bytes that use the last two letters.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectors(plain: String, encoded: String) {
        var out: [UInt8] = []
        Array(plain.utf8).withUnsafeBytes { Base64.append($0, to: &out) }
        #expect(String(decoding: out, as: UTF8.self) == encoded)
        #expect(Base64.decode(Array(encoded.utf8)) == Array(plain.utf8))
    }

    @Test func everyByteComesBack() {
        let bytes = Array(UInt8.min...UInt8.max)
        for count in 0...bytes.count {
            var out: [UInt8] = []
            bytes[..<count].withUnsafeBytes { Base64.append($0, to: &out) }
            #expect(Base64.decode(out) == Array(bytes[..<count]))
        }
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "Z===", "Zm 9", "Zm9v\n", "Zm-_"])
    func refuses(text: String) { #expect(Base64.decode(Array(text.utf8)) == nil) }
}
