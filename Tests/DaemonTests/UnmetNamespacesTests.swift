import Testing

@testable import Daemon

/// Mount namespaces that end before anybody is met in them.
@Suite struct UnmetNamespacesTests {
    private static let patience = UnmetNamespaces.patience
    private var unmet = UnmetNamespaces()

    @Test mutating func whatNobodyIsMetInCounts() {
        unmet.miss(1, at: 1000)
        unmet.miss(2, at: 2000)
        #expect(unmet.count(at: 1000 + Self.patience - 1) == 0)
        #expect(unmet.count(at: 1000 + Self.patience) == 1)
        #expect(unmet.count(at: 2000 + Self.patience) == 2)
        #expect(unmet.count(at: .max) == 2)
    }

    /// Its first process has ended, and others live there.
    @Test mutating func whoIsMetLaterWasThere() {
        unmet.miss(1, at: 1000)
        unmet.miss(1, at: 2000)
        unmet.meet(1, at: 3000)
        unmet.meet(2, at: 3000)
        #expect(unmet.count(at: 4000 + Self.patience) == 0)
    }

    /// The number of one that has ended is given again.
    @Test mutating func aNumberThatIsGivenAgain() {
        unmet.miss(1, at: 1000)
        unmet.miss(1, at: 1000 + Self.patience)
        unmet.meet(1, at: 1000 + 2 * Self.patience)
        #expect(unmet.count(at: 1000 + 2 * Self.patience) == 2)
        unmet.miss(1, at: 1000 + 3 * Self.patience)
        unmet.meet(1, at: 2000 + 3 * Self.patience)
        #expect(unmet.count(at: .max) == 2)
    }

    /// No more are kept than others know; what is dropped has counted.
    @Test mutating func manyAreCounted() {
        let most = UInt64(OtherMountNamespaces.most)
        for number in 0...most { unmet.miss(number, at: 1000) }
        #expect(unmet.count(at: 1000) == most)
        #expect(unmet.count(at: 1000 + Self.patience) == most + 1)
    }
}
