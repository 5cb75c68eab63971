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
        let tree = try YAMLTree.read(bytes, name: name)
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
}
