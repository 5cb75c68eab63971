import Text

extension TextTree {
    /// Takes out every text that is neither marked nor a folder above one that is, and closes the holes in place: where
    /// memory is short there is no room for a second tree.
    ///
    /// - Parameter isKept: the mark of each number.
    /// - Returns: the new number of each; 0 of one that is gone.
    mutating func reclaim(keeping isKept: consuming [Bool]) -> [UInt32] {
        // A parent stands before its children.
        for number in stride(from: nodes.count - 1, to: 0, by: -1) where isKept[number] {
            isKept[Int(nodes[number].parent)] = true
        }
        var numbers = [UInt32](repeating: 0, count: nodes.count)
        var kept = 0
        var end = 0
        var start = 0
        for number in nodes.indices.dropFirst() {
            let node = nodes[number]
            let length = Int(node.end) - start
            if isKept[number] {
                if end != start { names.move(start..<start + length, to: end) }
                end += length
                kept += 1
                nodes[kept] = Node(parent: numbers[Int(node.parent)], end: UInt32(end))
                numbers[number] = UInt32(kept)
            }
            start = Int(node.end)
        }
        names.shorten(to: end)
        nodes.removeLast(nodes.count - 1 - kept)
        nodes.trim()
        recent.removeAll()
        recentAbove.removeAll()
        enterAll()
        return numbers
    }

    private mutating func enterAll() {
        index.removeAll()
        index.reserve(nodes.count) { _ in 0 }
        for number in nodes.indices.dropFirst() {
            let text = TextID(rawValue: UInt32(number))
            let spread = withName(of: text) { hash($0, nodes[number].parent) }
            index.insert(text.rawValue, spread, at: index.search(spread) { _ in false })
        }
    }
}

extension Array {
    /// Gives memory back that is not used, where it is worth a copy.
    mutating func trim() {
        guard capacity - count > count / 4, (capacity - count) * MemoryLayout<Element>.stride > 4096 else {
            return
        }
        var exact: [Element] = []
        exact.reserveCapacity(count)
        exact.append(contentsOf: self)
        self = exact
    }
}
