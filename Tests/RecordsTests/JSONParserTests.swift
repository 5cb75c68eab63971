import Testing

@testable import Records

@Suite struct JSONParserTests {
    private func reason(_ text: String) -> JSONError.Reason? {
        do {
            _ = try JSONValue(parsing: text)
            return nil
        } catch { return error.reason }
    }

    @Test func readsATree() throws {
        let text =
            #" {"a" : [1, -2.5, 1e3, true, false, null, "x"], "b": {}, "c": [] , "": "\u00e9\ud83d\ude00\/"} "#
        let value = try JSONValue(parsing: text)
        #expect(
            value["a"]
                == .array([
                    .integer(1), .double(-2.5), .double(1000), .boolean(true), .boolean(false), .null,
                    .string("x"),
                ]))
        #expect(value["b"] == .object([]))
        #expect(value["c"] == .array([]))
        #expect(value[""] == .string("é😀/"))
        #expect(value["d"] == nil)
    }

    @Test(arguments: [
        ("0", JSONValue.integer(0)), ("-0", .integer(0)),
        ("18446744073709551615", .integer(Int128(UInt64.max))),
        ("-9223372036854775809", .integer(-9_223_372_036_854_775_809)), ("1.0", .double(1)),
        ("1E-2", .double(0.01)),
        ("1" + String(repeating: "0", count: 60), .double(1e60)),
    ])
    func numbers(text: String, expected: JSONValue) throws {
        #expect(try JSONValue(parsing: text) == expected)
    }

    @Test(arguments: [
        ("", JSONError.Reason.end), (" ", .end), ("{", .end), ("[1", .end), (#"{"a""#, .end),
        (#"{"a":"#, .end),
        ("\"a", .end), ("\"\\", .end), ("\"\\u12", .end), ("tru", .end), ("-", .number), ("01", .number),
        ("1.", .number), (".5", .unexpected(0x2e)), ("1e", .number), ("1e+", .number),
        ("+1", .unexpected(0x2b)),
        ("1e999", .range), ("truth", .unexpected(0x74)), ("nul1", .unexpected(0x31)),
        ("NaN", .unexpected(0x4e)),
        ("[1,]", .unexpected(0x5d)), ("[,1]", .unexpected(0x2c)), ("[1 2]", .unexpected(0x32)),
        (#"{"a":1,}"#, .type(expected: "a string")), (#"{,"a":1}"#, .type(expected: "a string")),
        (#"{a:1}"#, .type(expected: "a string")), (#"{"a" 1}"#, .unexpected(0x31)),
        (#"{"a":1 "b":2}"#, .unexpected(0x22)),
        ("[}", .unexpected(0x7d)), ("{]", .type(expected: "a string")), ("1 2", .trailing),
        ("{}}", .trailing),
        (#""\x""#, .escape), (#""\u12g4""#, .escape), (#""\ud800""#, .escape), (#""\udc00""#, .escape),
        (#""\ud800\n""#, .escape), (#""\ud800\ud800""#, .escape), (#""\ud800\ue000""#, .escape),
        ("\"a\nb\"", .control),
        ("\"\u{0}\"", .control),
        ("'a'", .unexpected(0x27)), ("\u{feff}1", .unexpected(0xef)),
        (#"{"a":1,"a":2}"#, .duplicate(key: "a")),
        (#"{"a":1,"\u0061":2}"#, .duplicate(key: "a")), ("/* */1", .unexpected(0x2f)),
    ])
    func refuses(text: String, expected: JSONError.Reason) { #expect(reason(text) == expected) }

    @Test(
        arguments: [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]
            as [[UInt8]])
    func refusesWhatIsNotUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError(.utf8, at: 2)) {
            _ = try JSONValue(parsing: [0x22, 0x61] + bytes + [0x22])
        }
    }

    @Test func depthIsBounded() throws {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        _ = try JSONValue(parsing: deep)
        #expect(reason("[\(deep)]") == .depth)
        #expect(reason(String(repeating: "[", count: 1_000_000)) == .depth)
        #expect(reason(String(repeating: #"{"a":"#, count: 1_000_000)) == .depth)
        #expect(reason(String(repeating: "[]", count: 2)) == .trailing)
        // Depth counts what is open, not what there has been.
        _ = try JSONValue(parsing: "[" + String(repeating: "[[]],", count: 200) + "1]")
    }

    @Test func errorsTellWhere() {
        #expect(throws: JSONError(.unexpected(0x7d), at: 6)) { _ = try JSONValue(parsing: #"{"a": }"#) }
        let error = JSONError(.unknown(word: "e\u{1b}[2J\n", key: "evidence"), at: 7)
        #expect(error.description == #"unknown "evidence": "e\u{1B}[2J\n" at byte 7"#)
    }

    @Test func unsignedNumbers() throws {
        func read(_ text: String, maximum: UInt64 = .max) throws(JSONError) -> UInt64 {
            try Array(text.utf8).withUnsafeBufferPointer { bytes throws(JSONError) in
                var parser = JSONParser(UnsafeRawBufferPointer(bytes))
                return try parser.unsigned(maximum: maximum)
            }
        }
        #expect(try read("18446744073709551615") == .max)
        #expect(throws: JSONError(.range, at: 0)) { try read("18446744073709551616") }
        #expect(throws: JSONError(.range, at: 0)) { try read("99999999999999999999999") }
        #expect(throws: JSONError(.range, at: 0)) { try read("65536", maximum: 65535) }
        for text in ["-1", "1.5", "1e2", "-0"] {
            #expect(throws: JSONError(.type(expected: "a whole number"), at: 0)) { try read(text) }
        }
        #expect(throws: JSONError(.type(expected: "a number"), at: 0)) { try read("\"1\"") }
    }

    @Test func skipsAnything() throws {
        let text = #"{"a":[{"b":["c\n",1e5,null,true]}],"d":false}"#
        try Array(text.utf8).withUnsafeBytes { bytes in
            var parser = JSONParser(bytes)
            try parser.skip()
            try parser.end()
            #expect(parser.offset == bytes.count)
        }
    }
}
