/// What dpkg's own database on disk says of packages and their files; dpkg itself is not run.
///
/// Paths are bytes, begin with `/`, and are those below the root, free of symbolic links, as the kernel
/// reports them: /usr/bin/vim.basic, not /usr/bin/editor. Only links in the root directory itself (the merge
/// of /bin, /sbin and /lib* into /usr) are followed, so /bin/bash and /usr/bin/bash are one path here,
/// whichever of the two the package lists.
public struct DpkgDatabase: Sendable {
    /// Where dpkg keeps it, below the root.
    public static let administration = "var/lib/dpkg"

    /// All packages that the status file has, in its order; those of which nothing is on the system too.
    public internal(set) var packages: [Package]
    /// Where the database is not as dpkg writes it. Only the first thousand places are listed.
    public internal(set) var damage: [DpkgDamage] = []
    /// How many such places there are.
    public internal(set) var damageCount = 0

    let root: FileRoot
    let administration: [UInt8]
    let links: TopLevelLinks
    var diversions: [Diversion] = []
    var paths: PathTable

    /// Reads the whole database.
    ///
    /// - Parameters:
    ///   - root: the directory under which the system lies.
    ///   - administration: dpkg's folder, below the root.
    ///   - wanted: the only paths that will be asked for. The file lists are then read through without
    ///     keeping them, which takes half the time and little memory; `nil` keeps everything.
    ///   - strict: to throw `.damaged` at the first place that is not as dpkg writes it.
    public init(
        root: String = "/", administration: String = DpkgDatabase.administration,
        only wanted: [[UInt8]]? = nil,
        strict: Bool = false
    ) throws(DpkgError) {
        self.root = FileRoot(root)
        self.administration = Array("/\(administration)/".utf8)
        links = TopLevelLinks(in: self.root)
        packages = []
        paths = PathTable()
        try loadStatus()
        try loadDiversions()
        if let wanted {
            let both = diversions.flatMap { [$0.from, $0.to] }
            paths = try PathTable(only: (wanted + both).map { links.resolve($0) })
        }
        try loadLists()
        try divert()
        if strict, let first = damage.first { throw .damaged(first) }
    }

    /// A package of this database.
    public func package(_ id: PackageID) -> Package { packages[id.index] }

    /// Every package with files on the system, in the order of the status file.
    public var present: [PackageID] {
        packages.indices.filter { packages[$0].isPresent }.map { PackageID(index: $0) }
    }

    /// The packages of a name: more than one only where they are for several architectures.
    public func find(_ name: String, architecture: String? = nil) -> [PackageID] {
        packages.indices.filter {
            packages[$0].name == name && (architecture == nil || packages[$0].architecture == architecture)
        }.map { PackageID(index: $0) }
    }

    /// The package that a file belongs to; the first one in the order of the status file, where packages for
    /// several architectures share it.
    ///
    /// A directory belongs to nobody, as packages share them. An empty directory that one package alone lists
    /// cannot be told from a file here; `state(of:)` looks.
    public func owner(of path: [UInt8]) -> PackageID? {
        paths.find(links.resolve(path)).flatMap { paths.owner($0) }.map { PackageID(index: $0) }
    }

    /// All packages that a file belongs to.
    public func owners(of path: [UInt8]) -> [PackageID] {
        guard let index = paths.find(links.resolve(path)) else { return [] }
        return paths.owners(index).map { PackageID(index: $0) }
    }

    /// How many paths the database has, directories among them.
    public var pathCount: Int { paths.count }
}
