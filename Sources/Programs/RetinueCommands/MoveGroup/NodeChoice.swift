import MoveGroup
import Records

/// Finds what a name on the command line means, or says what it could mean.
struct NodeChoice {
    private let graph: DependencyGraph
    /// More choices help nobody.
    private static let mostShown = 20

    init(_ graph: DependencyGraph) { self.graph = graph }

    /// The nodes that are meant.
    ///
    /// - Throws: `Failure` with status 2 for a name that means nothing or several programs.
    func nodes(for name: String) throws -> [NodeID] {
        switch graph.select(NodePattern(name)) {
        case .found(let nodes): return nodes
        case .ambiguous(let nodes):
            throw Failure(
                "\"\(name)\" may be any of these; name one, or all by a pattern with *:",
                details: choices(nodes), status: ExitStatus.badInput)
        case .nothing(let nearest):
            throw Failure(
                "\"\(name)\" is in none of the records" + (nearest.isEmpty ? "" : "; the nearest names are:"),
                details: nearest.map(word), status: ExitStatus.badInput)
        }
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
