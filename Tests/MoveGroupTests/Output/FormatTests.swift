import MoveGroup
import Records
import TestSupport
import Testing

@Suite("Formats of a group")
struct FormatTests {
    @Test(arguments: [false, true])
    func jsonHoldsTheSchema(isSymmetric: Bool) throws {
        let json = try JSONValue(parsing: Format.json.write(try TwoHosts.report(symmetric: isSymmetric)))
        #expect(try Self.schema().validate(json) == [])
        let list = try ListTests.graph("10.0.0.1,/a,10.0.0.1,/f\n")
        let report = GroupReport(list.moveGroup(of: [NodeID(rawValue: 0)]))
        #expect(try Self.schema().validate(JSONValue(parsing: Format.json.write(report))) == [])
    }

    /// A schema that lets everything pass would hold as well.
    @Test(arguments: [
        (#""mode":"directed""#, #""mode":"some""#), (#""kind":"program""#, #""kind":"service""#),
        (#""distance":0"#, #""distance":-1"#), (#""follow":"server""#, #""follow":"start""#),
        (#""evidence":"exact""#, #""evidence":"sure""#), (#""obstacle":"unobserved""#, #""obstacle":"gone""#),
        (#""bound":true"#, #""bound":1"#), (#""path_raw":""#, #""path_raw":"-"#),
        (#""direction":"in""#, #""direction":"up""#), (#""totals":{"hosts":2"#, #""totals":{"hosts":"2""#),
        (#""schema":"retinue-group/1""#, #""schema":"retinue-group/2""#), (#""lost":1"#, #""lost":"1""#),
    ])
    func damageToJSONIsFound(part: String, other: String) throws {
        let text = Format.json.text(try TwoHosts.report())
        let damaged = text.replacing(part, with: other)
        #expect(damaged != text)
        #expect(try Self.schema().validate(JSONValue(parsing: damaged)) != [])
    }

    static func schema() throws -> JSONSchema {
        try JSONSchema(
            json: JSONValue(parsing: bytes(ofFile: packageFolder + "/docs/group-format.schema.json")))
    }

    /// A gap of which nobody knows what it lost has no number.
    @Test func jsonLeavesOutWhatIsNotKnown() throws {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        ledger.note(.spawn(program, child: program), evidence: .exact, time: 1)
        ledger.gaps = [nil, 5].map { Gap(source: "fanotify", cause: "full", from: 1, to: 2, lost: $0) }
        var header = DumpHeader()
        header.hostID = "h"
        var builder = GraphBuilder()
        builder.add(try DumpContents(ndjson: ledger.ndjson(header)), from: "a")
        let graph = builder.finish()
        let report = GroupReport(graph.moveGroup(of: [NodeID(rawValue: 0)]))
        let json = try JSONValue(parsing: Format.json.write(report))
        #expect(try Self.schema().validate(json) == [])
        let gaps = try #require(json["hosts"]?.array?.first?["gaps"]?.array)
        #expect(gaps.map { $0["lost"]?.integer } == [nil, 5])
    }

    /// What is not UTF-8 is there in base64, as in a dump.
    @Test func jsonKeepsBytes() throws {
        let json = try JSONValue(parsing: Format.json.write(try TwoHosts.report()))
        let files = try #require(json["members"]?["files"]?.array)
        let raw = files.compactMap { $0["path_raw"]?.string }
        #expect(raw.map { Base64.decode(Array($0.utf8)) } == [TwoHosts.hostile])
    }

    @Test func csvKeepsBytes() throws {
        let report = try TwoHosts.report()
        var quoted: [UInt8] = [0x22]
        for byte in TwoHosts.hostile { quoted += byte == 0x22 ? [byte, byte] : [byte] }
        quoted.append(0x22)
        for format in [Format.csv, .explained, .list, .records] {
            #expect(format.write(report).firstRange(of: quoted) != nil, "\(format.name)")
        }
    }

    /// What the nine columns say is read back to the same group.
    @Test func recordsAreReadBack() throws {
        let report = try TwoHosts.report()
        var builder = GraphBuilder()
        var reader = ListReader("records", into: &builder)
        try Format.records.write(report).withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        let graph = builder.finish()
        let group = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/usr/sbin/nginx", in: graph)))
        let paths = { (report: GroupReport) in
            Set(
                report.members.compactMap { node -> [UInt8]? in
                    switch report.group.graph[node] {
                    case .file(let path): path
                    case .program(let name): name.path
                    default: nil
                    }
                })
        }
        #expect(paths(group) == paths(report))
    }

    /// A name that breaks out of its quotes would add lines, or end one early.
    @Test(arguments: [Format.dot, .mermaid])
    func picturesQuoteNames(format: Format) throws {
        let text = format.text(try TwoHosts.report())
        #expect(!text.contains("\u{1b}") && !text.contains("\u{202e}") && !text.contains("\u{fffd}"))
        let line = try #require(text.split(separator: "\n").first { $0.contains("/srv/a ") })
        if format.name == "dot" {
            #expect(line.hasSuffix("fillcolor=\"#ffffff\"];"))
            #expect(
                line.contains(#"/srv/a \"b\",\\\\c\\n-->];</svg>&amp;amp;#35;`\\x1b[2J\\u{202e}\\xff\\x80"#))
        } else {
            #expect(line.hasSuffix("\"]:::copied"))
            let label = line.split(separator: "[\"")[1].dropLast("\"]:::copied".count)
            #expect(!label.contains { "\"[]{}|<>`\\".contains($0) })
        }
    }

    private static func dot(_ report: GroupReport, _ change: (inout PictureOptions) -> Void = { _ in })
        -> String
    {
        var options = PictureOptions()
        change(&options)
        var bytes: [UInt8] = []
        report.writeDot(options) { bytes.append(contentsOf: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func picturesFoldFilesByFolder() throws {
        var sample = TwoHosts.Sample("a", name: "a", address: 0x0a00_0001)
        let program = sample.program("/bin/a")
        let other = sample.program("/bin/b")
        sample.ledger.note(.spawn(program, child: other), evidence: .exact, time: TwoHosts.time)
        for number in 0..<50 { sample.file(program, "/usr/lib/x/\(number)", .opened) }
        for number in 0..<9 { sample.file(other, "/usr/lib/x/\(number)", .opened) }
        for number in 0..<23 { sample.file(other, "/srv/data/\(number)", [.opened, .written]) }
        sample.file(other, "/etc/b", [.opened, .written])
        let graph = try TwoHosts.graph([sample.ndjson()])
        let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/a", in: graph)))
        let text = Self.dot(report)
        #expect(text.contains("label=\"/usr/lib/x/\\n50 files\""))
        #expect(text.contains("label=\"/srv/data/\\n23 files\""))
        #expect(text.contains("label=\"/etc/b\""))
        #expect(text.contains("label=\"Move group of /bin/a\\nas observed until 2026-11-21\"; labelloc=t;"))
        // An arrow for each program and folder.
        #expect(text.split(separator: "\n").filter { $0.contains(" -> ") }.count == 5)
        #expect(Self.dot(report) { $0.showsEachFile = true }.contains("label=\"/usr/lib/x/49\""))
        let programs = Self.dot(report) { $0.only = .programs }
        #expect(!programs.contains("/usr/lib") && programs.contains("label=\"starts\""))
        #expect(programs.split(separator: "\n").filter { $0.contains(" -> ") }.count == 1)
    }

    @Test func picturesHaveTrafficAndDrawWhatStaysDim() throws {
        let text = Self.dot(try TwoHosts.report())
        let arrows = text.split(separator: "\n").filter { $0.contains(" -> ") }
        // What both ends have counted stands once.
        #expect(
            arrows.contains { $0.contains("connects to tcp:8000, 4.1 KiB out, 82.0 KiB in") }, "\(arrows)")
        #expect(text.contains("label=\"/usr/lib/systemd/systemd\\nstays on web1\""))
        #expect(
            text.split(separator: "\n").contains {
                $0.contains("stays on web1") && $0.contains("fontcolor=\"#8a8a8a\"")
            })
        #expect(arrows.contains { $0.contains("color=\"#c4c4c4\"") })
        #expect(text.contains("subgraph cluster_legend") && text.contains("to be reconnected"))
        let files = Self.dot(try TwoHosts.report()) { $0.only = .files }
        #expect(
            !files.contains("connects to tcp:10.0.0.9") && !files.contains("stays on")
                && !files.contains("shape=cds"))
    }

    /// Readers make no edge of a start, so the child is informed by its parent as well.
    @Test func whoIsStartedIsInformed() throws {
        var sample = TwoHosts.Sample("a", name: "a", address: 0x0a00_0001)
        let (program, child) = (sample.program("/bin/a"), sample.program("/bin/b"))
        for second in 0..<23 {
            sample.ledger.note(
                .spawn(program, child: child), evidence: .exact,
                time: TwoHosts.time + UInt64(second) * 1_000_000_000)
        }
        let graph = try TwoHosts.graph([sample.ndjson()])
        let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/a", in: graph)))
        let json = try JSONValue(parsing: Format.provenance.write(report))
        let started = try #require(json["wasStartedBy"]?.members?.first?.value)
        let informed = try #require(json["wasInformedBy"]?.members?.first?.value)
        #expect(json["wasStartedBy"]?.members?.count == 1 && json["wasInformedBy"]?.members?.count == 1)
        #expect(started["prov:activity"] == informed["prov:informed"])
        #expect(started["prov:starter"] == informed["prov:informant"])
        #expect(
            informed["retinue:relation"] == .string("spawn") && informed["retinue:count"] == .string("23"))
    }

    /// Every statement is about things that are declared.
    @Test func provenanceIsWhole() throws {
        let json = try JSONValue(parsing: Format.provenance.write(try TwoHosts.report()))
        func names(_ section: String) -> Set<String> { Set((json[section]?.members ?? []).map(\.key)) }
        let (entities, activities) = (names("entity"), names("activity"))
        #expect(activities.count == 3 && entities.count == 10 && names("agent").count == 2)
        let ends: [(String, [(String, Set<String>)])] = [
            ("used", [("prov:activity", activities), ("prov:entity", entities)]),
            ("wasGeneratedBy", [("prov:entity", entities), ("prov:activity", activities)]),
            ("wasInformedBy", [("prov:informed", activities), ("prov:informant", activities)]),
            ("wasAssociatedWith", [("prov:activity", activities), ("prov:agent", names("agent"))]),
        ]
        for (section, keys) in ends {
            let statements = try #require(json[section]?.members)
            #expect(!statements.isEmpty)
            for statement in statements {
                for (key, known) in keys {
                    #expect(known.contains(statement.value[key]?.string ?? ""), "\(section) \(statement.key)")
                }
            }
        }
    }
}
