/// Packages with everything that they need to run.
public struct PackageClosure: Equatable, Sendable {
    /// A dependency that no package on the system meets.
    public struct Unmet: Hashable, Sendable {
        /// Which package needs it.
        public var package: PackageID
        /// Its alternatives, by name.
        public var alternatives: [String]
    }

    /// The packages, in the order of the status file.
    public var packages: [PackageID] = []
    /// What a package of the set asks for, and the system has not.
    public var unmet: [Unmet] = []
}

extension DpkgDatabase {
    /// The packages marked `Essential: yes` that are on the system.
    public var essential: [PackageID] { present.filter { package($0).isEssential } }

    /// What a minimal image of this distribution holds: the essential packages with their closure.
    ///
    /// - Parameter names: packages that such an image has besides, for example `apt`; those that are not on
    ///   the system are left out.
    public func minimalBase(adding names: [String] = []) -> PackageClosure {
        closure(of: essential + names.flatMap { find($0) }.filter { package($0).isPresent })
    }

    /// Some packages with all that they depend on (`Pre-Depends` and `Depends`), from what is on the system.
    ///
    /// Of alternatives the first one that is on the system is taken, under its own name or one that it
    /// provides. Versions are not compared: dpkg has seen to them when it configured the package.
    public func closure(of start: some Sequence<PackageID>) -> PackageClosure {
        var named: [String: [PackageID]] = [:]
        var provided: [String: [PackageID]] = [:]
        for id in present {
            named[package(id).name, default: []].append(id)
            for name in package(id).provides { provided[name, default: []].append(id) }
        }
        var result = PackageClosure()
        var reached = Set(start)
        var open = Array(reached)
        while let id = open.popLast() {
            let needy = package(id)
            for group in needy.preDepends.groups + needy.depends.groups {
                let met = group.lazy.compactMap { alternative in
                    self.choose(named[alternative.name] ?? [], alternative, for: needy)
                        ?? self.choose(provided[alternative.name] ?? [], alternative, for: needy)
                }.first
                if let met {
                    if reached.insert(met).inserted { open.append(met) }
                } else {
                    result.unmet.append(.init(package: id, alternatives: group.map(\.name)))
                }
            }
        }
        result.packages = reached.sorted()
        result.unmet.sort { ($0.package, $0.alternatives.joined()) < ($1.package, $1.alternatives.joined()) }
        return result
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
