import Records

/// The rules that say where a closure stops; the first that matches decides.
public struct BoundaryPolicy: Sendable {
    /// The rules in the order in which they are tried.
    public private(set) var rules: [BoundaryRule]
    private var byKind: [BoundaryRule.Kind: [Int]] = [:]

    /// No rules: nothing stops a closure.
    public static let empty = BoundaryPolicy(rules: [])

    /// The rules that docs/boundary-policy.md describes.
    public static let standard: BoundaryPolicy = {
        guard let rules = try? parse(standardText, origin: { _ in "default policy" }).rules else {
            preconditionFailure("the default policy cannot be read")
        }
        return BoundaryPolicy(rules: rules)
    }()

    init(rules: [BoundaryRule]) {
        self.rules = rules
        for (number, rule) in rules.enumerated() { byKind[rule.kind, default: []].append(number) }
    }

    /// Reads a file of rules, one a line, `#` starts a comment. The default rules follow behind them,
    /// unless a line says `no default`.
    public init(parsing text: String, from name: String) throws(PolicyError) {
        let parsed = try Self.parse(text) { line in "\(name), line \(line)" }
        self.init(rules: parsed.rules + (parsed.isAlone ? [] : Self.standard.rules))
    }

    private static func parse(
        _ text: String, origin: (Int) -> String
    ) throws(PolicyError) -> (rules: [BoundaryRule], isAlone: Bool) {
        var rules: [BoundaryRule] = []
        var isAlone = false
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let line = String(Substring(bytes.prefix { $0 != UInt8(ascii: "#") }))
            let words = line.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d })
                .map { String(Substring($0)) }
            if words.isEmpty { continue }
            if words == ["no", "default"] {
                isAlone = true
                continue
            }
            guard let rule = BoundaryRule(words.joined(separator: " "), origin: origin(index + 1)) else {
                throw PolicyError(place: origin(index + 1), text: words.joined(separator: " "))
            }
            rules.append(rule)
        }
        return (rules, isAlone)
    }

    /// The rule of a kind that stops at a program, if one does.
    func rule(_ kind: BoundaryRule.Kind, for program: ProgramName) -> Int? {
        first(kind) { $0.matches(program) }
    }

    /// The rule of a kind that stops at a text, if one does.
    func rule(_ kind: BoundaryRule.Kind, for text: [UInt8]) -> Int? { first(kind) { $0.matches(text) } }

    private func first(_ kind: BoundaryRule.Kind, _ matches: (BoundaryRule) -> Bool) -> Int? {
        guard let number = byKind[kind]?.first(where: { matches(rules[$0]) }) else { return nil }
        return rules[number].isFollowed ? nil : number
    }
}

/// A line of a policy file that is no rule.
public struct PolicyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// File and line.
    public var place: String
    /// The line.
    public var text: String

    /// A sentence that says what a rule looks like.
    public var description: String {
        "\(place): '\(text)' is no rule; a rule is '[follow] KIND PATTERN [in WORKLOAD]' with KIND one of "
            + BoundaryRule.Kind.allCases.map(\.rawValue).joined(separator: ", ")
    }
}
