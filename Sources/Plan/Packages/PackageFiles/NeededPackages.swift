/// What a set of packages takes.
public struct PackageSizes: Equatable, Sendable {
    /// The files that the packages list, as they are on the system now.
    public var files = FileSizes()
    /// Packages whose file list cannot be read: their files are not in the sum.
    public var withoutList: [PackageID] = []
}

extension PackageDatabase {
    /// Measures the files of some packages on the disk: what is there now, not what the packages declare.
    ///
    /// A file or directory that several of them list counts once.
    public func sizes(of ids: some Sequence<PackageID>) -> PackageSizes {
        var meter = FileMeter(root: place.root)
        var result = PackageSizes()
        for id in ids {
            guard let files = listing(of: id) else {
                result.withoutList.append(id)
                continue
            }
            for path in files { meter.add(path) }
        }
        result.files = meter.sizes
        return result
    }
}

/// Packages with everything that they need to run.
public struct NeededPackages: Equatable, Sendable {
    /// A dependency that no package on the system meets.
    public struct Unmet: Hashable, Sendable {
        /// Which package needs it.
        public var package: PackageID
        /// Its alternatives, by name.
        public var alternatives: [String]
    }

    /// The packages, in the order of the database.
    public var packages: [PackageID] = []
    /// What a package of the set asks for, and the system has not.
    public var unmet: [Unmet] = []
}

extension NeededPackages {
    /// Follows requirements from some packages on.
    ///
    /// - Parameter requirements: for a package, what it asks for: each with the packages that meet it, none where the system
    ///   has none, and its alternatives by name.
    package init(
        from start: some Sequence<PackageID>,
        _ requirements: (PackageID) -> [(met: [PackageID], alternatives: () -> [String])]
    ) {
        var reached = Set(start)
        var open = Array(reached)
        while let id = open.popLast() {
            for (met, alternatives) in requirements(id) {
                if met.isEmpty { unmet.append(.init(package: id, alternatives: alternatives())) }
                for package in met where reached.insert(package).inserted { open.append(package) }
            }
        }
        packages = reached.sorted()
        unmet.sort { ($0.package, $0.alternatives.joined()) < ($1.package, $1.alternatives.joined()) }
    }
}

extension PackageDatabase {
    /// What a minimal image of this distribution holds: the essential packages with their closure.
    ///
    /// - Parameter names: packages that such an image has besides, for example `apt`; those that are not on
    ///   the system are left out.
    public func minimalBase(adding names: [String] = []) -> NeededPackages {
        let present = Set(present)
        return closure(of: essential + names.flatMap { find(named: $0) }.filter(present.contains))
    }
}
