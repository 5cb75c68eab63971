import Records

/// Why each member is one.
struct Reasons {
    /// The step by which a member came in.
    struct Reason {
        /// The member that was there before.
        var from: NodeID
        var dependency: Dependency
        /// Whether the dependency is that of the member that came in.
        var isIncoming: Bool
        var follow: Follow
    }

    private let group: MoveGroup
    private let merger: DependencyMerger
    private let distances: [UInt32]

    init(_ report: GroupReport) {
        group = report.group
        merger = DependencyMerger(report.graph, NodeOrder(report.graph, report.order.hosts))
        distances = report.distances()
    }

    /// Steps from the start.
    func distance(of node: NodeID) -> Int { Int(distances[Int(node.rawValue)]) }

    /// `nil` for where the group began.
    subscript(node: NodeID) -> Reason? { group.step(to: node).map(reason) }

    func reason(_ step: MoveGroup.Step) -> Reason {
        Reason(
            from: step.from, dependency: merger.dependency(step.edge), isIncoming: step.isIncoming,
            follow: step.follow)
    }
}

extension Follow {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .start: "start"
        case .copied: "copied"
        case .bound: "bound"
        case .writes: "writes"
        case .reads: "reads"
        case .child: "child"
        case .parent: "parent"
        case .server: "server"
        case .client: "client"
        case .listens: "listens"
        case .channel: "channel"
        case .sharer: "sharer"
        case .endpoint: "endpoint"
        case .related: "related"
        }
    }
}

/// A dependency as all inputs together state it: what stands in the graph as several edges, since several
/// inputs or several rows state it, is one.
package struct Dependency {
    /// The program that has it.
    package var from: NodeID
    package var to: NodeID
    package var link: Link
    /// The endpoint or channel over which two programs meet.
    package var via: NodeID?
    package var access: Access = []
    /// The strongest; `nil` if no input states it.
    package var evidence: Evidence?
    package var kind = FileKind.regular
    package var count: UInt64 = 0
    package var first: UInt64 = 0
    package var last: UInt64 = 0
    package var sent: UInt64 = 0
    package var received: UInt64 = 0
    /// The latest change number of its records, which the host of `from` keeps; 0 if no input states it.
    package var change: UInt32 = 0

    /// Merges edges of the same ends, link and meeting place.
    ///
    /// What one input states in several rows adds up; of what several inputs state the most stands, since they
    /// report the same events.
    init(_ edges: some Collection<EdgeID>, in graph: DependencyGraph) {
        precondition(!edges.isEmpty)
        let some = edges[edges.startIndex]
        (from, to, link) = (graph[some].from, graph[some].to, graph[some].mark.link)
        via = graph.detail(some).via
        kind = graph.detail(some).kind
        var sums: [UInt16: Sum] = [:]
        for edge in edges {
            let (mark, detail) = (graph[edge].mark, graph.detail(edge))
            access.formUnion(mark.access)
            if let strength = mark.evidence { evidence = max(evidence ?? strength, strength) }
            if detail.kind.rawValue < kind.rawValue { kind = detail.kind }
            if detail.first != 0 { first = first == 0 ? detail.first : min(first, detail.first) }
            last = max(last, detail.last)
            change = max(change, detail.change)
            if edges.count == 1 {
                (count, sent, received) = (detail.count, detail.sent, detail.received)
            } else {
                sums[detail.source, default: Sum()].add(detail)
            }
        }
        for sum in sums.values {
            count = max(count, sum.count)
            sent = max(sent, sum.sent)
            received = max(received, sum.received)
        }
    }

    private struct Sum {
        var count: UInt64 = 0
        var sent: UInt64 = 0
        var received: UInt64 = 0

        mutating func add(_ detail: EdgeDetail) {
            count = Self.sum(count, detail.count)
            sent = Self.sum(sent, detail.sent)
            received = Self.sum(received, detail.received)
        }

        private static func sum(_ one: UInt64, _ other: UInt64) -> UInt64 {
            let (sum, overflow) = one.addingReportingOverflow(other)
            return overflow ? .max : sum
        }
    }
}

