import TestSupport
import Testing

@testable import Records

/// Lines as Retinue writes them are compared and not parsed: what comes out, and what is wrong, is the same.
@Suite struct PlainLinesTests {
    /// What came of reading a dump.
    private struct Outcome: Equatable {
        var error: DumpError?
        var skipped = 0
        var firstSkipped: DumpError?
        var missing: UInt64 = 0
        var written: [UInt8] = []
        var counts: [Int] = []

        init(_ dump: [UInt8], isPlain: Bool, isLenient: Bool, piece: Int = .max) {
            var reader = DumpReader(lineLimit: 1 << 20, isLenient: isLenient)
            reader.distinguishesPlainLines = isPlain
            do throws(DumpError) {
                var start = 0
                while start < dump.count {
                    let end = piece < dump.count - start ? start + piece : dump.count
                    // Memory of its own, so that reading beyond it shows.
                    try reader.feed(Array(dump[start..<end]))
                    start = end
                }
                (skipped, firstSkipped, missing) = (reader.skipped, reader.firstSkipped, reader.missingLines)
                let contents = try reader.finish()
                written = contents.ledger.ndjson(contents.header)
                counts = [
                    contents.ledger.programs.count, contents.ledger.endpoints.count,
                    contents.ledger.texts.count,
                    contents.ledger.processes.count, contents.ledger.gaps.count,
                ]
            } catch {
                self.error = error
            }
        }
    }

    private func expectEqual(_ dump: [UInt8], _ comment: Comment) {
        for isLenient in [false, true] {
            let parsed = Outcome(dump, isPlain: false, isLenient: isLenient)
            for piece in [.max, 97, 700] {
                let plain = Outcome(dump, isPlain: true, isLenient: isLenient, piece: piece)
                #expect(plain == parsed, "\(comment)")
            }
        }
    }

