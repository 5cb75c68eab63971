import Records

/// A validator of JSON Schema (draft 2020-12) for the keywords that the record format's schema uses.
///
/// A schema with any other keyword is refused: a check that is silently left out would pass everything.
package struct JSONSchema {
    private let root: Node
    private var definitions: [String: Node] = [:]

    /// Compiles a schema; throws for a keyword that is not supported or not well-formed.
    package init(json: JSONValue) throws {
        root = try Node(json, at: "#")
        for definition in json["$defs"]?.members ?? [] {
            let reference = "#/$defs/\(definition.key)"
            definitions[reference] = try Node(definition.value, at: reference)
        }
        for reference in root.references + definitions.values.flatMap(\.references)
        where definitions[reference] == nil {
            throw Failure("the schema refers to \(reference), which is not there")
        }
    }

    /// What is wrong with a value, each with the place where it is; empty if nothing is.
    package func validate(_ value: JSONValue) -> [String] { problems(value, root, at: "$") }

    private func problems(_ value: JSONValue, _ node: Node, at place: String) -> [String] {
        if node.isNever { return ["\(place): nothing may stand here"] }
        var found: [String] = []
        if let reference = node.reference, let target = definitions[reference] {
            found += problems(value, target, at: place)
        }
        if !node.types.isEmpty, !node.types.contains(where: { value.isOf(type: $0) }) {
            found.append("\(place): not of type \(node.types.joined(separator: " or "))")
        }
        if let allowed = node.allowed, !allowed.contains(value) {
            found.append("\(place): \(value) is none of \(allowed)")
        }
        if !node.alternatives.isEmpty { found += oneOf(value, node.alternatives, at: place) }
        switch value {
        case .string(let text): found += check(text, node, at: place)
        case .integer(let number):
            if let minimum = node.minimum, number < minimum { found.append("\(place): below \(minimum)") }
            if let maximum = node.maximum, number > maximum { found.append("\(place): above \(maximum)") }
        case .array(let elements):
            if let most = node.maximumItems, elements.count > most {
                found.append("\(place): more than \(most) elements")
            }
            guard let items = node.items else { break }
            for (index, element) in elements.enumerated() {
                found += problems(element, items.node, at: "\(place)[\(index)]")
            }
        case .object(let members): found += check(members, node, at: place)
        case .null, .boolean, .double: break
        }
        return found
    }

    private func check(_ text: String, _ node: Node, at place: String) -> [String] {
        var found: [String] = []
        if let minimum = node.minimumLength, text.unicodeScalars.count < minimum {
            found.append("\(place): shorter than \(minimum)")
        }
        if let pattern = node.pattern, text.firstMatch(of: pattern.regex) == nil {
            found.append("\(place): \(text.debugDescription) does not match \(pattern.source)")
        }
        return found
    }

    private func check(_ members: [JSONValue.Member], _ node: Node, at place: String) -> [String] {
        var found: [String] = []
        for key in node.required where !members.contains(where: { $0.key == key }) {
            found.append("\(place): no key \(key)")
        }
        for member in members {
            let inner = "\(place).\(member.key)"
            if let property = node.properties[member.key] {
                found += problems(member.value, property, at: inner)
            } else if let others = node.otherProperties {
                found += problems(member.value, others.node, at: inner)
            }
        }
        return found
    }

    /// Exactly one must hold. If none does, the one that comes nearest tells why.
    private func oneOf(_ value: JSONValue, _ alternatives: [Node], at place: String) -> [String] {
        let answers = alternatives.map { problems(value, $0, at: place) }
        let holding = answers.count { $0.isEmpty }
        if holding == 1 { return [] }
        if holding > 1 { return ["\(place): \(holding) alternatives hold, not one"] }
        return answers.min { $0.count < $1.count } ?? []
    }
}

/// A schema, its keywords read.
private struct Node {
    /// A node in a node.
    final class Box {
        let node: Node
        init(_ node: Node) { self.node = node }
    }

    struct Pattern {
        let source: String
        let regex: Regex<AnyRegexOutput>
    }

    /// The schema `false`.
    var isNever = false
    var reference: String?
    var types: [String] = []
    var allowed: [JSONValue]?
    var alternatives: [Node] = []
    var required: [String] = []
    var properties: [String: Node] = [:]
    var otherProperties: Box?
    var items: Box?
    var minimum: Int128?
    var maximum: Int128?
    var minimumLength: Int?
    var maximumItems: Int?
    var pattern: Pattern?

    init(_ json: JSONValue, at place: String) throws {
        if case .boolean(let holds) = json {
            isNever = !holds
            return
        }
        guard let members = json.members else {
            throw Failure("\(place): a schema is an object or a boolean")
        }
        for member in members { try read(member.key, member.value, at: "\(place)/\(member.key)") }
    }

    /// References here and below.
    var references: [String] {
        let inner = alternatives + properties.values + [otherProperties?.node, items?.node].compactMap { $0 }
        return [reference].compactMap { $0 } + inner.flatMap(\.references)
    }

    private mutating func read(_ keyword: String, _ value: JSONValue, at place: String) throws {
        func need<Value>(_ value: Value?) throws -> Value {
            guard let value else { throw Failure("\(place): not a value for this keyword") }
            return value
        }
        switch keyword {
        case "$schema", "$id", "$comment", "title", "description", "examples": break
        case "$defs":
            // Read by the schema; elsewhere references would not find them.
            guard place == "#/$defs" else { throw Failure("\(place): only at the root") }
        case "$ref": reference = try need(value.string)
        case "type":
            types = try value.string.map { [$0] } ?? need(value.array).map { try need($0.string) }
            let known = ["null", "boolean", "integer", "number", "string", "array", "object"]
            guard types.allSatisfy(known.contains) else { throw Failure("\(place): unknown type") }
        case "const": allowed = [value]
        case "enum": allowed = try need(value.array)
        case "oneOf":
            alternatives = try need(value.array).enumerated().map { try Node($1, at: "\(place)/\($0)") }
        case "required": required = try need(value.array).map { try need($0.string) }
        case "properties":
            for member in try need(value.members) {
                properties[member.key] = try Node(member.value, at: "\(place)/\(member.key)")
            }
        case "additionalProperties": otherProperties = Box(try Node(value, at: place))
        case "items": items = Box(try Node(value, at: place))
        case "minimum": minimum = try need(value.integer)
        case "maximum": maximum = try need(value.integer)
        case "maxItems": maximumItems = Int(try need(value.integer))
        case "minLength": minimumLength = Int(try need(value.integer))
        case "pattern":
            let source = try need(value.string)
            pattern = Pattern(source: source, regex: try Regex(source))
        default: throw Failure("\(place): the keyword \(keyword) is not supported")
        }
    }
}

extension JSONValue {
    /// Whether this is of a type of JSON Schema, to which 1.0 is an integer as well.
    fileprivate func isOf(type: String) -> Bool {
        switch self {
        case .null: type == "null"
        case .boolean: type == "boolean"
        case .integer: type == "integer" || type == "number"
        case .double(let number): type == "number" || (type == "integer" && number == number.rounded())
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}
