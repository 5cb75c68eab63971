import TestSupport
import Testing

@testable import Records

/// A key has one type, whatever the line: programs that read a dump as a table make a column of each.
@Suite struct KeyTypeTests {
    /// The types that stand at each path of keys.
    private func collect(_ value: JSONValue, at path: String, into types: inout [String: Set<String>]) {
        switch value {
        case .null: types[path, default: []].insert("null")
        case .boolean: types[path, default: []].insert("boolean")
        case .integer: types[path, default: []].insert("integer")
        case .double: types[path, default: []].insert("number")
        case .string: types[path, default: []].insert("string")
        case .array(let elements):
            types[path, default: []].insert("array")
            for element in elements { collect(element, at: path + "[]", into: &types) }
        case .object(let members):
            types[path, default: []].insert("object")
            for member in members { collect(member.value, at: path + "." + member.key, into: &types) }
        }
    }

    private func severalTypes(_ lines: some Sequence<some Sequence<UInt8>>) throws -> [String: Set<String>] {
        var types: [String: Set<String>] = [:]
        for line in lines { collect(try JSONValue(parsing: Array(line)), at: "$", into: &types) }
        #expect(types.count > 30)
        return types.filter { $0.value.count > 1 }
    }

    @Test(arguments: 1...10) func ofADump(seed: Int) throws {
        var maker = RandomLedger(seed: UInt64(seed))
        var ledger = Ledger()
        maker.fill(&ledger, observations: 2000)
        #expect(Set(ledger.records.map(\.key.relation)) == Set(Relation.allCases))
        let lines = ledger.ndjson(maker.header()).split(separator: 0x0a)
        #expect(try severalTypes(lines) == [:])
    }

    /// What is defined and not yet written as well: all examples of docs/record-format.md.
    @Test func ofTheExamples() throws {
        #expect(try severalTypes(RecordFormatPage.examples("json")) == [:])
    }
}
