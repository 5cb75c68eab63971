import MoveGroup
import Records

/// A rule with the plainest of globs: a whole text, or for objects one that ends with `*`.
struct PlainRule {
    var kind: BoundaryRule.Kind
    var isFollowed = false
    var pattern: String
    /// `none`, or a whole workload.
    var workload: String?

    var line: String {
        (isFollowed ? "follow " : "") + "\(kind.rawValue) \(pattern)" + (workload.map { " in \($0)" } ?? "")
    }
}

/// A name for nodes, without globs but a `*` at the end of an object.
struct PlainPattern {
    var host: String?
    /// A path, or an object such as `tcp:10.0.0.1:80`.
    var text: String
    var isObject = false

    var pattern: NodePattern { NodePattern((host.map { $0 + ":" } ?? "") + text) }

    func matches(_ named: Named) -> Bool {
        if named.node.kind == .endpoint || named.node.kind == .channel {
            return isObject && isPlainMatch(text, named.objectText)
        }
        guard !isObject, host == nil || host == named.host else { return false }
        switch named.node {
        case .program(let name):
            return Array(text.utf8) == name.path || Array(text.utf8) == name.executable
        case .file(let path), .entry(let path): return Array(text.utf8) == path
        default: return false
        }
    }
}

/// Whether a text is a pattern, or begins with it up to its `*` if it ends with one.
func isPlainMatch(_ pattern: String, _ text: String) -> Bool {
    pattern.hasSuffix("*") ? text.hasPrefix(pattern.dropLast()) && !text.contains("/") : pattern == text
}

extension Named {
    /// What rules and patterns hold an object against.
    var objectText: String {
        switch node {
        case .file(let path): String(decoding: path, as: UTF8.self)
        case .endpoint(let transport, let endpoint): EndpointText.text(transport, endpoint)
        case .channel(let mechanism, let name): "\(mechanism.word):" + String(decoding: name, as: UTF8.self)
        default: ""
        }
    }
}

/// Where a closure stops, in plain form.
struct PlainOptions {
    var isSymmetric = false
    var rules: [PlainRule] = []
    var stopAt: [PlainPattern] = []
    var include: [PlainPattern] = []
    var exclude: [PlainPattern] = []

    var options: ClosureOptions {
        var options = ClosureOptions()
        options.isSymmetric = isSymmetric
        let text = "no default\n" + rules.map(\.line).joined(separator: "\n")
        options.policy = try! BoundaryPolicy(parsing: text, from: "test")
        options.stopAt = stopAt.map(\.pattern)
        options.include = include.map(\.pattern)
        options.exclude = exclude.map(\.pattern)
        return options
    }

    func isIncluded(_ named: Named) -> Bool { include.contains { $0.matches(named) } }

    /// The number of the rule that stops at a node: of those of its kind the first that matches decides.
    func rule(_ kind: BoundaryRule.Kind, _ named: Named) -> Int? {
        let number = rules.firstIndex { rule in
            guard rule.kind == kind else { return false }
            if case .program(let name) = named.node {
                if rule.workload == "none", !name.workload.isEmpty { return false }
                if let wanted = rule.workload, wanted != "none", Array(wanted.utf8) != name.workload {
                    return false
                }
                return Array(rule.pattern.utf8) == name.path
            }
            return isPlainMatch(rule.pattern, named.objectText)
        }
        guard let number, !rules[number].isFollowed else { return nil }
        return number
    }
}
