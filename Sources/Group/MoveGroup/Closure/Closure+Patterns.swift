extension Closure {
    /// Whether a node is to be followed though the policy would stop there.
    mutating func isIncluded(_ node: NodeID) -> Bool {
        guard !options.include.isEmpty else { return false }
        if let known = included[node] { return known }
        let (object, host) = (graph[node], graph[graph.host(node)])
        let isIncluded = options.include.contains { $0.matches(object, on: host) }
        included[node] = isIncluded
        return isIncluded
    }

    /// The number of the first pattern that means a node, found out once for each node.
    mutating func pattern(
        _ node: NodeID, _ patterns: [NodePattern], _ known: WritableKeyPath<Closure, [NodeID: Int?]>
    ) -> Int? {
        guard !patterns.isEmpty else { return nil }
        if let number = self[keyPath: known][node] { return number }
        let (object, host) = (graph[node], graph[graph.host(node)])
        let number = patterns.firstIndex { $0.matches(object, on: host) }
        self[keyPath: known][node] = .some(number)
        return number
    }
}