    @Test(arguments: 1...25) func mutatedDumps(seed: Int) {
        var maker = RandomLedger(seed: UInt64(seed) &* 104_729)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 15)
        let dump = ledger.ndjson(maker.header())
        let lines = dump.split(separator: 0x0a).map(Array.init)
        expectEqual(dump, "seed \(seed)")
        for _ in 0..<40 {
            var bytes = dump
            for _ in 0..<Int.random(in: 1...4, using: &maker.random) { mutate(&bytes, lines, &maker.random) }
            expectEqual(bytes, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test func oneByteAtATime() {
        var maker = RandomLedger(seed: 5)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 40)
        let dump = ledger.ndjson(maker.header())
        let parsed = Outcome(dump, isPlain: false, isLenient: false)
        #expect(Outcome(dump, isPlain: true, isLenient: false, piece: 1) == parsed)
        #expect(parsed.error == nil)
    }

    private static let header =
        #"{"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"h1","machine":{"name":"n","#
        + #""addresses":["10.0.0.2"],"kernel":"k","boot":"b"},"daemon":{"version":"v","#
        + #""started":"2026-11-21T01:00:00.000Z"},"sources":{}}"# + "\n"
    private static let end =
        #","change":3,"count":2,"first":"2026-11-21T02:00:00.123Z","last":"2026-11-21T02:01:00.124Z","evidence":"exact"}"#
    private static let start = #"{"type":"dependency","host":"h1","program":{"executable":"/bin/a"},"#

    private static let plain = [
        #""relation":"file","path":"/etc/a","kind":"directory","access":"rw""#,
        #""relation":"file","path":"","kind":"regular","access":"""#,
        #""relation":"spawn","child":{"executable":"/bin/b","script":"/s","called":["x"]}"#,
        #""relation":"connect","transport":"udplite","remote":{"address":"::1","port":65535},"#
            + #""peer":{"executable":"/bin/b"},"sent":0,"received":17"#,
        #""relation":"accept","transport":"tcp","local":{"address":"10.0.0.1","port":1},"remote":{"address":"10.0.0.2"},"#
            + #""sent":1,"received":0"#,
        #""relation":"listen","transport":"tcp","local":{"address":"10.0.0.1","port":1}"#,
        #""relation":"ipc","mechanism":"posix-shm","name":"/x y","peer":{"executable":""}"#,
    ]

    /// Otherwise nothing would be faster, and nothing here be tested.
    @Test(arguments: plain) func plainLinesAreTakenAsSuch(middle: String) throws {
        var reader = DumpReader()
        try reader.feed(Array(Self.header.utf8))
        for _ in 0..<2 {
            let line = Array((Self.start + middle + Self.end).utf8)
            #expect(line.withUnsafeBytes { reader.readPlainLine($0) })
        }
        #expect(try reader.finish().ledger.records.count == 1)
    }

    /// The same where they lie: up to one that is not plain, and to where there is no slack.
    @Test func plainLinesAreTakenWhereTheyLie() throws {
        var reader = DumpReader()
        try reader.feed(Array(Self.header.utf8))
        let plain = Self.plain.map { Self.start + $0 + Self.end + "\n" }.joined()
        let bytes = Array((plain + Self.file("/etc/\\u0061") + Self.file("/etc/b")).utf8)
        let ends = bytes.indices.filter { bytes[$0] == 0x0a }
        bytes.withUnsafeBytes { bytes in
            #expect(reader.readPlainLines(bytes, from: 0, to: ends[1]) == ends[1] + 1)
            #expect(reader.readPlainLines(bytes, from: ends[1] + 1, to: ends[7]) == ends[6] + 1)
            #expect(reader.readPlainLines(bytes, from: ends[6] + 1, to: ends[7]) == ends[6] + 1)
            #expect(reader.readPlainLines(bytes, from: ends[7] + 1, to: ends[7]) == ends[7] + 1)
            reader.flush()
        }
        #expect(try reader.finish().ledger.records.count == Self.plain.count)
    }

    /// Reads each line between two that are plain, alone and with an error behind, whose number shows what was taken for a
    /// line; and then all of them in one dump.
    private func expectEqual(each lines: [[UInt8]], among line: [UInt8]) {
        let header = Array(Self.header.utf8)
        let ends: [[UInt8]] = [[], [0x78, 0x0a]]
        for other in lines {
            for end in ends {
                let dump = header + line + other + line + end
                let parsed = Outcome(dump, isPlain: false, isLenient: false)
                let plain = Outcome(dump, isPlain: true, isLenient: false)
                #expect(plain == parsed, "\(String(decoding: other, as: UTF8.self))")
            }
        }
        expectEqual(header + lines.joined(separator: line), "all of them")
    }

    /// A line ends at its newline, wherever that is: what is read goes on behind none.
    @Test(arguments: plain) func aNewlineAnywhere(middle: String) {
        let line = Array((Self.start + middle + Self.end + "\n").utf8)
        let places = line.indices.dropLast()
        expectEqual(each: places.map { line[..<$0] + [0x0a] + line[$0...] }, among: line)
        expectEqual(each: places.map { line[..<$0] + [0x0a] + line[($0 + 1)...] }, among: line)
    }

    /// Every byte of a line counts.
    @Test(arguments: plain) func anyOtherByte(middle: String) {
        let line = Array((Self.start + middle + Self.end + "\n").utf8)
        let others = line.indices.dropLast().map { place in
            var other = line
            other[place] ^= 1
            return other
        }
        let longer = " \t\r}\0x".utf8.map { Array(line.dropLast()) + [$0, 0x0a] }
        expectEqual(each: others + longer, among: line)
    }

    /// Numbers of any length, whatever begins with them.
    @Test func numbers() {
        let line = Self.start + Self.plain[0] + Self.end + "\n"
        let values =
            (1...21).flatMap {
                [String(repeating: "9", count: $0), "1" + String(repeating: "0", count: $0 - 1)]
            }
            + (1...21).map { "0" + String(repeating: "7", count: $0) }
            + [
                "0", "", "-1", "1.5", "1e3", "12345678x", "1234567:", "123 ", " 123", "4294967295",
                "4294967296",
            ]
        for value in values {
            for key in ["change", "count"] {
                let other = line.replacing(
                    key == "change" ? "\"change\":3" : "\"count\":2", with: "\"\(key)\":\(value)")
                expectEqual(Array((Self.header + line + other).utf8), "\(key) \(value)")
            }
        }
    }

    private static func file(_ path: String, access: String = "r", count: Int = 2) -> String {
        start + #""relation":"file","path":"\#(path)","kind":"regular","access":"\#(access)""#
            + end.replacing(#""count":2"#, with: #""count":\#(count)"#) + "\n"
    }

    /// Files are put into the ledger some at a time, before anything else: the order of records, and what comes twice,
    /// is the same.
    @Test func filesAmongOthers() {
        var text = Self.header
        for number in 0..<700 {
            switch number % 50 {
            case 17: text += Self.start + Self.plain[2 + number / 50 % 5] + Self.end + "\n"
            case 29: text += Self.file("/etc/\\u0061", access: "w")
            case 31: text += Self.file("/srv/" + String(repeating: "long/", count: 4000) + "f\(number)")
            case 37: text += Self.file("")
            case 41: text += Self.file("/etc/a", access: "x", count: number)
            case 43: text += Self.file("no folder")
            default: text += Self.file("/srv/\(number % 7)/\(number / 3)/f\(number % 11)")
            }
        }
        expectEqual(Array(text.utf8), "files among others")
        let dump = Array(text.utf8)
        #expect(Outcome(dump, isPlain: true, isLenient: false).error == nil)
    }

    /// Room that is made ahead changes nothing, whether the dump is as long as was said or not.
    @Test(arguments: [0, 1 << 20, 1_500_000, 40 << 20, .max]) func expected(bytes: Int) throws {
        var text = Self.header
        for number in 0..<7000 {
            let below = number < 5000 ? "/srv/data/\(number % 100)" : "/var/lib/other/\(number / 10)/long"
            text += Self.file("\(below)/f\(number % 6500)")
        }
        let dump = Array(text.utf8)
        var reader = DumpReader()
        reader.expect(bytes: bytes)
        for start in stride(from: 0, to: dump.count, by: 1 << 16) {
            try reader.feed(Array(dump[start..<min(start + 1 << 16, dump.count)]))
        }
        let contents = try reader.finish()
        #expect(dump.count > 1 << 20)
        #expect(
            Outcome(dump, isPlain: false, isLenient: false).written == contents.ledger.ndjson(contents.header)
        )
    }

    /// What is nearly plain.
    @Test(arguments: [
        #""relation":"file","path":"/etc/\u0061","kind":"regular","access":"r""#,
        #""relation":"file","path":"/etc/ä","kind":"regular","access":"r""#,
        #""relation":"file","path":"/etc/a","path_raw":"L2V0Yw==","kind":"regular","access":"r""#,
        #""relation":"file","path":"/etc/a","kind":"regular","access":"r","folded":{"paths":3}"#,
        #""relation":"file","path":"/etc/a","kind":"regular","access":"wr""#,
        #""relation":"file","path":"/etc/a","kind":"regular","access":"r","sent":"x""#,
        #""relation":"file","path":"/etc/a","kind":"regular","access":"r","peer":{"executable":"}"}"#,
        #""relation":"spawn","child":{"executable":"/bin/}","workload":"w"}"#,
        #""relation":"spawn","child":{"executable":"/bin/b","more":{}}"#,
        #""relation":"spawn","child":{"executable":"/bin/b","executable":"/bin/b"}"#,
        #""relation":"spawn","child":{"script":"/bin/b"}"#,
        #""relation":"connect","transport":"tcp","remote":{"address":"::1"},"sent":0,"received":17"#,
        #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":65536},"sent":0,"received":17"#,
        #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":00,"received":17"#,
        #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":1.0,"received":17"#,
        #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":18446744073709551615,"#
            + #""received":18446744073709551616"#,
        #""relation":"accept","transport":"tcp","local":{"address":"10.0.0.1"},"remote":{"address":"10.0.0.2"},"#
            + #""sent":1,"received":0"#,
        #""relation":"listen","transport":"tcp","local":{"address":"10.0.0.1","port":1},"change":1"#,
        #""relation":"ipc","mechanism":"no","name":"/x""#,
        #""relation":"none""#,
    ])
    func almostPlain(middle: String) {
        let line = Self.start + middle + Self.end
        let deep = String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
        for text in [
            line, line.replacing(":2,", with: ":0,"), line.replacing("exact", with: "exactly"),
            line.replacing("02:01:00", with: "02:60:00"), line.replacing(".124Z", with: ".12Z"),
            line.replacing(".124Z", with: ".1:4Z"), line + " ", line + "\r", line + "x",
            line.replacing("h1", with: "h2"),
            line.replacing("\"/bin/a\"", with: "\"/bin/a\",\"deep\":\(deep)"), String(line.dropLast()),
        ] {
            // Twice: what came before is known.
            expectEqual(Array((Self.header + text + "\n" + text + "\n").utf8), "\(text)")
        }
    }
}
