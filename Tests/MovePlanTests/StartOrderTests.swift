import TestSupport
import Testing

@testable import MovePlan

/// Who starts before whom.
@Suite struct StartOrderTests {
    @Test func afterWhatItNeeds() {
        // 0 proxy -> 1 application -> 2 database; 3 a worker of the application, which asks the database too.
        let order = StartOrder(count: 5, together: [(1, 3)], needs: [(0, 1), (3, 2), (0, 2)])
        #expect(order.ranks == [3, 2, 1, 2, 1])
    }

    @Test func circlesStartTogether() {
        let order = StartOrder(count: 4, together: [], needs: [(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)])
        #expect(order.ranks == [3, 2, 2, 1])
        #expect(StartOrder(count: 0, together: [], needs: []).ranks.isEmpty)
    }

    /// As long as a chain may be.
    @Test func aLongChain() {
        let count = 200_000
        let order = StartOrder(count: count, together: [], needs: (1..<count).map { ($0 - 1, $0) })
        #expect(order.ranks == (1...count).reversed())
    }

    /// Whoever needs another one, and is not needed by it, starts later; none later than it must.
    @Test func everyOrderIsRight() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<400 {
            let count = Int.random(in: 1...9, using: &random)
            func pairs(_ most: Int) -> [(Int, Int)] {
                (0..<Int.random(in: 0...most, using: &random)).map { _ in
                    (Int.random(in: 0..<count, using: &random), Int.random(in: 0..<count, using: &random))
                }
            }
            let (together, needs) = (pairs(3), pairs(12))
            let ranks = StartOrder(count: count, together: together, needs: needs).ranks
            // What reaches what, by all paths.
            var reaches = [[Bool]](repeating: .init(repeating: false, count: count), count: count)
            for item in 0..<count { reaches[item][item] = true }
            for (one, other) in together { (reaches[one][other], reaches[other][one]) = (true, true) }
            for (one, other) in needs { reaches[one][other] = true }
            for middle in 0..<count {
                for one in 0..<count where reaches[one][middle] {
                    for other in 0..<count where reaches[middle][other] { reaches[one][other] = true }
                }
            }
            for one in 0..<count {
                for other in 0..<count where reaches[one][other] {
                    if reaches[other][one] {
                        #expect(ranks[one] == ranks[other])
                    } else {
                        #expect(ranks[one] > ranks[other])
                    }
                }
                let below = (0..<count).filter { reaches[one][$0] && !reaches[$0][one] }.map { ranks[$0] }
                #expect(ranks[one] == (below.max() ?? 0) + 1)
            }
        }
    }
}
