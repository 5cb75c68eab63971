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
        "\(place): '\(text)' is no rule; a rule is '[follow] KIND PATTERN [in WORKLOAD [or WORKLOAD]...]' with KIND one of "
            + BoundaryRule.Kind.allCases.map(\.rawValue).joined(separator: ", ")
    }
}

/// A rule that says where a closure stops, or that it does not.
public struct BoundaryRule: Sendable {
    /// What a rule is about.
    public enum Kind: String, Sendable, CaseIterable {
        /// A program that starts others on somebody's behalf: as a parent it does not join; as a child it
        /// joins, and nothing but its own files follows.
        case launcher
        /// A program that many use for unrelated things (`cat`, `grep`): it joins, and nothing but its own
        /// files follows.
        case tool
        /// A program that puts files in place for others: what it writes binds nobody to it.
        case installer
        /// A service that every host has: it stays where it is.
        case system
        /// A path that every host has of its own, or that is no file to be moved.
        case file
        /// An object of inter-process communication that every host has of its own.
        case ipc
        /// An address and port that will be there at the destination as well.
        case endpoint
    }

    /// What it is about.
    public var kind: Kind
    /// Whether what it matches is followed after all.
    public var isFollowed: Bool
    /// The rule as it was written.
    public var text: String
    /// Where it was written: `default policy`, or file and line.
    public var origin: String

    let pattern: Glob
    /// Control groups of which a program must be in one; empty: it may be in any.
    private let workloads: [Workload]
    /// Bytes with which everything that matches begins: most paths are distinguished by them.
    let prefix: [UInt8]
    /// Of a pattern `**/NAME` the name, which is all that has to be compared: most rules are of this form, and
    /// each is held against every program.
    private let lastPart: [UInt8]?

    /// Reads a rule: `launcher **/sshd`, `launcher **/bash in user.slice/** or none`, `follow file /var/log/app/**`.
    init?(_ line: String, origin: String) {
        // Byte by byte: to characters, a blank before a combining mark is no blank.
        var words = line.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }).map {
            String(Substring($0))
        }
        text = words.joined(separator: " ")
        isFollowed = words.first == "follow"
        if isFollowed { words.removeFirst() }
        guard words.count >= 2, let kind = Kind(rawValue: words[0]) else { return nil }
        self.kind = kind
        self.origin = origin
        pattern = Glob(words[1])
        prefix = Array(words[1].utf8.prefix { $0 != UInt8(ascii: "*") && $0 != UInt8(ascii: "?") })
        let name = words[1].hasPrefix("**/") ? words[1].dropFirst(3) : ""
        lastPart = name.isEmpty || name.contains(where: { "*?/".contains($0) }) ? nil : Array(name.utf8)
        if words.count == 2 {
            workloads = []
            return
        }
        // `in A or B or C`
        let rest = words[2...]
        guard Self.takesWorkload(kind), rest.count.isMultiple(of: 2),
            rest.enumerated().allSatisfy({ place, word in
                place.isMultiple(of: 2) ? word == (place == 0 ? "in" : "or") : true
            })
        else { return nil }
        workloads = rest.enumerated().filter { !$0.offset.isMultiple(of: 2) }.map { Workload($0.element) }
    }

    /// A control group, or that there is none.
    private enum Workload {
        case none
        case matching(Glob)

        init(_ word: String) { self = word == "none" ? .none : .matching(Glob(word)) }

        func matches(_ workload: [UInt8]) -> Bool {
            switch self {
            case .none: workload.isEmpty
            case .matching(let glob): glob.matches(workload)
            }
        }
    }

    private static func takesWorkload(_ kind: Kind) -> Bool {
        kind == .launcher || kind == .tool || kind == .installer || kind == .system
    }

    func matches(_ text: [UInt8]) -> Bool {
        guard let lastPart else { return text.starts(with: prefix) && pattern.matches(text) }
        let start = text.count - lastPart.count
        guard start >= 0, start == 0 || text[start - 1] == UInt8(ascii: "/") else { return false }
        return text[start...].elementsEqual(lastPart)
    }

    func matches(_ program: ProgramName) -> Bool {
        matches(program.path)
            && (workloads.isEmpty || workloads.contains { $0.matches(program.workload) })
    }
}

/// What the policy says of a graph's nodes, found out once for each node that is asked about.
struct PolicyJudge {
    private let graph: DependencyGraph
    private let policy: BoundaryPolicy
    private var programs: [NodeID: ProgramVerdict] = [:]
    private var others: [NodeID: Int?] = [:]
    private var names: [NodeID: ProgramName] = [:]

    /// The rules that a program falls under.
    struct ProgramVerdict {
        var launcher: Int?
        var tool: Int?
        var installer: Int?
        var system: Int?
        var isUnknown: Bool
    }

    init(_ graph: DependencyGraph, _ policy: BoundaryPolicy) {
        self.graph = graph
        self.policy = policy
    }

    /// What the rules say of a program; of an entry, which may be a file, nothing.
    mutating func program(_ node: NodeID) -> ProgramVerdict {
        if let known = programs[node] { return known }
        var verdict = ProgramVerdict(isUnknown: false)
        if case .program(let name) = graph[node] {
            verdict.launcher = policy.rule(.launcher, for: name)
            verdict.tool = policy.rule(.tool, for: name)
            verdict.installer = policy.rule(.installer, for: name)
            verdict.system = policy.rule(.system, for: name)
            verdict.isUnknown = name.isUnknown
        }
        programs[node] = verdict
        return verdict
    }

    /// The rule that stops at a file, a channel or an endpoint.
    mutating func object(_ node: NodeID) -> Int? {
        if let known = others[node] { return known }
        let rule: Int? =
            switch graph[node] {
            case .file(let path): policy.rule(.file, for: path)
            case .channel(let mechanism, let name):
                policy.rule(.ipc, for: Array(mechanism.word.description.utf8) + [0x3a] + name)
            case .endpoint(let transport, let endpoint):
                policy.rule(.endpoint, for: Array(EndpointText.text(transport, endpoint).utf8))
            case .program, .entry: nil
            }
        others[node] = rule
        return rule
    }
}

/// An endpoint in words.
public enum EndpointText {
    /// `tcp:10.0.0.9:5432`, `tcp:[::]:5432`; without a port `tcp:10.0.0.9:*`.
    public static func text(_ transport: Transport, _ endpoint: Endpoint) -> String {
        let address = endpoint.address.description
        let port = endpoint.port == 0 ? "*" : String(endpoint.port)
        return "\(transport.word):\(endpoint.address.isV4 ? address : "[\(address)]"):\(port)"
    }
}
