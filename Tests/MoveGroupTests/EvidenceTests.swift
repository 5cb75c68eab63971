import MoveGroup
import Records
import Testing

/// Among the shortest chains one whose weakest evidence is strongest.
@Suite("Evidence of reasons")
struct EvidenceTests {
    private static func strengths(_ observed: [Observed], prefers: Bool = true) -> [Named: UInt8] {
        var options = ClosureOptions()
        options.policy = .empty
        options.prefersEvidence = prefers
        return join([HostDump("H", observed: observed)]).outcome(of: [.program("H", "/p")], options).strengths
    }

    @Test func weakestStepCountsAndNotTheLast() {
        let observed = [
            Observed(.spawn("/p", "/a"), .inferred), Observed(.spawn("/a", "/t"), .exact),
            Observed(.spawn("/p", "/b"), .snapshot), Observed(.spawn("/b", "/t"), .snapshot),
        ]
        #expect(Self.strengths(observed)[.program("H", "/t")] == Evidence.snapshot.rawValue)
        #expect(Self.strengths(observed, prefers: false)[.program("H", "/t")] == Evidence.inferred.rawValue)
        // The other way round it is the first that counts.
        let reversed = Self.strengths(observed.reversed())
        #expect(reversed[.program("H", "/t")] == Evidence.snapshot.rawValue)
    }

    @Test func longerChainIsNotTakenForItsEvidence() {
        let observed = [
            Observed(.spawn("/p", "/t"), .inferred), Observed(.spawn("/p", "/a"), .exact),
            Observed(.spawn("/a", "/t"), .exact),
        ]
        #expect(Self.strengths(observed)[.program("H", "/t")] == Evidence.inferred.rawValue)
    }

    /// A file that is executed by one member and bound by others: whoever joins for it goes by those.
    @Test func strongestBindingCounts() {
        let observed = [
            Observed(.file("/p", "/f", "x"), .exact), Observed(.spawn("/p", "/a"), .exact),
            Observed(.spawn("/p", "/b"), .exact), Observed(.file("/a", "/f", "r"), .inferred),
            Observed(.file("/b", "/f", "r"), .snapshot), Observed(.file("/w", "/f", "w"), .exact),
        ]
        let found = Self.strengths(observed)
        #expect(found[.program("H", "/w")] == Evidence.snapshot.rawValue)
        #expect(found[.file("H", "/f")] == Evidence.exact.rawValue)
        #expect(Self.strengths(observed.reversed())[.program("H", "/w")] == Evidence.snapshot.rawValue)
    }
}
