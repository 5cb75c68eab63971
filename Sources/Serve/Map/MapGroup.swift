import MoveGroup
import Records

/// The records that a map is drawn of.
package protocol MapRecords {
    /// All of them, joined.
    var graph: DependencyGraph { get }
    /// When they were read, nanoseconds since 1970.
    var time: UInt64 { get }
    /// Why they could not be read anew, if that is so.
    var problem: String? { get }
    /// The programs in whose names all words are, some of them from a place on, and how many there are.
    func search(_ words: String, offset: Int, limit: Int) -> (found: [NodeID], total: Int)
    /// The group of what a name means, with reasons.
    func group(of program: String) throws(MapProblem) -> GroupReport
    /// The name that means just this node.
    func name(_ node: NodeID) -> String
    /// Bytes of a file; `nil` if it cannot be looked at.
    func size(of file: NodeID) -> UInt64?
}

/// The group that a page shows, as it was known at some time, and what of it was not known at another.
struct MapGroup {
    /// The group; its graph is that of the records, or a part of it.
    let report: GroupReport
    /// Seconds since 1970 of the first and the last dependency of the whole group; `nil` where no input has times.
    let history: ClosedRange<UInt64>?
    /// Members that were none before.
    private(set) var changed: Set<NodeID> = []
    /// The last nanosecond of what counts as before.
    private let before: UInt64?
    /// Of each node of the report's graph the one of the records; `nil` where the graph is the same.
    private let origins: [NodeID]?
    private let records: any MapRecords

    var graph: DependencyGraph { report.group.graph }

    init(_ records: any MapRecords, _ program: String, _ state: MapState) throws(MapProblem) {
        self.records = records
        let whole = try records.group(of: program)
        history = Self.history(of: whole)
        var known = Known(report: whole, origins: nil)
        if let until = state.until, let history, until < history.upperBound {
            known = Self.known(until: until, of: whole)
        }
        (report, origins) = (known.report, known.origins)
        before = state.since.map(Self.end)
        guard let since = state.since else { return }
        let earlier = Self.known(until: since, of: whole)
        let old = Set(earlier.report.members.map { earlier.origins?[Int($0.rawValue)] ?? $0 })
        changed = Set(report.members.filter { !old.contains(origin($0)) })
    }

    /// The node of the records that a node is.
    func origin(_ node: NodeID) -> NodeID { origins?[Int(node.rawValue)] ?? node }

    /// The name that means just this node.
    func name(_ node: NodeID) -> String { records.name(origin(node)) }

    /// Bytes of a file.
    func size(of file: NodeID) -> UInt64? { records.size(of: origin(file)) }

    /// Whether a dependency was not known before.
    func isChanged(_ dependency: Dependency) -> Bool {
        before.map { dependency.first > $0 } ?? false
    }

    /// The last nanosecond of a second.
    private static func end(of second: UInt64) -> UInt64 { second * 1_000_000_000 + 999_999_999 }

    private struct Known {
        var report: GroupReport
        var origins: [NodeID]?
    }

    /// The group of what had been observed until the end of a second.
    private static func known(until second: UInt64, of whole: GroupReport) -> Known {
        let (graph, origins) = whole.group.graph.observed(in: 0...end(of: second), around: whole.members)
        var numbers: [NodeID: NodeID] = [:]
        for (number, node) in origins.enumerated() { numbers[node] = NodeID(rawValue: UInt32(number)) }
        let start = whole.group.start.compactMap { numbers[$0] }
        return Known(
            report: GroupReport(graph.moveGroup(of: start, whole.group.options)), origins: origins)
    }

    private static func history(of report: GroupReport) -> ClosedRange<UInt64>? {
        let graph = report.group.graph
        var (first, last) = (UInt64.max, UInt64(0))
        for node in report.group.members {
            graph.forEachEdge(at: node) { edge in
                let detail = graph.detail(edge.edge)
                if detail.first != 0 { first = min(first, detail.first) }
                last = max(last, detail.last, detail.first)
            }
        }
        guard first <= last else { return nil }
        return first / 1_000_000_000...last / 1_000_000_000
    }
}