/// Finds the edges that are the same dependency.
struct DependencyMerger {
    private let graph: DependencyGraph
    private let order: NodeOrder

    init(_ graph: DependencyGraph, _ order: NodeOrder) {
        self.graph = graph
        self.order = order
    }

    /// The dependency that an edge stands for.
    func dependency(_ edge: EdgeID) -> Dependency {
        let ends = graph[edge]
        let via = graph.detail(edge).via
        // A file that ten thousand programs read, or a program that reads as many files: the shorter list.
        let isFromShorter =
            graph.adjacency.range(ends.from.rawValue).count < graph.adjacency.range(ends.to.rawValue).count
        let (here, other) = isFromShorter ? (ends.from, ends.to) : (ends.to, ends.from)
        var edges: [EdgeID] = []
        graph.forEachEdge(at: here) { found in
            if found.other == other, found.isIncoming != isFromShorter, found.mark.link == ends.mark.link,
                compare(graph.detail(found.edge).via, via) == 0
            {
                edges.append(found.edge)
            }
        }
        return Dependency(edges, in: graph)
    }

    /// The dependencies of a program (a node without numbers is no member), by the other end's rank.
    func dependencies(of node: NodeID, ranks: [UInt32]) -> [Dependency] {
        var edges: [(rank: UInt32, link: UInt8, via: NodeID?, edge: EdgeID)] = []
        graph.forEachEdge(at: node) { found in
            let rank = ranks[Int(found.other.rawValue)]
            guard !found.isIncoming, rank != .max else { return }
            edges.append((rank, found.mark.link.rawValue, graph.detail(found.edge).via, found.edge))
        }
        edges.sort { left, right in
            if left.rank != right.rank { return left.rank < right.rank }
            if left.link != right.link { return left.link < right.link }
            return compare(left.via, right.via) < 0
        }
        var merged: [Dependency] = []
        var start = 0
        for end in 1..<(edges.count + 1) {
            if end < edges.count, edges[end].rank == edges[start].rank, edges[end].link == edges[start].link,
                compare(edges[end].via, edges[start].via) == 0
            {
                continue
            }
            if start < edges.count { merged.append(Dependency(edges[start..<end].map(\.edge), in: graph)) }
            start = end
        }
        return merged
    }

    /// Where programs meet compares by what it is called: whose it is depends on the order of inputs where
    /// two hosts have an address.
    private func compare(_ left: NodeID?, _ right: NodeID?) -> Int {
        switch (left, right) {
        case (nil, nil): return 0
        case (nil, _): return -1
        case (_, nil): return 1
        case (let left?, let right?):
            if left == right { return 0 }
            let (one, two) = (graph[left].shownText, graph[right].shownText)
            return one == two ? 0 : one.lexicographicallyPrecedes(two) ? -1 : 1
        }
    }
}

/// Reasons in words. Names are escaped so that they can steer no terminal.
struct ReasonText {
    private let report: GroupReport
    private var graph: DependencyGraph { report.graph }
    /// Members whose name another member of the host has as well, and those of which more than the workload differs.
    private var namesakes: Set<NodeID> = []
    private var likeNamesakes: Set<NodeID> = []

    init(_ report: GroupReport) {
        self.report = report
        // Members of one name stand beside each other.
        for part in report.order.parts where part.kind == .program {
            for position in part.range.dropFirst() {
                let pair = [position - 1, position].map { NodeID(rawValue: report.order.nodes[$0]) }
                guard case .program(let one) = report.graph[pair[0]],
                    case .program(let other) = report.graph[pair[1]],
                    one.path == other.path
                else { continue }
                namesakes.formUnion(pair)
                if one.workload == other.workload { likeNamesakes.formUnion(pair) }
            }
        }
    }

