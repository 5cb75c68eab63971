import Records
import Testing
import Text

@Suite struct JSONTextTests {
    private func written(_ bytes: [UInt8]) -> (text: String, isWhole: Bool) {
        var out: [UInt8] = []
        let isWhole = bytes.withUnsafeBytes { JSONText.append($0, to: &out) }
        return (String(decoding: out, as: UTF8.self), isWhole)
    }

    @Test(arguments: [
        ("", #""""#), ("/etc/passwd", #""/etc/passwd""#), ("a\"b\\c", #""a\"b\\c""#),
        ("a\nb\rc\td\u{8}\u{c}", #""a\nb\rc\td\b\f""#),
        ("\u{0}\u{1b}\u{1f} \u{7f}", #""\u0000\u001b\u001f \u007f""#),
        ("long enough for eight\u{7f}bytes at a time", #""long enough for eight\u007fbytes at a time""#),
        ("\u{85}\u{9b}\u{a0}", "\"\\u0085\\u009b\u{a0}\""),
        ("\u{2027}\u{2028}\u{2029}\u{202e}", "\"\u{2027}\\u2028\\u2029\\u202e\""),
        ("a\u{e0041}😀", #""a\udb40\udc41😀""#),
        ("é€😀", "\"é€😀\""), ("/a/b", #""/a/b""#),
    ])
    func escapes(text: String, expected: String) {
        let (found, isWhole) = written(Array(text.utf8))
        #expect(found == expected)
        #expect(isWhole)
    }

    /// What is escaped is a rule of Unicode's, not a list that somebody once thought of.
    @Test func escapesExactlyWhatSteers() throws {
        var wrong: [UInt32] = []
        for number in UInt32(0)...0x10_ffff {
            guard let scalar = Unicode.Scalar(number) else { continue }
            let text = written(Array(String(scalar).utf8)).text
            let isEscaped = text.utf8.dropFirst().first == UInt8(ascii: "\\")
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                if !isEscaped { wrong.append(number) }
            default: if isEscaped != (scalar == "\"" || scalar == "\\") { wrong.append(number) }
            }
            if isEscaped, try JSONValue(parsing: text).string != String(scalar) { wrong.append(number) }
        }
        #expect(wrong == [])
    }

    @Test(arguments: [
        ([0x2f, 0xff, 0x2f], "\"/\u{fffd}/\""), ([0xc0, 0x80], "\"\u{fffd}\u{fffd}\""),
        ([0xed, 0xa0, 0x80], "\"\u{fffd}\u{fffd}\u{fffd}\""), ([0xe2, 0x82], "\"\u{fffd}\""),
        ([0x41, 0xf0, 0x9f, 0x98, 0x0a], "\"A\u{fffd}\\n\""),
    ])
    func repairsAndReports(bytes: [UInt8], expected: String) {
        let (found, isWhole) = written(bytes)
        #expect(Array(found.utf8) == Array(expected.utf8))
        #expect(!isWhole)
    }

    /// Each single byte, at every place relative to the groups of eight.
    @Test func everyByteAtEveryPlace() throws {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<18 {
                var bytes = [UInt8](repeating: 0x61, count: 18)
                bytes[place] = byte
                let (text, isWhole) = written(bytes)
                #expect(isWhole == (byte < 0x80))
                #expect(!text.utf8.dropFirst().dropLast().contains { $0 < 0x20 || $0 == 0x7f })
                let back = try JSONValue(parsing: text).string
                #expect(back == String(decoding: bytes, as: UTF8.self))
            }
        }
    }
}
