import MoveGroup
import MovePlan
import Placement
import Records

/// Bytes between the programs of moves, and between them and others, as records have them.
struct PlacementEdges {
    private let graph: DependencyGraph
    /// Which move a program of which host belongs to.
    private var owners: [NodeID: String] = [:]

    /// - Parameter parts: the part of its plan that each move has.
    init(_ graph: DependencyGraph, _ parts: [(name: String, plan: HostPlan)]) {
        self.graph = graph
        for number in 0..<graph.nodeCount {
            let node = NodeID(rawValue: UInt32(number))
            guard graph.kind(node) == .program, case .program(let program) = graph[node] else { continue }
            let named = parts.filter { $0.plan.programs.contains { $0.isNamed(program) } }
            // In a cell its control group is another one than the plan's.
            let exact = named.first { $0.plan.programs.contains { $0.workload == program.workload } }
            if let owner = exact ?? named.first { owners[node] = owner.name }
        }
    }

    /// The edges of moves, the largest first.
    ///
    /// - Parameter names: what the policy calls the hosts.
    func edges(hosts names: [String]) -> [PlacementQuestion.Edge] {
        var sums: [Key: UInt64] = [:]
        // Either end may have counted the same bytes.
        var counted: [Pair: UInt64] = [:]
        for number in 0..<graph.edgeCount {
            let id = EdgeID(rawValue: UInt32(number))
            let edge = graph[id]
            guard edge.mark.link == .connect || edge.mark.link == .accept, edge.from != edge.to,
                graph.kind(edge.to) == .program
            else { continue }
            let detail = graph.detail(id)
            let (bytes, isOver) = detail.sent.addingReportingOverflow(detail.received)
            let pair = Pair(
                low: min(edge.from, edge.to), high: max(edge.from, edge.to),
                via: detail.via, link: edge.mark.link, from: edge.from)
            counted[pair, default: 0] = max(counted[pair] ?? 0, isOver ? .max : bytes)
        }
        var between: [Ends: [Link: UInt64]] = [:]
        for (pair, bytes) in counted {
            let sum = between[Ends(low: pair.low, high: pair.high)]?[pair.link] ?? 0
            between[Ends(low: pair.low, high: pair.high), default: [:]][pair.link] =
                sum.addingReportingOverflow(bytes).overflow ? .max : sum + bytes
        }
        for (ends, links) in between {
            let bytes = max(links[.connect] ?? 0, links[.accept] ?? 0)
            guard bytes > 0, let key = key(ends.low, ends.high, names) ?? key(ends.high, ends.low, names)
            else {
                continue
            }
            let sum = sums[key] ?? 0
            sums[key] = sum.addingReportingOverflow(bytes).overflow ? .max : sum + bytes
        }
        return sums.map { PlacementQuestion.Edge($0.key.move, $0.key.peer, bytes: $0.value) }.sorted {
            ($1.bytes, $0.move, "\($0.peer)") < ($0.bytes, $1.move, "\($1.peer)")
        }
    }

    private struct Key: Hashable {
        var move: String
        var peer: PlacementQuestion.Edge.Peer
    }

    private struct Ends: Hashable {
        var low: NodeID
        var high: NodeID
    }

    /// Connections of two programs by one endpoint, counted by one of them.
    private struct Pair: Hashable {
        var low: NodeID
        var high: NodeID
        var via: NodeID?
        var link: Link
        var from: NodeID
    }

    /// Who an edge is of, seen from one of its ends; `nil` where that belongs to no move, or both to the same.
    private func key(_ one: NodeID, _ other: NodeID, _ names: [String]) -> Key? {
        guard let move = owners[one] else { return nil }
        if let peer = owners[other] {
            // Once, whichever of the two is asked.
            guard peer != move else { return nil }
            return Key(move: min(move, peer), peer: .move(max(move, peer)))
        }
        let host = graph[graph.host(other)]
        guard let name = names.first(where: { $0 == host.name || $0 == host.id }) else { return nil }
        return Key(move: move, peer: .host(name))
    }
}

extension PlannedProgram {
    /// Whether a program of records may be this one, in whatever control group.
    fileprivate func isNamed(_ program: ProgramName) -> Bool {
        !isStop && executable == program.executable && script == program.script
    }
}
