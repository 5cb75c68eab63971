import MoveGroup
import Records
import Testing

/// The product against the plain reference, on worlds that are small enough for every case to come up.
@Suite("Random worlds")
struct RandomWorldTests {
    @Test(arguments: 0..<8) func groupIsThatOfTheReference(part: UInt64) {
        for seed in part * 250..<(part + 1) * 250 where !agrees(seed, isSymmetric: false) { return }
    }

    @Test(arguments: 0..<4) func symmetricGroupIsThatOfTheReference(part: UInt64) {
        for seed in part * 250..<(part + 1) * 250 where !agrees(seed, isSymmetric: true) { return }
    }

    private func agrees(_ seed: UInt64, isSymmetric: Bool) -> Bool {
        var world = RandomWorld(seed: seed)
        let dumps = world.dumps()
        var plain = world.options()
        plain.isSymmetric = isSymmetric
        if isSymmetric, seed % 2 == 0 { (plain.stopAt, plain.exclude) = ([], []) }
        let dependencies = ReferencePairing(dumps, isPermissive: isSymmetric).dependencies
        let start = world.start(in: dependencies)
        let expected = ReferenceClosure.outcome(dependencies, start, plain)
        var options = plain.options
        options.prefersEvidence = seed % 4 < 2
        let graph = join(dumps, SocketPairing(isPermissive: isSymmetric))
        let found = graph.outcome(of: Array(start), options)
        let differences = Self.differences(found, expected, withStrengths: options.prefersEvidence)
        if differences.isEmpty { return true }
        Issue.record(
            """
            seed \(seed), start \(start)
            \(differences.joined(separator: "\n"))
            \(plain)
            \(dumps.map { "\($0)" }.joined(separator: "\n"))
            """)
        return false
    }

    static func differences(_ found: Outcome, _ expected: Outcome, withStrengths: Bool) -> [String] {
        var lines: [String] = []
        func compare<Value: Hashable>(_ what: String, _ found: Set<Value>, _ expected: Set<Value>) {
            for one in found.subtracting(expected) { lines.append("\(what) not expected: \(one)") }
            for one in expected.subtracting(found) { lines.append("\(what) missing: \(one)") }
        }
        compare("member", found.members, expected.members)
        compare("crossing", found.crossings, expected.crossings)
        for (name, distance) in found.distances where expected.distances[name] ?? distance != distance {
            lines.append("\(name) is \(distance) away, not \(expected.distances[name]!)")
        }
        if withStrengths {
            for (name, strength) in found.strengths where expected.strengths[name] ?? strength != strength {
                lines.append("\(name) is known by \(strength), not \(expected.strengths[name]!)")
            }
        }
        return lines
    }
}
