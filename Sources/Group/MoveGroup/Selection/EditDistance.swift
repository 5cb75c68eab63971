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
