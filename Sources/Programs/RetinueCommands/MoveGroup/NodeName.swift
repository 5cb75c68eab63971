import MoveGroup
import Records

/// How a node can be named on the command line: everything that `NodePattern` would take for more than itself
/// stands behind a backslash, and what could steer a terminal is escaped.
struct NodeName {
    private let node: Node
    private let hosts: [String]

    init(_ graph: DependencyGraph, _ node: NodeID) {
        self.node = graph[node]
        let host = graph[graph.host(node)]
        hosts = graph.host(node) == .none ? [""] : [host.title, host.id].map { Self.host($0) + ":" }
    }

    /// From the shortest to the one that says most.
    var forms: [String] {
        let names = names
        // An address says by itself where it is, in most cases.
        let short = if case .endpoint = node { [names[0]] } else { [String]() }
        return short + hosts.flatMap { host in names.map { host + $0 } }
    }

    /// The name that says all but which of two hosts of the same name it is on.
    var long: String { hosts[0] + (names.last ?? "") }

    private var names: [String] {
        switch node {
        case .program(let name):
            let workload = "@" + Self.workload(name.workload)
            if name.isUnknown { return ["(unknown program)" + workload] }
            let path = Self.path(name.path)
            let short = name.workload.isEmpty ? [path, path + workload] : [path + workload]
            return short + (name.script.isEmpty ? [] : [Self.text(name.executable) + " " + path + workload])
        case .file(let path), .entry(let path): return [Self.path(path)]
        case .endpoint(let transport, let endpoint):
            return [Self.wildcards(EndpointText.text(transport, endpoint))]
        case .channel(let mechanism, let name):
            return ["\(mechanism.word):" + Self.wildcards(Printable.text(name))]
        }
    }

    /// A path; a colon in one that does not begin with a slash could be that behind a host or a mechanism.
    private static func path(_ bytes: [UInt8]) -> String {
        let isRooted = bytes.first == UInt8(ascii: "/")
        // So that the name of no program looks like the lack of one.
        return (bytes.first == UInt8(ascii: "(") ? "\\" : "") + text(bytes, and: isRooted ? "" : ":[")
    }

    /// A workload; behind a slash the @ would be one of a path.
    private static func workload(_ bytes: [UInt8]) -> String {
        (bytes.first == UInt8(ascii: "/") ? "\\" : "") + text(bytes)
    }

    private static func text(_ bytes: [UInt8], and more: String = "") -> String {
        var out = String.UnicodeScalarView()
        for scalar in escape(Printable.text(bytes), "*?@" + more).unicodeScalars {
            // A blank before a slash would stand between an executable and its script.
            if scalar == "/", out.last == " " {
                out.removeLast()
                out += "\\ ".unicodeScalars
            }
            out.append(scalar)
        }
        return String(out)
    }

    private static func wildcards(_ text: String) -> String { escape(text, "*?") }

    private static func host(_ name: String) -> String {
        let text = escape(name.printable, "*?@[]")
        let isPlain = !name.utf8.contains { ":/[] ".utf8.contains($0) } && !isObjectWord(name)
        return isPlain ? text : "[\(text)]"
    }

    private static func isObjectWord(_ name: String) -> Bool {
        Transport.allCases.contains { "\($0.word)" == name }
            || Mechanism.allCases.contains { "\($0.word)" == name }
    }

    private static func escape(_ text: String, _ special: String) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if special.unicodeScalars.contains(scalar) { out.append("\\") }
            out.append(scalar)
        }
        return String(out)
    }
}

/// A name as a word that a shell takes as it is.
enum ShellWord {
    private static let plain = Set("@%+=:,./_-".utf8)

    /// In quotes if it needs them; an apostrophe is written `\x27`, which patterns understand.
    static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            plain.contains(byte) || (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
        }
        if isPlain, !text.isEmpty { return text }
        // Character by character it would miss an apostrophe with an accent.
        var out = "'".unicodeScalars
        for scalar in text.unicodeScalars {
            if scalar == "'" { out += "\\x27".unicodeScalars } else { out.append(scalar) }
        }
        return String(out) + "'"
    }
}
