import DebianPackages

/// The Debian packages that some files belong to, and what has become of those files since.
struct PackageUse {
    /// A package of which a part is used.
    struct Used {
        var name: String
        var version: String
        var files: Int
        var owned: Int
        var bytes: UInt64
        var ownedBytes: UInt64
    }

    /// By name, then version.
    private(set) var used: [Used] = []
    /// Files of no package, bytewise.
    private(set) var unpackaged: [[UInt8]] = []
    /// Files of packages whose contents were changed.
    private(set) var modified: [[UInt8]] = []
    /// Configuration files of packages that were changed.
    private(set) var modifiedConfiguration: [[UInt8]] = []
    /// Files of packages that cannot be compared with what their package had.
    private(set) var unverified: [[UInt8]] = []
    /// Bytes of all that has to be copied though the packages are installed.
    private(set) var copied = FileSizes()
    /// Bytes of the packages as a whole, what they share counted once.
    private(set) var whole = FileSizes()

    /// - Parameter kinds: what each path is; `nil` for what is not there, which is left out.
    init(_ all: [[UInt8]], _ kinds: [FileKind?], _ database: DpkgDatabase, root: String) {
        let paths = zip(all, kinds).filter { $0.1 != nil && $0.1 != .directory }.map(\.0)
        var owned: [PackageID: [[UInt8]]] = [:]
        for (path, state) in zip(paths, database.states(of: paths)) {
            if let owner = database.owner(of: path) { owned[owner, default: []].append(path) }
            switch state {
            case .unpackaged: unpackaged.append(path)
            case .modified: modified.append(path)
            case .modifiedConfiguration: modifiedConfiguration.append(path)
            case .unknown(.symbolicLink), .pristine, .directory, .missing: break
            case .unknown: unverified.append(path)
            }
        }
        copied = FileMeter.measure(unpackaged + modified + modifiedConfiguration + unverified, root: root)
        whole = database.sizes(of: owned.keys.sorted()).files
        for (id, paths) in owned {
            let package = database.package(id)
            let sizes = database.sizes(of: [id]).files
            let kinds = [sizes.regular, sizes.symbolicLinks, sizes.others]
            used.append(
                Used(
                    name: package.qualifiedName, version: package.version, files: paths.count,
                    owned: kinds.reduce(sizes.missing.count + sizes.unreadable.count) { $0 + $1.count },
                    bytes: FileMeter.measure(paths, root: root).regular.apparent,
                    ownedBytes: sizes.regular.apparent))
        }
        used.sort { ($0.name, $0.version) < ($1.name, $1.version) }
    }
}
