import Glibc
import Records

/// What a name that was typed stands for in a graph.
public enum NodeSelection: Equatable, Sendable {
    /// These nodes.
    case found([NodeID])
    /// Several programs, of which one must have been meant.
    case ambiguous([NodeID])
    /// Nothing; these have the nearest names, the nearest first.
    case nothing(nearest: [NodeID])
}

extension DependencyGraph {
    /// Finds what a name stands for among programs and entries; among files too if it names no program, no workload and
    /// no part of one.
    ///
    /// A glob and the name of a workload stand for all that they match; any other name for one node.
    public func select(_ pattern: NodePattern) -> NodeSelection { select(pattern, many: 100_000) }

    /// - Parameter many: the nodes from which on two threads compare them with the name.
    func select(_ pattern: NodePattern, many: Int) -> NodeSelection {
        let halves = UnsafeMutablePointer<NamedNodes>.allocate(capacity: 2)
        halves.initialize(repeating: NamedNodes(), count: 2)
        let middle = UInt32(nodeCount / 2)
        ThreadPair.forBoth(isLarge: nodeCount >= many) { half in
            halves[half] = nodes(named: pattern, in: half == 0 ? 0..<middle : middle..<UInt32(nodeCount))
        }
        var named = halves[0]
        named.add(halves[1])
        halves.deinitialize(count: 2)
        halves.deallocate()
        let (files, members, parts) = (named.files, named.members, named.parts)
        var programs = named.programs
        if pattern.isGlob, !(programs + files).isEmpty { return .found(programs.isEmpty ? files : programs) }
        if programs.isEmpty { programs = called(pattern) }
        if programs.isEmpty, !members.isEmpty { return .found((members + parts).sorted()) }
        if programs.isEmpty, !parts.isEmpty { return .found(parts) }
        let found = nearest(programs.isEmpty ? files : programs, to: pattern)
        switch found.count {
        case 0: return .nothing(nearest: nearest(to: pattern))
        case 1: return .found(found)
        default: return .ambiguous(found)
        }
    }

    /// The nodes among some that a name may stand for.
    private func nodes(named pattern: NodePattern, in numbers: Range<UInt32>) -> NamedNodes {
        guard let path = pattern.exactPath?.path else { return nodes(named: pattern, nil, in: numbers) }
        return path.withUnsafeBytes { nodes(named: pattern, $0, in: numbers) }
    }

    /// - Parameter exact: the one path that is meant, as bytes: two threads that both count who has an array take longer than
    ///   one.
    private func nodes(
        named pattern: NodePattern, _ exact: UnsafeRawBufferPointer?, in numbers: Range<UInt32>
    ) -> NamedNodes {
        var named = NamedNodes()
        for number in numbers {
            let node = NodeID(rawValue: number)
            switch kind(node) {
            case .entry, .file:
                guard withText(node, { pattern.mayMatch(path: $0) }), matches(pattern, node) else { continue }
                if kind(node) == .entry { named.programs.append(node) } else { named.files.append(node) }
            case .program:
                if let exact, !withText(node, { ProgramText($0).mayBe(exact) }) { continue }
                let name = self[node]
                if pattern.matches(name, on: self[host(node)]) { named.programs.append(node) }
                if case .program(let program) = name, pattern.matches(self[host(node)]),
                    pattern.names(workload: program.workload)
                {
                    named.members.append(node)
                } else if case .program(let program) = name, pattern.names(partOf: program.workload),
                    pattern.matches(self[host(node)])
                {
                    named.parts.append(node)
                }
            case .endpoint, .channel: if matches(pattern, node) { named.files.append(node) }
            }
        }
        return named
    }

    /// The programs that are executed under a name that is not their file's.
    private func called(_ pattern: NodePattern) -> [NodeID] {
        called.filter { number, names in
            let node = NodeID(rawValue: number)
            guard case .program(let name) = self[node] else { return false }
            return names.contains { pattern.matches(name, called: $0, on: self[host(node)]) }
        }.map { NodeID(rawValue: $0.key) }.sorted()
    }

