public import PackageFiles

extension DpkgDatabase {
    /// The packages marked `Essential: yes` that are on the system.
    public var essential: [PackageID] { present.filter { package($0).isEssential } }

    /// Some packages with all that they depend on (`Pre-Depends` and `Depends`), from what is on the system.
    ///
    /// Of alternatives the first one that is on the system is taken, under its own name or one that it
    /// provides. Versions are not compared: dpkg has seen to them when it configured the package.
    public func closure(of start: some Sequence<PackageID>) -> NeededPackages {
        var named: [String: [PackageID]] = [:]
        var provided: [String: [PackageID]] = [:]
        for id in present {
            named[package(id).name, default: []].append(id)
            for name in package(id).provides { provided[name, default: []].append(id) }
        }
        return NeededPackages(from: start) { id in
            let needy = package(id)
            return (needy.preDepends.groups + needy.depends.groups).map { group in
                let met = group.lazy.compactMap { alternative in
                    self.choose(named[alternative.name] ?? [], alternative, for: needy)
                        ?? self.choose(provided[alternative.name] ?? [], alternative, for: needy)
                }.first
                return (met.map { [$0] } ?? [], { group.map(\.name) })
            }
        }
    }

    /// Which of the packages of a name: that of the architecture asked for, else of the one that asks.
    private func choose(
        _ candidates: [PackageID], _ alternative: Dependencies.Alternative, for needy: Package
    ) -> PackageID? {
        if let asked = alternative.architecture, asked != "any" {
            return candidates.first { package($0).architecture == asked }
        }
        return candidates.first { package($0).architecture == needy.architecture }
            ?? candidates.first { package($0).architecture == "all" } ?? candidates.first
    }
}
