import Testing

@testable import Daemon

/// Mount namespaces that end before anybody is met in them.
@Suite struct UnmetNamespacesTests {
    private static let patience = UnmetNamespaces.patience
    private var unmet = UnmetNamespaces()

    private mutating func count(at time: UInt64, known: Set<UInt64> = []) -> UInt64 {
        unmet.count(at: time) { known.contains($0) }
    }

    private mutating func miss(_ namespace: UInt64, at time: UInt64) { _ = unmet.miss(namespace, at: time) }

    @Test mutating func whatNobodyIsMetInCounts() {
        miss(1, at: 1000)
        miss(2, at: 2000)
        #expect(count(at: 1000 + Self.patience - 1) == 0)
        #expect(count(at: 1000 + Self.patience) == 1)
        #expect(count(at: 2000 + Self.patience) == 2)
        #expect(count(at: .max) == 2)
    }

    /// Its first process has ended, and others live there.
    @Test mutating func whoIsMetLaterWasThere() {
        miss(1, at: 1000)
        miss(1, at: 2000)
        unmet.meet(1, at: 3000)
        unmet.meet(2, at: 3000)
        #expect(count(at: 4000 + Self.patience) == 0)
    }

    /// A look has met it, or a scan.
    @Test mutating func whatOthersHaveMetWasThere() {
        miss(1, at: 1000)
        miss(2, at: 1000)
        #expect(count(at: 1000 + Self.patience, known: [1]) == 1)
        miss(3, at: 1000)
        unmet.meet(3, at: 1000 + Self.patience, isKnown: true)
        #expect(count(at: .max) == 1)
    }

    /// Somebody who stays there starts others, which are gone at once.
    @Test mutating func whoStartsOthersIsLookedFor() {
        let answers = [0, 10, Self.patience].map { unmet.miss(1, at: 1000 + $0) }
        #expect(answers == [false, true, true])
        let isAnother = !unmet.miss(2, at: 1000)
        #expect(isAnother)
    }

    /// The number of one that has ended is given again.
    @Test mutating func aNumberThatIsGivenAgain() {
        miss(1, at: 1000)
        miss(1, at: 1000 + Self.patience)
        unmet.meet(1, at: 1000 + 2 * Self.patience)
        #expect(count(at: 1000 + 2 * Self.patience) == 2)
        miss(1, at: 1000 + 3 * Self.patience)
        unmet.meet(1, at: 2000 + 3 * Self.patience)
        #expect(count(at: .max) == 2)
    }

    /// No more are kept than others know; what is dropped has counted.
    @Test mutating func manyAreCounted() {
        let most = UInt64(OtherMountNamespaces.most)
        for number in 0...most { miss(number, at: 1000) }
        #expect(count(at: 1000) == most)
        #expect(count(at: 1000 + Self.patience) == most + 1)
    }
}
