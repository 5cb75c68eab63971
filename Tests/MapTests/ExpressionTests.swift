import Map
import TestSupport
import Testing

@Suite("Expressions of the map")
struct ExpressionTests {
    private func fault(_ text: String) -> MapExpression.Fault? {
        do throws(MapExpression.Fault) {
            _ = try MapExpression(text)
            return nil
        } catch { return error }
    }

    @Test func readsWhatIsDocumented() throws {
        for text in [
            "nginx", "/var/lib/**", "db1:postgres", "~text", "kind=program", "host=web*", "unit=*.service",
            "is=bound", "relation=connect", "evidence=inferred", "not (a or b) and c", "a b", "\"a or b\"",
            "host=\"a b\"", "\"he said \"\"x\"\"\"", "a=b", "not not a", "\"\"",
        ] { #expect(fault(text) == nil, "\(text)") }
        #expect(try MapExpression("  \t ") == nil)
        #expect(try MapExpression("relation=spawn")?.isOfDependencies == true)
        #expect(try MapExpression("\"relation=spawn\"")?.isOfDependencies == false)
    }

    @Test func saysWhatIsWrongAndWhere() {
        #expect(fault("a or") == .init(position: 2, message: "something is missing"))
        #expect(fault("(a") == .init(position: 0, message: "this ( has no end"))
        #expect(fault("a )") == .init(position: 2, message: "there is no ( to this )"))
        #expect(fault("and a") == .init(position: 0, message: "something is missing before and"))
        #expect(fault("x \"y") == .init(position: 2, message: "a quotation mark has no end"))
        #expect(fault("kind=x")?.message == "kind= is one of program, file, address, channel, entry")
        #expect(fault(String(repeating: "(", count: 40) + "a")?.message == "more than 32 parentheses deep")
        #expect(fault(String(repeating: "a ", count: 200))?.message == "more than 64 words")
        #expect(fault(String(repeating: "a", count: 2000))?.message == "longer than 1024 characters")
    }

    @Test func takesAnyBytes() {
        let good = ["not (a or \"b c\") and host=x relation=file", "~x evidence=exact ((a))", "a \"\"\"\" b"]
        hostileInputs(from: good.map { Array($0.utf8) }, count: 20_000, seed: 14) { bytes in
            _ = try? MapExpression(String(decoding: bytes, as: UTF8.self))
            let parts = bytes.split(separator: 0x26, omittingEmptySubsequences: false).map { part in
                part.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
            }
            _ = try? MapState(parts.map { ($0.first ?? [], $0.count > 1 ? $0[1] : []) })
        }
    }
}
