import TestSupport

/// A dump held against what a workload really did.
struct Comparison {
    /// One kind of facts, compared.
    struct Part {
        let name: String
        let expected: Int
        var missing: [String] = []
        /// What the dump says beyond what it had to, and why; `nil` stands for "nothing explains it".
        var extra: [(fact: String, reason: String?)] = []

        var found: Int { expected - missing.count }
        var recall: Double { expected == 0 ? 1 : Double(found) / Double(expected) }
        var precision: Double { found + extra.count == 0 ? 1 : Double(found) / Double(found + extra.count) }
    }

    let workload: String
    let processes: Int
    private(set) var parts: [Part] = []

    init(workload: String, expected: Expectation, actual: Facts) {
        self.workload = workload
        processes = expected.processes
        let facts = expected.facts
        let files = facts.opens.union(facts.directories).union(facts.executed)
        func explain(_ fact: FileFact) -> String? { Self.reason(for: fact, in: expected) }
        func isExtra(_ fact: FileFact) -> Bool { !files.contains(fact) && !expected.allowed.contains(fact) }
        func part(_ name: String, _ wanted: Set<FileFact>, _ got: Set<FileFact>) {
            // An open that the dump has under another kind is no miss of the open but of the kind: it is
            // looked for in its own set only.
            parts.append(
                Part(
                    name: name, expected: wanted.count,
                    missing: wanted.subtracting(got).map(\.description).sorted(),
                    extra: got.filter(isExtra).sorted { $0.description < $1.description }
                        .map { ($0.description, explain($0)) }))
        }
        part("opens", facts.opens, actual.opens)
        part("directories", facts.directories, actual.directories)
        part("execs", facts.executed, actual.executed)
        parts.append(
            Part(
                name: "spawns", expected: facts.spawns.count,
                missing: facts.spawns.subtracting(actual.spawns).map(\.description).sorted(),
                extra: actual.spawns.subtracting(facts.spawns).map { ($0.description, nil) }))
        for relation in ["connect", "accept"] {
            let wanted = facts.sockets.filter { $0.relation == relation }
            let got = actual.sockets.filter { $0.relation == relation }
            parts.append(
                Part(
                    name: relation + "s", expected: wanted.count,
                    missing: wanted.subtracting(got).map(\.description).sorted(),
                    extra: got.subtracting(wanted).map { ($0.description, nil) }))
        }
    }

    /// Precision over all parts.
    var precision: Double {
        let found = parts.reduce(0) { $0 + $1.found }
        let extra = parts.reduce(0) { $0 + $1.extra.count }
        return found + extra == 0 ? 1 : Double(found) / Double(found + extra)
    }

    var missing: [String] { parts.flatMap { part in part.missing.map { "\(part.name): \($0)" } } }
    var unexplained: [String] {
        parts.flatMap { part in part.extra.filter { $0.reason == nil }.map { "\(part.name): \($0.fact)" } }
    }
    var explained: [String] {
        parts.flatMap { part in
            part.extra.compactMap { extra in extra.reason.map { "\(part.name): \(extra.fact): \($0)" } }
        }
    }

    /// The figures on one line.
    var summary: String {
        let figures = parts.filter { $0.expected > 0 || !$0.extra.isEmpty }.map { part in
            "\(part.name) \(part.expected) recall \(percent(part.recall)) precision \(percent(part.precision))"
        }
        return "oracle: \(workload): processes \(processes); " + figures.joined(separator: "; ")
    }

    private func percent(_ ratio: Double) -> String {
        // Rounded down: 99.96 % is not 100 %.
        "\(Double(Int(ratio * 1000)) / 10) %"
    }

    /// Why a dump may say this although the program did not do it in its own time.
    private static func reason(for fact: FileFact, in expected: Expectation) -> String? {
        let use = Expectation.Use(path: fact.path, letter: fact.letter)
        let lives = expected.lives.filter { $0.images.contains(fact.program) }
        if lives.contains(where: { $0.opened.contains(use) }) {
            return "opened by another image of the same process"
        }
        if lives.contains(where: { $0.inherited.contains(use) }) {
            return "the descriptor was inherited"
        }
        return nil
    }
}
