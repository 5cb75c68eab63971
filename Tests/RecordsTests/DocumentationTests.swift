import TestSupport
import Testing

@testable import Records

/// docs/record-format.md.
enum RecordFormatPage {
    /// The lines of its blocks of code in a language.
    static func examples(_ language: String) throws -> [[UInt8]] {
        let page = try bytes(ofFile: packageFolder + "/docs/record-format.md")
        var found: [[UInt8]] = []
        var isInside = false
        for line in page.split(separator: 0x0a, omittingEmptySubsequences: false) {
            if line.starts(with: Array("```".utf8)) {
                isInside = !isInside && line.elementsEqual(Array("```\(language)".utf8))
            } else if isInside {
                found.append(Array(line))
            }
        }
        return found
    }
}

/// The examples in docs/record-format.md are what the code writes.
@Suite struct DocumentationTests {
    private func examples(_ language: String) throws -> [[UInt8]] { try RecordFormatPage.examples(language) }

    @Test func linesHoldAgainstTheSchemaAndComeBack() throws {
        let schema = try JSONSchema.recordFormat()
        let lines = try examples("json")
        #expect(lines.count >= 9)
        var relations: Set<String> = []
        for line in lines {
            let value = try JSONValue(parsing: line)
            #expect(schema.validate(value) == [])
            guard value["type"]?.string == "dependency" else { continue }
            relations.insert(value["relation"]?.string ?? "")
            var header = DumpHeader()
            header.hostID = value["host"]?.string ?? ""
            let contents = try DumpContents(ndjson: header.line + [0x0a] + line)
            let written = contents.ledger.ndjson(header).split(separator: 0x0a)[1]
            #expect(try JSONValue(parsing: Array(written)) == value)
        }
        #expect(relations == Set(Relation.allCases.map { "\($0.word)" }))
    }

    /// The version before holds against the same schema, and is read.
    @Test func theVersionBeforeIsRead() throws {
        let schema = try JSONSchema.recordFormat()
        let lines = try examples("jsonl")
        for line in lines { #expect(schema.validate(try JSONValue(parsing: line)) == []) }
        let contents = try DumpContents(ndjson: Array(lines.joined(separator: [0x0a])))
        #expect(contents.header.hostName == "db1")
        #expect(contents.ledger.records.count == 1)
        #expect(contents.ledger.gaps.map(\.lost) == [nil])
    }

    @Test func tableIsWhatIsWritten() throws {
        let lines = try examples("json").filter {
            $0.starts(with: Array(#"{"type":"dependency","host":"6f"#.utf8))
        }
        var header = DumpHeader()
        header.hostID = "6f3c2a9be1d84b0c9d1f0e5a7b2c4d68"
        let contents = try DumpContents(
            ndjson: header.line + [0x0a] + Array(lines.joined(separator: [0x0a])))
        var csv: [UInt8] = []
        contents.ledger.writeCSV(host: header.hostID) { csv.append(contentsOf: $0) }
        let rows = Set(csv.split(separator: 0x0a).map(Array.init))
        let shown = try examples("csv")
        #expect(shown.count == 3)
        for row in shown {
            let isWritten = rows.contains(row)
            #expect(isWritten, "\(String(decoding: row, as: UTF8.self))")
        }
    }
}
