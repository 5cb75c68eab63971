import TestSupport
import Testing

@testable import Records

@Suite struct SchemaTests {
    @Test(arguments: 1...10) func everythingWrittenHolds(seed: Int) throws {
        let schema = try JSONSchema.recordFormat()
        var maker = RandomLedger(seed: UInt64(seed) + 1000)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 120)
        ledger.gaps.append(Gap(source: "s", cause: "c", from: 0, to: .max, lost: .max, resynchronised: .max))
        #expect(Set(ledger.records.map(\.key.relation)).count == Relation.allCases.count)
        #expect(schema.problems(inDump: ledger.ndjson(maker.header())) == [])
    }

    /// A schema that lets everything pass would hold as well.
    @Test(arguments: [
        (#""evidence":"exact""#, #""evidence":"sure""#), (#""evidence":"exact""#, #""proof":"exact""#),
        (#""path":"/etc/a""#, #""path":7"#), (#""path":"#, #""way":"#), (#""access":"r""#, #""access":"""#),
        (#""kind":"regular""#, #""kind":"door""#), (#""count":1"#, #""count":0"#),
        (#""count":1"#, #""count":1.5"#),
        (#""count":1"#, #""count":18446744073709551616"#), (".000Z", "Z"), ("1970-01", "1970-13"),
        (#""relation":"file""#, #""relation":"spawn""#), (#""executable":"/bin/a""#, #""program":"/bin/a""#),
        (#""type":"dependency""#, #""type":"gap""#), (#""path":"#, #""path_raw":"L/=","path":"#),
        (#""change":1"#, #""change":"1""#), (#""host":"h1""#, #""host":null"#),
        (#""workload":"w""#, #""workload":"""#),
    ])
    func damageIsFound(part: String, other: String) throws {
        var ledger = Ledger()
        let program = ledger.intern(
            Program(executable: ledger.texts.intern("/bin/a"), workload: ledger.texts.intern("w")))
        ledger.note(
            .file(program, path: ledger.texts.intern("/etc/a")), access: .opened, evidence: .exact, time: 0)
        var header = DumpHeader()
        header.hostID = "h1"
        let line = String(decoding: ledger.ndjson(header), as: UTF8.self).split(separator: "\n")[1]
        let schema = try JSONSchema.recordFormat()
        #expect(schema.validate(try JSONValue(parsing: String(line))) == [])
        let damaged = line.replacing(part, with: other)
        #expect(damaged != line)
        #expect(schema.validate(try JSONValue(parsing: String(damaged))) != [])
    }

    @Test func furtherKeysAreAllowed() throws {
        let schema = try JSONSchema.recordFormat()
        let gap =
            #"{"type":"gap","source":"s","from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:00:00.000Z","lost":1,"x":{}}"#
        #expect(schema.validate(try JSONValue(parsing: gap)) == [])
        #expect(
            schema.validate(try JSONValue(parsing: gap.replacing("\"source\"", with: "\"spring\""))) == [
                "$: no key source"
            ])
    }

    @Test(arguments: [
        #"{"typo":"string"}"#, #"{"properties":{"a":{"format":"date-time"}}}"#, ##"{"$ref":"#/$defs/none"}"##,
        #"{"type":"text"}"#, #"{"items":{"anyOf":[]}}"#, #"{"pattern":"("}"#, #"{"minimum":"1"}"#, "[]",
        #"{"properties":{"a":{"$defs":{}}}}"#,
    ])
    func validatorRefusesWhatItDoesNotKnow(schema: String) throws {
        let json = try JSONValue(parsing: schema)
        #expect(throws: (any Error).self) { try JSONSchema(json: json) }
    }

    @Test(arguments: [
        (#"{"oneOf":[{"type":"string"},{"minLength":3}]}"#, #""ab""#, true),
        (#"{"oneOf":[{"type":"string"},{"minLength":3}]}"#, #""abc""#, false),
        (#"{"type":["integer","null"]}"#, "1.0", true), (#"{"type":["integer","null"]}"#, "1.5", false),
        (#"{"items":{"maximum":3}}"#, "[1,2,4]", false), (#"{"items":false}"#, "[]", true),
        (#"{"items":false}"#, "[1]", false),
        (#"{"properties":{"a":true},"additionalProperties":false}"#, #"{"a":1}"#, true),
        (#"{"properties":{"a":true},"additionalProperties":false}"#, #"{"b":1}"#, false),
        (#"{"const":{"a":[1]}}"#, #"{"a":[1]}"#, true), (#"{"minimum":2}"#, "1", false),
        (#"{"pattern":"^a+$"}"#, #""aab""#, false),
        (
            ##"{"$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"}},"required":["v"]}},"$ref":"#/$defs/n"}"##,
            #"{"v":1,"next":{"v":2,"next":{}}}"#, false
        ),
    ])
    func validatorKnowsItsKeywords(schema: String, value: String, holds: Bool) throws {
        let compiled = try JSONSchema(json: JSONValue(parsing: schema))
        #expect(compiled.validate(try JSONValue(parsing: value)).isEmpty == holds)
    }
}
