import MovePlan
import Testing

/// Paths are brought in the order of their bytes, and no path twice.
@Suite struct PathOrderTests {
    /// Short ones of few letters: many are equal, or begin another one.
    private func paths(_ count: Int) -> [[UInt8]] {
        (0..<count).map { _ in (0..<Int.random(in: 0...4)).map { _ in [0x2f, 0x61, 0xff].randomElement()! } }
    }

    @Test func itIsTheOrderOfBytes() {
        let found = paths(300)
        for (one, other) in zip(found, found.shuffled()) {
            #expect(PathOrder.precedes(one, other) == one.lexicographicallyPrecedes(other))
        }
    }

    @Test(arguments: [(0, 0), (0, 5), (40, 60), (100, 3)])
    func twoListsInOne(counts: (Int, Int)) {
        let (one, other) = (Set(paths(counts.0)), Set(paths(counts.1)))
        let merged = PathOrder.merged(
            one.sorted(by: PathOrder.precedes), other.sorted(by: PathOrder.precedes))
        #expect(merged == one.union(other).sorted { $0.lexicographicallyPrecedes($1) })
    }
}