    /// What a member is called among the members of its host: its path, with the workload where that distinguishes it from
    /// another one.
    func name(_ node: NodeID) -> String {
        let text = Printable.text(graph[node].shownText)
        guard namesakes.contains(node), case .program(let name) = graph[node], !name.isUnknown else {
            return text
        }
        let executable =
            likeNamesakes.contains(node) && !name.script.isEmpty ? Printable.text(name.executable) + " " : ""
        return "\(executable)\(text)@\(Printable.text(name.workload))"
    }

    /// A node with its host: `/usr/sbin/nginx (web1)`.
    func text(_ node: NodeID) -> String {
        let object = graph[node]
        var text = name(node)
        switch object {
        case .program(let name) where name.isUnknown:
            text =
                name.workload.isEmpty ? "an unknown program" : "a program of " + Printable.text(name.workload)
        case .file(let path) where FoldedFolders.isFolded(path): text += " (folded: any path below it)"
        case .channel(let mechanism, let name) where name.isEmpty: text = "a \(mechanism.word) without a name"
        default: break
        }
        guard graph.host(node) != .none else { return text }
        return "\(text) (\(Printable.text(report.hostLabel(of: node).utf8)))"
    }

    /// What links two, from the member that was there before: `connects to X`.
    func clause(_ reason: Reasons.Reason, to node: NodeID) -> String {
        let (from, to) = (text(reason.from), text(node))
        let dependency = reason.dependency
        switch dependency.link {
        case .listed: return "\(from) is listed with \(to)"
        case .file:
            let use = Self.use(dependency.access)
            return reason.isIncoming ? "\(from), which \(to) \(use)" : "\(from) \(use) \(to)"
        case .spawn:
            return reason.isIncoming ? "\(from) was started by \(to)" : "\(from) started \(to)"
        case .connect: return connection(reason, from, to, isMade: !reason.isIncoming)
        case .accept: return connection(reason, from, to, isMade: reason.isIncoming)
        case .listen:
            return reason.isIncoming ? "\(from), on which \(to) listens" : "\(from) listens on \(to)"
        case .ipc:
            guard let via = dependency.via else {
                return reason.isIncoming ? "\(from), which \(to) shares" : "\(from) shares \(to)"
            }
            guard case .channel(let mechanism, let name) = graph[via], !name.isEmpty else {
                return "\(from) talks to \(to)\(mechanism(of: via))"
            }
            return "\(from) shares \(mechanism.word):\(Printable.text(name)) with \(to)"
        }
    }

    private func mechanism(of via: NodeID) -> String {
        guard case .channel(let mechanism, _) = graph[via] else { return "" }
        return " by \(mechanism.word)"
    }

    private func connection(_ reason: Reasons.Reason, _ from: String, _ to: String, isMade: Bool) -> String {
        guard let via = reason.dependency.via, case .endpoint(let transport, let endpoint) = graph[via] else {
            return isMade ? "\(from) connects to \(to)" : "\(from) is connected to by \(to)"
        }
        let host = endpoint.address.isV4 ? "\(endpoint.address)" : "[\(endpoint.address)]"
        let place = "\(transport.word) \(host):\(endpoint.port)"
        return isMade
            ? "\(from) connects to \(place), taken by \(to)"
            : "\(from) takes connections at \(place), made by \(to)"
    }

    private static func use(_ access: Access) -> String {
        var uses: [String] = []
        if access.contains(.executed) { uses.append("executes") }
        if access.contains(.written) { uses.append("writes") }
        return uses.isEmpty ? "reads" : uses.joined(separator: " and ")
    }

    /// How it is known, how often, when: `exact, 42 times, 2026-11-21 02:00:00 to 02:10:03`.
    static func proof(_ dependency: Dependency) -> String {
        var parts: [String] = []
        switch dependency.evidence {
        case .exact: parts.append("exact")
        case .snapshot: parts.append("found in a scan")
        case .inferred where dependency.link == .file: parts.append("inferred from a folded record")
        case .inferred: parts.append("inferred from a listener, not seen")
        case nil: parts.append("as the list says")
        }
        if dependency.count == 1 {
            parts.append("once")
        } else if dependency.count > 1 {
            parts.append("\(Quantity.grouped(dependency.count)) times")
        }
        if dependency.first != 0 { parts.append(span(dependency.first, dependency.last)) }
        return parts.joined(separator: ", ")
    }