    private func nearest(_ nodes: [NodeID], to pattern: NodePattern) -> [NodeID] {
        guard nodes.count > 1 else { return nodes }
        let nearness = nodes.map { pattern.nearness(self[$0]) }
        let most = nearness.max() ?? 0
        return zip(nodes, nearness).filter { $0.1 == most }.map(\.0)
    }

    private func matches(_ pattern: NodePattern, _ node: NodeID) -> Bool {
        pattern.matches(self[node], on: self[host(node)])
    }

    /// The programs whose names differ least from the one that was typed.
    public func nearest(to pattern: NodePattern) -> [NodeID] {
        var names = NearNames<NodeID>(pattern.nameForComparison)
        for number in 0..<UInt32(nodeCount) {
            let node = NodeID(rawValue: number)
            var path: [UInt8]
            switch kind(node) {
            case .program: if case .program(let name) = self[node] { path = name.path } else { continue }
            case .entry: path = withText(node) { Array($0) }
            default: continue
            }
            if !pattern.isWholePath { path = Array(path[((path.lastIndex(of: 0x2f) ?? -1) + 1)...]) }
            names.offer(path, node)
        }
        return names.values
    }

    /// Whether a node is a directory and no file: whoever uses it uses it as one.
    public func isDirectory(_ node: NodeID) -> Bool {
        guard kind(node) == .file else { return false }
        var (uses, isDirectory) = (0, true)
        forEachEdge(at: node) { edge in
            guard edge.isIncoming, edge.mark.link == .file else { return }
            uses += 1
            if detail(edge.edge).kind != .directory { isDirectory = false }
        }
        return uses > 0 && isDirectory
    }
}

/// Nodes that a name may stand for, in the order of their numbers.
private struct NamedNodes {
    /// Programs and entries.
    var programs: [NodeID] = []
    /// Files, addresses and channels.
    var files: [NodeID] = []
    /// Programs of a workload of that name.
    var members: [NodeID] = []
    /// Programs of one that has that part.
    var parts: [NodeID] = []

    mutating func add(_ other: NamedNodes) {
        programs += other.programs
        files += other.files
        members += other.members
        parts += other.parts
    }
}

/// The few names that differ least from one that was typed, the nearest first.
package struct NearNames<Value> {
    private let wanted: [UInt8]
    private var best: [(distance: Int, value: Value)] = []
    /// More help nobody.
    private static var most: Int { 5 }

    /// Looks for names near to this one.
    package init(_ wanted: [UInt8]) { self.wanted = wanted }

    /// The values that came with the names.
    package var values: [Value] { best.map(\.value) }

    /// Takes a name if it is near enough: what differs by more than a third is another name.
    package mutating func offer(_ name: [UInt8], _ value: Value) {
        let limit = min(
            best.count < Self.most ? .max : best[best.count - 1].distance - 1, wanted.count / 3 + 1)
        guard let distance = EditDistance.between(wanted, name, atMost: limit) else { return }
        let place = best.firstIndex { $0.distance > distance } ?? best.count
        best.insert((distance, value), at: place)
        if best.count > Self.most { best.removeLast() }
    }
}

/// How many bytes must be put in, taken out, exchanged or swapped with their neighbour to make one text of
/// another (optimal string alignment).
enum EditDistance {
    /// The distance, or `nil` if it is more than `limit`.
    static func between(_ one: [UInt8], _ other: [UInt8], atMost limit: Int) -> Int? {
        guard limit >= 0, abs(one.count - other.count) <= limit, one.count < 4096 else { return nil }
        var before = [Int](repeating: 0, count: other.count + 1)
        var last = Array(0...other.count)
        var here = before
        for row in 0..<one.count {
            here[0] = row + 1
            var least = here[0]
            for column in 0..<other.count {
                let isEqual = one[row] == other[column]
                var cost = min(
                    last[column + 1] + 1, here[column] + 1, last[column] + (isEqual ? 0 : 1))
                if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
                    cost = min(cost, before[column - 1] + 1)
                }
                here[column + 1] = cost
                least = min(least, cost)
            }
            if least > limit { return nil }
            (before, last, here) = (last, here, before)
        }
        return last[other.count] <= limit ? last[other.count] : nil
    }
}
