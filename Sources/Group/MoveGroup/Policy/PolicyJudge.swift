import Records

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
