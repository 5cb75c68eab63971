import TestSupport
import Testing

@testable import Records

@Suite struct DumpReaderTests {
    private static let header =
        #"{"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"h1","machine":{"name":"n","#
        + #""addresses":["10.0.0.2"],"kernel":"k","boot":"b"},"daemon":{"version":"v","#
        + #""started":"2026-11-21T01:00:00.000Z"},"sources":{}}"# + "\n"
    /// The same as version 1 had it.
    private static let firstHeader = header.replacing(
        #""retinue/2","#, with: #""retinue/1","#
    ).replacing(#""host":"h1","machine":{"#, with: #""host":{"id":"h1","#)
    private static let times =
        #""count":2,"first":"2026-11-21T02:00:00.123Z","last":"2026-11-21T02:00:00.124Z","evidence":"exact"}"#
    private static let start = #"{"type":"dependency","host":"h1","program":{"executable":"/bin/a"},"#
    private static let file =
        start + #""relation":"file","path":"/etc/a","kind":"regular","access":"rw","# + times + "\n"

    private func problem(_ text: String, lineLimit: Int = 1 << 20) -> DumpError? {
        do {
            var reader = DumpReader(lineLimit: lineLimit)
            try reader.feed(Array(text.utf8))
            _ = try reader.finish()
            return nil
        } catch { return error }
    }

    private func content(_ line: String) -> JSONError.Reason? {
        guard case .content(let error) = problem(Self.header + line)?.reason else { return nil }
        return error.reason
    }

    /// Whatever is written comes back, to the letter, however it is cut into pieces.
    @Test(arguments: 1...30) func whatIsWrittenComesBack(seed: Int) throws {
        var maker = RandomLedger(seed: UInt64(seed))
        var ledger = Ledger()
        maker.fill(&ledger, observations: seed * 10)
        let written = ledger.ndjson(maker.header())
        let contents = try DumpContents(ndjson: written)
        #expect(contents.ledger.ndjson(contents.header) == written)
        #expect(contents.ledger.records.count == ledger.records.count)
        #expect(contents.ledger.dirty.isEmpty)

        var reader = DumpReader()
        var offset = 0
        while offset < written.count {
            let end = min(offset + Int.random(in: 0...90, using: &maker.random), written.count)
            try reader.feed(Array(written[offset..<end]))
            offset = end
        }
        let pieced = try reader.finish()
        #expect(pieced.ledger.ndjson(pieced.header) == written)
    }

    /// Byte strings come back themselves, not their readable form.
    @Test func bytesComeBack() throws {
        var maker = RandomLedger(seed: 77)
        var ledger = Ledger()
        for _ in 0..<300 {
            let program = ledger.intern(Program(executable: ledger.texts.intern(maker.name(atLeast: 1))))
            ledger.note(
                .file(program, path: ledger.texts.intern(maker.name(atLeast: 1))), access: .opened,
                evidence: .exact,
                time: 0)
        }
        let contents = try DumpContents(ndjson: ledger.ndjson(DumpHeader()))
        try #require(contents.ledger.records.count == ledger.records.count)
        for position in ledger.records.indices {
            let was = ledger.records[position].key
            let now = contents.ledger.records[position].key
            #expect(
                ledger.texts.array(TextID(rawValue: was.object))
                    == contents.ledger.texts.array(TextID(rawValue: now.object)))
            #expect(
                ledger.texts.array(ledger[was.program].executable)
                    == contents.ledger.texts.array(contents.ledger[now.program].executable))
        }
    }

    @Test func ignoresWhatItNeedNotKnow() throws {
        let text =
            Self.header + "\n \r\n" + #"{"type":"weather","path":7,"host":{}}"# + "\n"
            + #"{"new":[1,{"type":3}],"type":"gap","source":"s","from":"2026-11-21T02:00:00.123Z","#
            + #""to":"2026-11-21T02:00:00.123Z","lost":1,"path":"/"}"# + "\r\n"
            + #"{"evidence":"exact","host":"h1","last":"2026-11-21T02:00:00Z","first":"2026-11-21T02:00:00Z","#
            + #""count":1,"access":"r","kind":"regular","path":"/x","relation":"file","colour":null,"#
            + #""program":{"executable":"/bin/a","mood":{}},"type":"dependency"}"#
        let contents = try DumpContents(ndjson: Array(text.utf8))
        #expect(contents.header.hostID == "h1")
        #expect(contents.ledger.records.count == 1)
        #expect(contents.ledger.gaps.map(\.cause) == [""])
    }

    @Test func joinsLinesForTheSameDependency() throws {
        let contents = try DumpContents(ndjson: Array((Self.header + Self.file + Self.file).utf8))
        #expect(contents.ledger.records.map(\.count) == [4])
    }

    @Test func takesTheBytesWhereverTheyStand() throws {
        let raw = #""path_raw":"L/8=","#
        let path = "\"path\":\"/\u{fffd}\","
        for names in [raw + path, path + raw] {
            let line = Self.start + names + #""relation":"file","kind":"char","access":"r","# + Self.times
            let contents = try DumpContents(ndjson: Array((Self.header + line).utf8))
            #expect(
                contents.ledger.texts.array(TextID(rawValue: contents.ledger.records[0].key.object)) == [
                    0x2f, 0xff,
                ])
        }
    }

    @Test func headerComesFirstAndOnce() {
        #expect(problem("") == DumpError(.noHeader, line: 1))
        #expect(problem("\n\n") == DumpError(.noHeader, line: 3))
        #expect(problem(Self.file) == DumpError(.noHeader, line: 1))
        #expect(problem("{\"type\":\"gap\"}") == DumpError(.noHeader, line: 1))
        #expect(problem(Self.header + Self.header) == DumpError(.secondHeader, line: 2))
        #expect(problem("host A,path A\n")?.line == 1)
    }

    @Test func namesAVersionThatItDoesNotKnow() {
        let later = #"{"schema":"retinue/3","type":"header","time":7}"#
        #expect(problem(later) == DumpError(.schema("retinue/3"), line: 1))
        #expect(
            problem(later)?.description
                == #"line 1: unknown schema "retinue/3"; known are "retinue/1" and "retinue/2""#)
        #expect(problem(#"{"type":"header"}"#) == DumpError(.schema(""), line: 1))
        #expect(problem(#"{"type":"header","schema":1}"#) == DumpError(.schema(""), line: 1))
    }

    /// A reader of a dump knows what it is restricted to.
    @Test func scopeComesBack() throws {
        for scope in [
            DumpHeader.Scope(), .init(netns: "web"), .init(cgroup: "a/b"), .init(netns: "w\"", cgroup: "c"),
        ] {
            var header = DumpHeader()
            header.scope = scope
            let written = Ledger().ndjson(header)
            #expect(String(decoding: written, as: UTF8.self).contains("\"scope\"") == !scope.isWhole)
            #expect(try DumpContents(ndjson: written).header.scope == scope)
        }
        let text = Self.header.replacing("\"sources\"", with: #""scope":{"x":[1],"cgroup":"c"},"sources""#)
        #expect(try DumpContents(ndjson: Array(text.utf8)).header.scope == .init(cgroup: "c"))
        let twice = Self.header.replacing(
            "\"sources\"", with: #""scope":{"netns":"a","netns":"b"},"sources""#)
        #expect(problem(twice) != nil)
    }

    /// A dump of version 1 says the same, and is written as version 2.
    @Test func readsTheVersionBefore() throws {
        let first = try DumpContents(ndjson: Array((Self.firstHeader + Self.file).utf8))
        #expect(first.header.hostID == "h1")
        #expect(first.header.hostName == "n")
        #expect(first.header.boot == "b")
        let second = try DumpContents(ndjson: Array((Self.header + Self.file).utf8))
        #expect(first.ledger.ndjson(first.header) == second.ledger.ndjson(second.header))
        // Each has its own form of a header, wherever the keys stand.
        let mixed = Self.firstHeader.replacing("retinue/1", with: "retinue/2")
        #expect(content(header: mixed) == .type(expected: "a string"))
        let other = Self.header.replacing("retinue/2", with: "retinue/1")
        #expect(content(header: other) == .type(expected: "an object"))
    }

    private func content(header: String) -> JSONError.Reason? {
        guard case .content(let error) = problem(header)?.reason else { return nil }
        return error.reason
    }

    @Test(arguments: DumpVersion.allCases) func headerIsWhole(version: DumpVersion) {
        let header = version == .first ? Self.firstHeader : Self.header
        for key in [
            "time", "host", "daemon", "sources", version == .first ? "id" : "machine", "name", "addresses",
            "kernel", "boot", "version", "started",
        ] {
            let text = header.replacing("\"\(key)\":", with: "\"x\(key)\":")
            #expect(text != header)
            guard case .content(let error) = problem(text)?.reason else {
                Issue.record("\(key) may be left out")
                continue
            }
            #expect(error.reason == .missing(key: key))
        }
    }

    @Test func dependencyIsWhole() throws {
        let lines = [
            Self.file, Self.start + #""relation":"spawn","child":{"executable":"/b"},"# + Self.times,
            Self.start
                + #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":1,"received":1,"#
                + Self.times,
            Self.start + #""relation":"accept","transport":"tcp","local":{"address":"::1","port":1},"#
                + #""remote":{"address":"::1"},"sent":1,"received":1,"# + Self.times,
            Self.start + #""relation":"listen","transport":"tcp","local":{"address":"::1","port":1},"#
                + Self.times,
            Self.start + #""relation":"ipc","mechanism":"unix","name":"/x","# + Self.times,
            #"{"type":"gap","source":"s","from":"2026-11-21T02:00:00.123Z","to":"2026-11-21T02:00:00.123Z","lost":1}"#,
        ]
        for line in lines {
            #expect(problem(Self.header + line) == nil)
            let keys = line.matches(of: /"(\w+)":/).map { String($0.1) }
            for key in Set(keys) where key != "type" && key != "lost" {
                let without = line.replacing("\"\(key)\":", with: "\"x\":")
                // An unknown key twice is no matter of the reader's.
                #expect(content(without) == .missing(key: key), "\(key) in \(line)")
            }
            #expect(content(line.replacing("\"type\":", with: "\"x\":")) == .missing(key: "type"))
        }
    }

    @Test(arguments: [
        (#""rw""#, #""wr""#, JSONError.Reason.unknown(word: "wr", key: "access")),
        (#""regular""#, #""door""#, .unknown(word: "door", key: "kind")),
        (#""file""#, #""touch""#, .unknown(word: "touch", key: "relation")),
        (#""exact""#, #""certain""#, .unknown(word: "certain", key: "evidence")),
        (#""h1""#, #""h2""#, .unknown(word: "h2", key: "host")),
        (#""count":2"#, #""count":-2"#, .type(expected: "a whole number")),
        (#""count":2"#, #""count":0"#, .range),
        (#""count":2"#, #""count":18446744073709551616"#, .range),
        (".124Z", ".124", .malformed(key: "last")),
        (#""path":"/etc/a""#, #""path":7"#, .type(expected: "a string")),
        (#""path":"#, #""path_raw":"L/9=","path":"#, .malformed(key: "path_raw")),
        (#""count":2"#, #""count":2,"count":2"#, .duplicate(key: "count")),
        (#""exact"}"#, #""exact"}}"#, .trailing),
        (#""/bin/a"}"#, #""/bin/a","executable":""}"#, .duplicate(key: "executable")),
        (#""exact"}"#, #""exact""#, .end),
    ])
    func refuses(part: String, other: String, expected: JSONError.Reason) {
        let line = Self.file.replacing(part, with: other)
        #expect(line != Self.file)
        #expect(content(line.replacing("\n", with: "")) == expected)
    }

    @Test func refusesBadEndpoints() {
        let line =
            Self.start + #""relation":"listen","transport":"tcp","local":{"address":"::1","port":65535},"#
            + Self.times
        #expect(content(line.replacing("65535", with: "65536")) == .range)
        #expect(content(line.replacing("::1", with: "::g")) == .malformed(key: "address"))
        #expect(content(line.replacing("tcp", with: "quic")) == .unknown(word: "quic", key: "transport"))
    }

    /// A number that nobody can know is left out; version 1 had to have one, and 0 stood for it.
    @Test func gapsOfUnknownExtent() throws {
        let times = #""from":"2026-11-21T02:00:00.123Z","to":"2026-11-21T02:00:00.123Z""#
        let unknown = #"{"type":"gap","source":"s","cause":"c",\#(times)}"#
        let none = unknown.replacing("}", with: #","lost":0}"#)
        let known = unknown.replacing("}", with: #","lost":7}"#)
        let second = try DumpContents(ndjson: Array((Self.header + unknown + "\n" + known).utf8))
        #expect(second.ledger.gaps.map(\.lost) == [nil, 7])
        let first = try DumpContents(ndjson: Array((Self.firstHeader + none + "\n" + known).utf8))
        #expect(first.ledger.gaps.map(\.lost) == [nil, 7])
        #expect(content(header: Self.firstHeader + unknown) == .missing(key: "lost"))
        let written = String(decoding: first.ledger.ndjson(first.header), as: UTF8.self)
        #expect(written.contains(unknown) && written.contains(known))
    }

    /// What a folded record stands for comes back, and the change number with it.
    @Test func foldsAndChangesComeBack() throws {
        let folded = Self.file.replacing(
            #""access":"rw","#,
            with: #""access":"rw","folded":{"names":["a","b"],"paths":70000},"change":12,"#)
        let contents = try DumpContents(ndjson: Array((Self.header + folded).utf8))
        let fold = Fold(paths: 70000, names: [[0x61], [0x62]])
        #expect(contents.ledger.fold(of: 0) == fold)
        #expect(contents.ledger.records.map(\.change) == [12])
        let again = try DumpContents(ndjson: contents.ledger.ndjson(contents.header))
        #expect(again.ledger.fold(of: 0) == fold)
        #expect(again.ledger.records.map(\.change) == [12])
        let plain = try DumpContents(ndjson: Array((Self.header + Self.file).utf8))
        #expect(plain.ledger.fold(of: 0) == nil)
        let huge = folded.replacing(#""change":12"#, with: #""change":18446744073709551615"#)
        #expect(try DumpContents(ndjson: Array((Self.header + huge).utf8)).ledger.change == .max)
        #expect(content(folded.replacing("70000", with: "0")) == .range)
        #expect(content(folded.replacing(#""paths""#, with: #""path""#)) == .missing(key: "paths"))
        #expect(content(folded.replacing("12", with: #""12""#)) == .type(expected: "a number"))
    }

    /// Marks that have no place in a ledger are no error.
    @Test func marksAreLeftOut() throws {
        let line =
            Self.start.replacing(
                #""/bin/a"}"#,
                with:
                    #""/bin/a","namespace":{"net":4026532290},"container_path":"/a","container_path_raw":"L2E="}"#
            )
            + #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":1,"received":1,"#
            + #""sampled":true,"lower_bound":true,"# + Self.times
        let contents = try DumpContents(ndjson: Array((Self.header + line).utf8))
        #expect(contents.ledger.programs.count == 2)
        #expect(contents.ledger.traffic(of: 0) == Traffic(sent: 1, received: 1))
    }

    /// That of one line is that of the record, whatever the others say; of a file it means nothing.
    @Test(arguments: ["", " "]) func aLowerBoundIsRead(space: String) throws {
        func line(_ mark: String) -> String {
            Self.start + space
                + #""relation":"connect","transport":"tcp","remote":{"address":"::1","port":1},"sent":1,"received":1,"#
                + mark + Self.times
        }
        let marked = #""lower_bound":true,"#
        for (lines, expected) in [
            ([line(marked)], true), ([line("")], false), ([line(#""lower_bound":false,"#)], false),
            ([line(""), line(marked)], true), ([line(marked), line("")], true),
        ] {
            let contents = try DumpContents(
                ndjson: Array((Self.header + lines.joined(separator: "\n")).utf8))
            #expect(contents.ledger.records[0].isLowerBound == expected, "\(lines)")
        }
        let file =
            Self.start + #""relation":"file","path":"/a","kind":"regular","access":"r","# + marked
            + Self.times
        #expect(try !DumpContents(ndjson: Array((Self.header + file).utf8)).ledger.records[0].isLowerBound)
    }

    private static let process =
        #"{"type":"process","host":"h1","program":{"executable":"/a"},"pid":7,"start":"2026-11-21T02:00:00.123Z","#
        + #""observed":"2026-11-21T02:00:00.123Z","start_observed":true}"#
    private static let tombstones = [
        #""relation":"file","path":"/a","#, #""relation":"spawn","child":{"executable":"/b"},"#,
        #""relation":"connect","transport":"raw","remote":{"address":"::1","port":1},"peer":{"executable":"/b"},"#,
        #""relation":"accept","transport":"sctp","local":{"address":"::1","port":1},"remote":{"address":"::1"},"#,
        #""relation":"listen","transport":"packet","local":{"address":"::","port":3},"#,
        #""relation":"ipc","mechanism":"unix","name":"","#,
    ].map { #"{"type":"tombstone","host":"h1","program":{"executable":"/a"},\#($0)"change":3}"# }

    /// Lines that are no records are checked, and counted where the header promises them.
    @Test func processesAndTombstones() throws {
        for line in Self.tombstones + [Self.process] {
            let contents = try DumpContents(ndjson: Array((Self.header + line).utf8))
            #expect(contents.ledger.processes.count == (line == Self.process ? 1 : 0))
            #expect(contents.ledger.records.isEmpty)
            #expect(contents.ledger.programs.count == 1)
            let keys = line.matches(of: /"(\w+)":/).map { String($0.1) }
            for key in Set(keys) where key != "type" && key != "peer" {
                let without = line.replacing("\"\(key)\":", with: "\"x\":")
                #expect(content(without) == .missing(key: key), "\(key) in \(line)")
            }
            #expect(content(line.replacing("h1", with: "h2")) == .unknown(word: "h2", key: "host"))
            // Of a type that version 1 does not have.
            #expect(problem(Self.firstHeader + line.replacing("h1", with: "h2")) == nil)
        }
        #expect(content(Self.process.replacing("7,", with: "0,")) == .range)
        #expect(content(Self.process.replacing("true", with: "1")) == .type(expected: "true or false"))
        let promise = #""contents":{"dependencies":0,"gaps":0,"processes":1,"tombstones":2},"sources""#
        let header = Self.header.replacing(#""sources""#, with: promise)
        let lines = [Self.process, Self.tombstones[0], Self.tombstones[1]]
        #expect(problem(header + lines.joined(separator: "\n")) == nil)
        #expect(
            problem(header + lines[..<2].joined(separator: "\n"))
                == DumpError(.incomplete(promised: 3, found: 2), line: 3))
    }

    @Test func errorsTellTheLine() {
        let bad = Self.file.replacing("rw", with: "q")
        #expect(problem(Self.header + Self.file + "\n" + bad)?.line == 4)
        #expect(
            problem(Self.header + bad)?.description.hasPrefix(#"line 2: unknown "access": "q" at byte "#)
                == true)
    }

    @Test func longLinesAreNotKept() {
        #expect(problem(Self.header + Self.file, lineLimit: 100) == DumpError(.tooLong(limit: 100), line: 1))
        let long = Self.header + String(repeating: " ", count: 1000)
        #expect(problem(long, lineLimit: 999) == DumpError(.tooLong(limit: 999), line: 2))
        #expect(problem(long, lineLimit: 1000) == nil)
        var reader = DumpReader(lineLimit: 10)
        #expect(throws: DumpError(.tooLong(limit: 10), line: 1)) {
            for _ in 0..<11 { try reader.feed([0x20]) }
        }
    }

    @Test func tellsADumpThatWasCutOffBetweenLines() throws {
        var maker = RandomLedger(seed: 7)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 40)
        let lines = ledger.ndjson(maker.header()).split(separator: 0x0a)
        let promised = UInt64(ledger.records.count + ledger.gaps.count)
        #expect(lines.count == Int(promised) + 1)
        for kept in 1..<lines.count {
            let cut = String(decoding: Array(lines[..<kept].joined(separator: [0x0a])), as: UTF8.self) + "\n"
            let expected = DumpError(.incomplete(promised: promised, found: UInt64(kept - 1)), line: kept)
            #expect(problem(cut) == expected)
        }
        // A line too many is no better.
        let more = lines + [lines[1]]
        let text = String(decoding: Array(more.joined(separator: [0x0a])), as: UTF8.self)
        #expect(
            problem(text) == DumpError(.incomplete(promised: promised, found: promised + 1), line: more.count)
        )
    }

    @Test func leavesOutWhatCannotBeReadIfItIsLenient() throws {
        let bad = Self.file.replacing("rw", with: "q")
        let text = Self.header + bad + Self.file + "no JSON\n" + Self.header
        var reader = DumpReader(isLenient: true)
        try reader.feed(Array(text.utf8))
        #expect(reader.skipped == 3)
        #expect(reader.firstSkipped?.line == 2)
        #expect(try reader.finish().ledger.records.count == 1)
        // Without a header nothing makes sense.
        var headless = DumpReader(isLenient: true)
        #expect(throws: DumpError(.noHeader, line: 1)) { try headless.feed(Array(Self.file.utf8)) }
    }

    @Test func countsTheLinesThatAreMissing() throws {
        let promise = #""contents":{"dependencies":3,"gaps":2},"sources""#
        let header = Self.header.replacing(#""sources""#, with: promise)
        var reader = DumpReader(isLenient: true)
        try reader.feed(Array((header + Self.file).utf8))
        #expect(reader.missingLines == 4)
        #expect(try reader.finish().ledger.records.count == 1)
    }
}
