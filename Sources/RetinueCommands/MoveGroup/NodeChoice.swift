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
        let pattern = NodePattern(name)
        switch graph.select(pattern) {
        case .found(let nodes): return nodes
        case .ambiguous(let nodes):
            throw Failure(
                "\"\(name)\" may be any of these; name one, or all by a pattern with *:",
                details: shown(nodes.map(text).sorted()), status: ExitStatus.badInput)
        case .nothing(let nearest):
            throw Failure(
                "\"\(name)\" is in none of the records" + (nearest.isEmpty ? "" : "; the nearest names are:"),
                details: shown(nearest.map(text)), status: ExitStatus.badInput)
        }
    }

    private func shown(_ names: [String]) -> [String] {
        let more = names.count - Self.mostShown
        return names.prefix(Self.mostShown) + (more > 0 ? ["and \(Quantity.grouped(more)) more"] : [])
    }

    /// `web1:/usr/sbin/nginx@system.slice/nginx.service`: what can be typed to mean just this.
    func text(_ node: NodeID) -> String {
        let host = graph.host(node) == .none ? "" : graph[graph.host(node)].title + ":"
        switch graph[node] {
        case .program(let name):
            let workload = name.workload.isEmpty ? "" : "@" + String(decoding: name.workload, as: UTF8.self)
            let path = name.isUnknown ? "(unknown program)" : String(decoding: name.path, as: UTF8.self)
            return host + path + workload
        case .file(let path), .entry(let path): return host + String(decoding: path, as: UTF8.self)
        case .endpoint(let transport, let endpoint): return EndpointText.text(transport, endpoint)
        case .channel(let mechanism, let name):
            return "\(mechanism.word):" + String(decoding: name, as: UTF8.self)
        }
    }
}
