import Records
import Testing
import Text

@Suite struct JSONWriterTests {
    private func object(_ body: (inout JSONWriter) -> Void) -> String {
        var out = JSONWriter()
        out.object(body)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    @Test func nestingPutsCommasWhereTheyBelong() {
        let text = object { out in
            out.object("a") { _ in }
            out.object("b") { out in
                out.member("c", number: 1)
                out.object("d") { $0.member("e", flag: true) }
                out.member("f", textOrNull: nil)
                out.member("f2", textOrNull: "x")
            }
            out.array("g", texts: [])
            out.array("h", texts: ["x", "y", "z"])
            out.key("i")
            out.beginArray()
            out.beginArray()
            out.endArray()
            out.value(flag: false)
            out.null()
            out.value(number: -1)
            out.endArray()
            out.member("j", word: "k")
            out.member("t", time: 0)
            out.key(plain: { $0.append("p") })
            out.value(plain: { $0.append(decimal: 7) })
        }
        #expect(
            text == #"{"a":{},"b":{"c":1,"d":{"e":true},"f":null,"f2":"x"},"g":[],"h":["x","y","z"],"#
                + #""i":[[],false,null,0],"j":"k","t":"1970-01-01T00:00:00.000Z","p":"7"}"#)
    }

    @Test(arguments: [
        "0", "-1", "-9223372036854775809", "18446744073709551616", "1.5", "0.1", "-2.5", "1e+60", "1e-07",
        "2.0",
        "[1,[0.25,{\"a\":-3}]]",
    ])
    func aTreeOfNumbersIsWrittenAsItWasRead(text: String) throws {
        let value = try JSONValue(parsing: text)
        var out = JSONWriter()
        out.value(value)
        #expect(String(decoding: out.bytes, as: UTF8.self) == text)
    }

    @Test func jsonHasNoInfinity() {
        for number in [Double.infinity, -.infinity, .nan] {
            var out = JSONWriter()
            out.value(.array([.double(number)]))
            #expect(String(decoding: out.bytes, as: UTF8.self) == "[null]")
        }
    }

    @Test func linesStandBehindCommas() {
        let text = object { out in
            out.member("a", number: UInt64.max)
            out.array("b", [1, 2]) { $0.member("n", number: $1) }
            out.array("c", [Int]()) { $0.member("n", number: $1) }
            out.beginLine()
            out.member("d", number: 3)
        }
        #expect(
            text == "{\"a\":18446744073709551615,\"b\":[\n{\"n\":1},\n{\"n\":2}],\"c\":[],\n\"d\":3}")
    }

    @Test(arguments: ["", "a\"b\\c", "\n\u{1b}[2J\u{202e}", "é€😀", "\u{0}", "\u{e0001}"])
    func stringsAndKeysComeBack(text: String) throws {
        let written = object { out in
            out.member("text", text: text)
            out.key(text: "k" + text)
            out.value(text: text)
            out.object(text: "o" + text) { $0.member(text: text, number: 1) }
            out.member("bytes", bytes: Array(text.utf8))
        }
        let string = JSONValue.string(text)
        #expect(
            try JSONValue(parsing: written)
                == .object([
                    .init("text", string), .init("k" + text, string),
                    .init("o" + text, .object([.init(text, .integer(1))])), .init("bytes", string),
                ]))
    }

    @Test func bytesThatAreNoTextStandBesideInBase64() {
        #expect(
            object { $0.member("path", bytes: [0x2f, 0xff]) }
                == "{\"path\":\"/\u{fffd}\",\"path_raw\":\"L/8=\"}")
    }

    @Test func piecesAreTheWhole() {
        var pieces: [[UInt8]] = []
        var out = JSONWriter(capacity: 8)
        var part = JSONWriter()
        part.object { $0.member("x", number: 1) }
        out.beginArray()
        for number in 0..<100 {
            if number % 2 == 0 { out.value(of: part) } else { out.value(number: number) }
            out.handOver(chunk: 64) { pieces.append(Array($0)) }
        }
        out.endArray()
        out.endDocument()
        out.handOver { pieces.append(Array($0)) }
        out.handOver { _ in Issue.record("nothing is left") }
        let expected = (0..<100).map { $0 % 2 == 0 ? "{\"x\":1}" : "\($0)" }.joined(separator: ",")
        #expect(String(decoding: pieces.joined(), as: UTF8.self) == "[\(expected)]\n")
        #expect(pieces.dropLast().allSatisfy { $0.count >= 64 })
    }

    #if DEBUG
        @Test func aKeyOutsideAnObjectIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.beginArray()
                out.key("a")
            }
        }

        @Test func aValueWithoutKeyIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.beginObject()
                out.null()
            }
        }

        @Test func aKeyWithoutValueIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.beginObject()
                out.key("a")
                out.endObject()
            }
        }

        @Test func whatIsNotClosedIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.beginObject()
                out.endDocument()
            }
        }

        @Test func aWrongEndIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.beginObject()
                out.endArray()
            }
        }

        @Test func aSecondValueIsFound() async {
            await #expect(processExitsWith: .failure) {
                var out = JSONWriter()
                out.null()
                out.null()
            }
        }
    #endif
}
