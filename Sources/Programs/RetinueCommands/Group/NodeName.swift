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

    /// The name that means nothing else, whatever else is there.
    var exact: String { forms[forms.count - 1] }

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

    /// As a shell takes it, with nothing in it meaning anything but itself.
    static func literal(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            plain.contains(byte) || (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
        }
        if isPlain, !text.isEmpty { return text }
        let parts = text.split(separator: "'", omittingEmptySubsequences: false)
        return "'" + parts.joined(separator: "'\\''") + "'"
    }

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

/// Finds what a name on the command line means, or says what it could mean.
struct NodeChoice {
    private let graph: DependencyGraph
    /// More choices help nobody.
    private static let mostShown = 20

    init(_ graph: DependencyGraph) { self.graph = graph }

    /// The nodes where a group shall begin: programs, or a file, but no directory, which is what is meant least of all
    /// by the name of a service that has one.
    ///
    /// - Throws: `Failure` with status 2, also for an empty name.
    func start(for name: String) throws -> [NodeID] {
        guard !name.isEmpty else {
            throw Failure("the name of a program is empty", status: ExitStatus.badInput)
        }
        switch graph.select(NodePattern(name)) {
        case .found(let nodes):
            let others = nodes.filter { !graph.isDirectory($0) }
            if !others.isEmpty { return others }
        case .ambiguous(let nodes):
            // A file beside a directory of its name is the one that is meant, and the host's own program beside one of
            // another mount namespace, which goes by its whole name.
            let others = nodes.filter { !graph.isDirectory($0) }
            let own = others.filter { !graph.isInOtherNamespace($0) }
            for choice in [others, own] where choice.count == 1 { return choice }
            if others.count > 1 { throw ambiguity(of: name, others) }
        case .nothing: return try nodes(for: name)
        }
        let nearest = graph.nearest(to: NodePattern(name))
        throw Failure(
            "\"\(name)\" is a directory, where no group can begin: name a program or a file"
                + (nearest.isEmpty ? "" : "; the nearest programs are:"),
            details: nearest.map(word), status: ExitStatus.badInput)
    }

    /// The nodes that are meant.
    ///
    /// - Throws: `Failure` with status 2 for a name that means nothing or several programs.
    func nodes(for name: String) throws -> [NodeID] {
        switch graph.select(NodePattern(name)) {
        case .found(let nodes): return nodes
        case .ambiguous(let nodes):
            throw ambiguity(of: name, nodes)
        case .nothing(let nearest):
            throw Failure(
                "\"\(name)\" is in none of the records" + (nearest.isEmpty ? "" : "; the nearest names are:"),
                details: nearest.map(word), status: ExitStatus.badInput)
        }
    }

    private func ambiguity(of name: String, _ nodes: [NodeID]) -> Failure {
        Failure(
            "\"\(name)\" may be any of these; name one, or all by a pattern with *:", details: choices(nodes),
            status: ExitStatus.badInput)
    }

    /// What can be typed to mean one of several, in order, the first of them.
    func choices(_ nodes: [NodeID]) -> [String] {
        let ordered = nodes.map { (name: NodeName(graph, $0).long, node: $0) }
            .sorted { ($0.name, $0.node.rawValue) < ($1.name, $1.node.rawValue) }
        let more = ordered.count - Self.mostShown
        return ordered.prefix(Self.mostShown).map { word($0.node) }
            + (more > 0 ? ["and \(Quantity.grouped(more)) more"] : [])
    }

    /// The shortest name that means just this node, as a word for the shell.
    private func word(_ node: NodeID) -> String { ShellWord.quoted(text(node)) }

    /// `web1:/usr/sbin/nginx@system.slice/nginx.service`: the shortest name that means just this node.
    func text(_ node: NodeID) -> String {
        let forms = NodeName(graph, node).forms
        return forms.first { graph.select(NodePattern($0)) == .found([node]) } ?? forms[forms.count - 1]
    }
}

extension DependencyGraph {
    /// Whether a path of a node is one of another mount namespace than the host's: `/mnt:WORKLOAD/…`.
    func isInOtherNamespace(_ node: NodeID) -> Bool {
        let paths: [[UInt8]] =
            if case .program(let name) = self[node] {
                [name.executable, name.script]
            } else {
                [withText(node) { Array($0) }]
            }
        return paths.contains { $0.withUnsafeBytes { MountNamespacePath($0) } != nil }
    }
}
