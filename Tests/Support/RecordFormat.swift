import Foundation
import Records

extension JSONSchema {
    /// The schema of a line of a dump, docs/record-format.schema.json.
    package static func recordFormat() throws -> JSONSchema {
        let path = packageFolder + "/docs/record-format.schema.json"
        return try JSONSchema(json: JSONValue(parsing: try bytes(ofFile: path)))
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
