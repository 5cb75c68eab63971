import MovePlan
import Records
import Yams

/// The texts of a plan: YAML, which people edit, and JSON.
enum PlanFile {
    /// The plan as YAML.
    static func yaml(_ plan: Plan) throws -> [UInt8] {
        let text = try Yams.serialize(
            node: node(PlanDocument.value(plan)), width: -1, allowUnicode: true, sortKeys: false)
        return Array(Self.head.utf8) + Array(text.utf8)
    }

    /// The plan as JSON, which is YAML as well.
    static func json(_ plan: Plan) -> [UInt8] {
        var out = JSONWriter()
        out.value(PlanDocument.value(plan))
        out.endDocument()
        return out.bytes
    }

    private static let head = """
        # What has to be at the destination, and what is done with each of it: retinue-plan(5).
        # Edit it: change a treatment, take an entry out, put one in. `retinue plan check FILE` reads it again.

        """

    /// Reads the plan of a file; `-` is standard input.
    static func read(at path: String) throws -> Plan {
        let file = try InputFile(path: path)
        var bytes: [UInt8] = []
        try file.forEachPiece { bytes += $0 }
        return try read(bytes, name: file.name)
    }

    /// Reads either; throws a `Failure` that names the place.
    static func read(_ bytes: [UInt8], name: String) throws(Failure) -> Plan {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(name.printable) is not UTF-8", status: ExitStatus.badInput)
        }
        let tree: JSONValue
        do {
            guard let node = try Yams.compose(yaml: text) else {
                throw Failure("\(name.printable) is empty", status: ExitStatus.badInput)
            }
            var room = mostNodes
            tree = try value(node, depth: 0, &room)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("\(name.printable) is no YAML: \(error)", status: ExitStatus.badInput)
        }
        do throws(PlanDocument.Flaw) { return try PlanDocument.plan(tree) } catch {
            throw Failure("\(name.printable): \(error)", status: ExitStatus.badInput)
        }
    }

    // MARK: The tree in YAML's words

    private static func node(_ value: JSONValue) -> Node {
        switch value {
        case .null: Node("null", Tag(.null))
        case .boolean(let flag): Node(flag ? "true" : "false", Tag(.bool))
        case .integer(let number): Node(String(number), Tag(.int))
        case .double(let number): Node(String(number), Tag(.float))
        // Quoted, so that `no` and `0644` stay what they are for every reader.
        case .string(let text): Node(text, Tag(.str), Self.isPlain(text) ? .plain : .doubleQuoted)
        case .array(let elements): Node(elements.map(node), Tag(.seq), elements.isEmpty ? .flow : .block)
        case .object(let members):
            Node(members.map { (Node($0.key), node($0.value)) }, Tag(.map), members.isEmpty ? .flow : .block)
        }
    }

    /// Whether a text needs no quotes: a path or a word that no reader takes for a number, a date or a truth.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, first == UInt8(ascii: "/") || isLetter(first), text.utf8.count > 3
        else {
            return false
        }
        return text.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || "/._-+@".utf8.contains($0) }
            && !["true", "false", "null"].contains(text.lowercased())
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte)
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
