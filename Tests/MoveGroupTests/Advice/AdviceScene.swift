import Records
import TestSupport
import Testing

@testable import MoveGroup

/// What one host's programs did, written by hand. `/app` is where the group begins.
struct AdviceScene {
    private var steps: [(inout Ledger) throws -> Void] = []
    let host: String
    let addresses: [String]

    init(host: String = "h1", addresses: [String] = []) {
        self.host = host
        self.addresses = addresses
    }

    mutating func file(
        _ path: String, _ letters: String = "r", _ kind: FileKind = .regular, by user: String = "/app",
        in workload: String = ""
    ) throws {
        let access = try #require(Access(letters: letters))
        steps.append { ledger in
            let program = ledger.program(user, in: workload)
            ledger.note(
                .file(program, path: ledger.text(path)), access: access, kind: kind, evidence: .exact,
                time: 1_000_000_000)
        }
    }

    mutating func spawn(_ child: String, by parent: String = "/app") {
        steps.append { ledger in ledger.note(.spawn(ledger.program(parent), child: ledger.program(child))) }
    }

    mutating func listen(_ address: String, _ port: UInt16, by user: String = "/app") {
        steps.append { ledger in
            let program = ledger.program(user)
            ledger.note(.listen(program, .tcp, local: try ledger.endpoint(address, port)))
        }
    }

    mutating func connect(
        _ address: String, _ port: UInt16, to peer: String? = nil, by user: String = "/app"
    ) {
        steps.append { ledger in
            let program = ledger.program(user)
            let remote = try ledger.endpoint(address, port)
            ledger.note(.connect(program, .tcp, remote: remote, peer: ledger.peer(peer)))
        }
    }

    mutating func accept(_ address: String, _ port: UInt16, from remote: String, by user: String = "/app") {
        steps.append { ledger in
            let program = ledger.program(user)
            let local = try ledger.endpoint(address, port)
            let remote = try ledger.endpoint(remote, 0)
            ledger.note(.accept(program, .tcp, local: local, remote: remote, peer: .unknown))
        }
    }

    mutating func share(
        _ mechanism: Mechanism, _ name: String, with peer: String? = nil, by user: String = "/app"
    ) {
        steps.append { ledger in
            let program = ledger.program(user)
            ledger.note(.ipc(program, mechanism, name: ledger.text(name), peer: ledger.peer(peer)))
        }
    }

    func contents() throws -> DumpContents {
        var header = DumpHeader()
        header.hostID = host
        header.hostName = "name of \(host)"
        header.time = 2_000_000_000
        header.addresses = addresses.compactMap { NetworkAddress($0) }
        var ledger = Ledger()
        for step in steps { try step(&ledger) }
        return DumpContents(header: header, ledger: ledger)
    }

    /// Advice for the group of `/app`.
    func advice(_ change: (inout ClosureOptions) -> Void = { _ in }) throws -> Advised {
        var options = ClosureOptions()
        change(&options)
        return try #require(try Advised.of([self], options).first)
    }
}

/// Advice with the graph that its nodes are of.
struct Advised {
    let graph: DependencyGraph
    let advice: IsolationAdvice

    static func of(
        _ scenes: [AdviceScene], _ options: ClosureOptions = ClosureOptions()
    ) throws -> [Advised] {
        var builder = GraphBuilder()
        for scene in scenes { builder.add(try scene.contents(), from: scene.host) }
        let graph = builder.finish()
        guard case .found(let start) = graph.select(NodePattern("/app")) else { throw Failure("no /app") }
        return graph.moveGroup(of: start, options).isolationAdvice().map {
            Advised(graph: graph, advice: $0)
        }
    }

    private func name(_ node: NodeID) -> String { String(decoding: graph.name(of: node), as: UTF8.self) }

    private func text(_ finding: HostUses.Finding) -> String {
        let words = [finding.use.kind.word, finding.use.reach.word].map { "\($0)" }
        let example = finding.example
        let objects = "\(finding.objects.count) \(name(example.program)) \(name(example.object))"
        return (words + [objects] + (example.peer.map { [name($0)] } ?? [])).joined(separator: " ")
    }

    /// Each use: kind, reach, number of objects, and the example's program, object and peer.
    var uses: [String] { advice.uses.findings.map { text($0) } }

    /// The uses that rule a candidate out.
    func objections(_ candidate: IsolationAdvice.Candidate) -> [String] {
        advice[candidate].objections.map { text($0.finding) }
    }

    func conditions(_ candidate: IsolationAdvice.Candidate) -> [String] {
        advice[candidate].conditions.map { text($0.finding) }
    }

    var namespaces: [String] { advice.namespaces.filter { $0.need == .needed }.map(\.kind.rawValue) }
    var advised: IsolationAdvice.Candidate? { advice.advised }
}

extension Ledger {
    fileprivate mutating func text(_ text: String) -> TextID { texts.intern(Array(text.utf8)) }

    fileprivate mutating func program(_ path: String, in workload: String = "") -> ProgramID {
        let executable = text(path)
        let workload = workload.isEmpty ? TextID.none : text(workload)
        return intern(Program(executable: executable, workload: workload))
    }

    fileprivate mutating func peer(_ path: String?) -> ProgramID { path.map { program($0) } ?? .unknown }

    fileprivate mutating func endpoint(_ address: String, _ port: UInt16) throws -> EndpointID {
        intern(Endpoint(try #require(NetworkAddress(address)), port: port))
    }

    fileprivate mutating func note(_ key: RecordKey) {
        note(key, evidence: .exact, time: 1_000_000_000)
    }
}
