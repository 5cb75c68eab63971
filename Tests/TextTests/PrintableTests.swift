import Testing
import Text

@Suite("Text fit for a terminal")
struct PrintableTests {
    @Test(
        arguments: [
            ("/etc/a.conf", "/etc/a.conf"), ("/tmp/ä 漢", "/tmp/ä 漢"), ("a\nb", "a\\nb"), ("a\tb", "a\\tb"),
            ("\u{1b}[31m", "\\x1b[31m"), ("\u{7f}", "\\x7f"), ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}cod", "\\u{202e}cod"), ("\u{2066}", "\\u{2066}"), ("\u{200b}", "\\u{200b}"),
            ("\u{2028}", "\\u{2028}"), ("\u{a0}", "\\u{a0}"), ("\u{feff}", "\\u{feff}"),
            ("\u{e000}", "\\u{e000}"), ("\\n", "\\\\n"), ("", ""),
        ])
    func isEscaped(text: String, expected: String) {
        #expect(Printable.text(Array(text.utf8)) == expected)
    }

    @Test func bytesThatAreNoTextAreShownAsBytes() {
        #expect(Printable.text([0x61, 0xff, 0x62]) == "a\\xffb")
        #expect(Printable.text([0xc3]) == "\\xc3")
        #expect(Printable.text([0xed, 0xa0, 0x80]) == "\\xed\\xa0\\x80")
        #expect(Printable.text([0xf0, 0x9f, 0x98, 0x2f]) == "\\xf0\\x9f\\x98/")
    }

    /// No two names look alike, and none has anything that a terminal acts on.
    @Test func noiseStaysApartAndHarmless() {
        var generator = SystemRandomNumberGenerator()
        // By bytes: to Swift, a precomposed letter and its decomposed form are one and the same String.
        var seen: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<20_011 {
            let count = Int.random(in: 0...5, using: &generator)
            let bytes = (0..<count).map { _ in
                Bool.random(using: &generator)
                    ? UInt8.random(in: 0...255, using: &generator) : Array("\\x1b9n".utf8).randomElement()!
            }
            let text = Printable.text(bytes)
            #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
            let shown = Array(text.utf8)
            #expect(seen[shown] == nil || seen[shown] == bytes)
            seen[shown] = bytes
        }
    }

    @Test func quantities() {
        #expect(Quantity.grouped(1_234_567) == "1,234,567")
        #expect(Quantity.grouped(999) == "999")
        #expect(Quantity.grouped(UInt64.max) == "18,446,744,073,709,551,615")
        #expect(Quantity.bytes(345) == "345 B")
        #expect(Quantity.bytes(12_345_678) == "11.8 MiB")
        #expect(Quantity.bytes(1024 * 1024 - 1) == "1.0 MiB")
        #expect(Quantity.decimal(0.05) == "0.1")
        #expect(Quantity.decimal(1234.56) == "1,234.6")
        #expect(Quantity.decimal(.nan) == "-")
        #expect(Quantity.duration(seconds: 0) == "0 s")
        #expect(Quantity.duration(seconds: 61) == "1 min 1 s")
        #expect(Quantity.duration(seconds: 3 * 86_400 + 4 * 3600 + 59) == "3 d 4 h")
    }
}
