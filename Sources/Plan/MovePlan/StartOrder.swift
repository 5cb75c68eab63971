import MoveGroup
import Records

/// In which order programs start: whom one connects to is there before it. Stopping goes the other way round.
///
/// Programs that connect to one another, in a circle, start together; so do those that start one another, since the parent
/// starts the child.
struct StartOrder {
    /// By the programs' numbers, from 1.
    let ranks: [Int]

    /// - Parameters:
    ///   - count: how many programs there are.
    ///   - together: pairs of which one starts the other.
    ///   - needs: pairs of which the first connects to the second.
    init(count: Int, together: [(Int, Int)], needs: [(Int, Int)]) {
        var set = Array(0..<count)
        func top(_ item: Int) -> Int {
            var item = item
            while set[item] != item {
                set[item] = set[set[item]]
                item = set[item]
            }
            return item
        }
        for (one, other) in together { set[top(one)] = top(other) }
        var needed = [Set<Int>](repeating: [], count: count)
        for (one, other) in needs where top(one) != top(other) { needed[top(one)].insert(top(other)) }
        let circles = Self.circles(needed)
        // A circle is complete only after all that it needs, so those have their ranks already.
        var rank = [Int](repeating: 1, count: count)
        for circle in circles {
            let members = Set(circle)
            let before = circle.flatMap { needed[$0] }.filter { !members.contains($0) }
            let own = (before.map { rank[$0] }.max() ?? 0) + 1
            for item in circle { rank[item] = own }
        }
        ranks = (0..<count).map { rank[top($0)] }
    }

    /// The strongly connected components of a graph, each after those that it leads to (Tarjan's algorithm, without recursion:
    /// a chain may be as long as there are programs).
    private static func circles(_ edges: [Set<Int>]) -> [[Int]] {
        let targets = edges.map { $0.sorted() }
        var found: [[Int]] = []
        var index = [Int](repeating: -1, count: edges.count)
        var low = index
        var isOpen = [Bool](repeating: false, count: edges.count)
        var open: [Int] = []
        var next = 0
        for root in edges.indices where index[root] < 0 {
            var path = [(item: root, edge: 0)]
            while let (item, edge) = path.last {
                if edge == 0, index[item] < 0 {
                    (index[item], low[item]) = (next, next)
                    next += 1
                    open.append(item)
                    isOpen[item] = true
                }
                if edge < targets[item].count {
                    path[path.count - 1].edge += 1
                    let target = targets[item][edge]
                    if index[target] < 0 {
                        path.append((target, 0))
                    } else if isOpen[target] {
                        low[item] = min(low[item], index[target])
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.item { low[parent] = min(low[parent], low[item]) }
                guard low[item] == index[item] else { continue }
                let position = open.lastIndex(of: item)!
                for member in open[position...] { isOpen[member] = false }
                found.append(Array(open[position...]))
                open.removeSubrange(position...)
            }
        }
        return found
    }
}

extension MoveGroup {
    /// The order in which members start, over all hosts, by what they connected to; tools and launchers, which others start, have
    /// none.
    func startOrder() -> [NodeID: Int] {
        let programs = members.filter { graph.kind($0) == .program && !isStop($0) }
        let numbers = Dictionary(uniqueKeysWithValues: programs.enumerated().map { ($1, $0) })
        var (together, needs): ([(Int, Int)], [(Int, Int)]) = ([], [])
        for (number, program) in programs.enumerated() {
            graph.forEachEdge(at: program) { edge in
                guard let other = numbers[edge.other], other != number else { return }
                switch edge.mark.link {
                case .spawn: together.append((number, other))
                case .connect where !edge.isIncoming, .accept where edge.isIncoming:
                    needs.append((number, other))
                default: break
                }
            }
        }
        let order = StartOrder(count: programs.count, together: together, needs: needs)
        return Dictionary(uniqueKeysWithValues: zip(programs, order.ranks))
    }
}
