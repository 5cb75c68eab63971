import Foundation
import Records

extension JSONSchema {
    /// The schema of a line of a dump, docs/record-format.schema.json.
    package static func recordFormat() throws -> JSONSchema {
        let path = packageFolder + "/docs/record-format.schema.json"
        return try JSONSchema(json: JSONValue(parsing: try bytes(ofFile: path)))
    }

    /// The schema of what a command answers, one of `$defs` of a document in docs/.
    ///
    /// Readers are to ignore keys that they do not know, so the schemas allow them; here they are forbidden, so that no
    /// key is written that no schema has.
    ///
    /// - Parameters:
    ///   - name: that of the definition.
    ///   - document: `answers` for docs/answers.schema.json.
    package static func answer(_ name: String, in document: String = "answers") throws -> JSONSchema {
        let path = packageFolder + "/docs/\(document).schema.json"
        guard let members = try JSONValue(parsing: bytes(ofFile: path)).members else {
            throw Failure("\(path) is no object")
        }
        let kept = members.filter { !["$ref", "oneOf"].contains($0.key) }
        let reference = JSONValue.Member("$ref", .string("#/$defs/\(name)"))
        let isWhole = document == "answers"
        return try JSONSchema(json: .object([reference] + kept.map { isWhole ? closed($0) : $0 }))
    }

    private static func closed(_ member: JSONValue.Member) -> JSONValue.Member {
        .init(member.key, closed(member.value))
    }

    private static func closed(_ value: JSONValue) -> JSONValue {
        if let elements = value.array { return .array(elements.map(closed)) }
        guard let members = value.members else { return value }
        let isOpen = value["properties"]?.members != nil && value["additionalProperties"] == nil
        return .object(
            members.map(closed) + (isOpen ? [.init("additionalProperties", .boolean(false))] : []))
    }

    /// What is wrong with a text of JSON; empty if nothing is.
    package func problems(in text: String) -> [String] {
        do { return validate(try JSONValue(parsing: text)) } catch { return ["\(error)"] }
    }

    /// What is wrong with a dump, each with its line; empty if nothing is.
    package func problems(inDump dump: [UInt8]) -> [String] {
        dump.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).enumerated().flatMap {
            index, line in
            do {
                return validate(try JSONValue(parsing: Array(line))).map { "line \(index + 1): \($0)" }
            } catch {
                return ["line \(index + 1): \(error)"]
            }
        }
    }
}

/// The package's folder: that of this file, two above.
package let packageFolder = String(
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/"))

/// A whole file.
package func bytes(ofFile path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}
