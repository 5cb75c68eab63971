import Records

extension HostDump {
    /// The same with one entry for each dependency, as a ledger has them.
    var merged: HostDump {
        var merged = self
        merged.observed = []
        var places: [Fact: Int] = [:]
        for one in observed {
            guard let place = places[Self.key(one.fact)] else {
                places[Self.key(one.fact)] = merged.observed.count
                merged.observed.append(one)
                continue
            }
            var known = merged.observed[place]
            if case .file(let user, let path, let one) = one.fact, case .file(_, _, let other) = known.fact {
                let both = Access(letters: one)!.union(Access(letters: other)!)
                known.fact = .file(user, path, both.letters.description)
            }
            known.evidence = max(known.evidence, one.evidence)
            known.first = min(known.first, one.first)
            known.last = max(known.last, one.last)
            merged.observed[place] = known
        }
        return merged
    }

    private static func key(_ fact: Fact) -> Fact {
        if case .file(let user, let path, _) = fact { return .file(user, path, "") }
        return fact
    }
}
