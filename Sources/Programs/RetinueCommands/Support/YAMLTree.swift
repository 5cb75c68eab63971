import Records
import Yams

/// Texts that people write: YAML, and JSON, which is YAML as well, as the tree that JSON has.
enum YAMLTree {
    /// Reads either.
    ///
    /// - Throws: a `Failure` that names the place.
    static func read(_ bytes: [UInt8], name: String) throws(Failure) -> JSONValue {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(name.printable) is not UTF-8", status: ExitStatus.badInput)
        }
        do {
            guard let node = try Yams.compose(yaml: text) else {
                throw Failure("\(name.printable) is empty", status: ExitStatus.badInput)
            }
            var room = mostNodes
            return try value(node, depth: 0, &room)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("\(name.printable) is no YAML: \(error)", status: ExitStatus.badInput)
        }
    }

    private static let mostDepth = 16
    /// Values that are read: an alias stands for what it names each time, so that a small text can be a large tree.
    private static let mostNodes = 20_000_000

    private static func value(_ node: Node, depth: Int, _ room: inout Int) throws -> JSONValue {
        room -= 1
        guard depth < mostDepth, room > 0 else {
            throw Failure("it is nested too deeply, or too large", status: ExitStatus.badInput)
        }
        switch node {
        case .scalar(let scalar):
            let tag = node.tag
            if tag == Tag(.int) {
                return Int128(scalar.string).map(JSONValue.integer) ?? .string(scalar.string)
            }
            if tag == Tag(.bool) {
                return .boolean(["true", "yes", "on"].contains(scalar.string.lowercased()))
            }
            return tag == Tag(.null) ? .null : .string(scalar.string)
        case .sequence(let elements):
            var found: [JSONValue] = []
            for element in elements { found.append(try value(element, depth: depth + 1, &room)) }
            return .array(found)
        case .mapping(let pairs):
            var members: [JSONValue.Member] = []
            var seen: Set<String> = []
            for (key, element) in pairs {
                guard let key = key.scalar?.string else {
                    throw Failure("a key that is no word", status: ExitStatus.badInput)
                }
                guard seen.insert(key).inserted else {
                    throw Failure("the key `\(key)` comes twice", status: ExitStatus.badInput)
                }
                members.append(.init(key, try value(element, depth: depth + 1, &room)))
            }
            return .object(members)
        case .alias: throw Failure("an alias without an anchor", status: ExitStatus.badInput)
        }
    }
}