    /// `2026-11-21 02:00:00 to 02:10:03`; of the second time no more than what differs.
    private static func span(_ first: UInt64, _ last: UInt64) -> String {
        func parts(_ time: UInt64) -> (String, String) {
            let text = Timestamp.text(time)
            return (String(text.prefix(10)), String(text.dropFirst(11).prefix(8)))
        }
        let (from, to) = (parts(first), parts(last))
        if from == to || last == 0 { return "\(from.0) \(from.1)" }
        return "\(from.0) \(from.1) to \(from.0 == to.0 ? to.1 : "\(to.0) \(to.1)")"
    }

    /// The use of the file over which the member that was there before came to it: `A reads `.
    func lead(_ reason: Reasons.Reason, _ before: Reasons.Reason?) -> String? {
        guard reason.isIncoming, let before, !before.isIncoming else { return nil }
        switch reason.dependency.link {
        case .file: return "\(text(before.from)) \(Self.use(before.dependency.access)) "
        case .listen: return "\(text(before.from)) listens on "
        case .ipc where reason.dependency.via == nil: return "\(text(before.from)) shares "
        default: return nil
        }
    }
}

extension GroupReport {
    /// Why a member is one, in a line without its end: the step that brought it in, with the one before where
    /// a file lies between (`A reads F, which B writes: exact, 3 times, 2026-11-21 02:00:00`).
    ///
    /// `nil` for a node that is no member. Best of a group that was computed with `prefersEvidence`.
    public func reasonLine(of node: NodeID) -> String? {
        guard group.contains(node) else { return nil }
        let (reasons, text) = (Reasons(self), ReasonText(self))
        return Self.line(of: node, reasons, text)
    }

    /// Like `reasonLine`, for many at once.
    public func reasonLines(of nodes: [NodeID]) -> [String] {
        let (reasons, text) = (Reasons(self), ReasonText(self))
        return nodes.map { group.contains($0) ? Self.line(of: $0, reasons, text) : "" }
    }

    /// Of each of some members where the record of its reason is; `nil` for where the group begins, and for what is no member.
    package func reasonRecords(of nodes: [NodeID]) -> [RecordReference?] {
        let reasons = Reasons(self)
        return nodes.map { node in
            guard group.contains(node), let reason = reasons[node] else { return nil }
            return RecordReference(reason.dependency, in: graph)
        }
    }

    /// Where the records of a member's chain are, one for each step.
    package func reasonChainRecords(of node: NodeID) -> [RecordReference] {
        guard group.contains(node) else { return [] }
        let reasons = Reasons(self)
        return group.chain(to: node).map { RecordReference(reasons.reason($0).dependency, in: graph) }
    }

    private static func line(of node: NodeID, _ reasons: Reasons, _ text: ReasonText) -> String {
        guard let reason = reasons[node] else { return "\(text.text(node)) is where the group begins" }
        let lead = text.lead(reason, reasons[reason.from]) ?? ""
        return "\(lead)\(text.clause(reason, to: node)): \(ReasonText.proof(reason.dependency))"
    }

    /// Why a member is one: a line for each step from where the group began, none of them with its end.
    ///
    /// Empty for a node that is no member.
    public func reasonChain(of node: NodeID) -> [String] {
        guard group.contains(node) else { return [] }
        let (reasons, text) = (Reasons(self), ReasonText(self))
        let steps = group.chain(to: node)
        var lines = ["\(text.text(steps.first?.from ?? node)) is where the group begins"]
        for step in steps {
            let reason = reasons.reason(step)
            lines.append("\(text.clause(reason, to: step.to)): \(ReasonText.proof(reason.dependency))")
        }
        return lines
    }
}
