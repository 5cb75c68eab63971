import PackageFiles

/// A package that a language's own tool has installed, by the record that the tool has left of it.
public struct LanguagePackage: Equatable, Sendable {
    /// The tool.
    public enum System: String, Equatable, Sendable {
        /// pip(1) and its like: `NAME.dist-info`, `NAME.egg-info`.
        case python
        /// npm(1): a folder of `node_modules`.
        case npm
        /// gem(1): a specification and a folder of `gems`.
        case gem
    }

    /// Where a package came from.
    public enum Origin: Equatable, Sendable {
        /// From where the language has its packages.
        case index
        /// From an address, as the tool takes it again.
        case address(String)
        /// From a folder or an archive of this host, from which no other host can fetch it.
        case local
        /// The tool does not record it.
        case unknown
    }

    /// Whether a package's files are as they were installed.
    public enum Condition: Equatable, Sendable {
        /// All are there, and have the digests that were recorded.
        case unchanged
        /// One has other contents, is missing, or was added; an example.
        case changed([UInt8])
        /// The tool keeps no digests of files.
        case unknown
    }

    /// The tool.
    public var system: System
    /// As the tool knows it.
    public var name: String
    /// As its metadata has it; empty if they have none.
    public var version: String
    /// The folder into which it is installed: `site-packages`; the one that has `node_modules`; `GEM_HOME`.
    public var folder: [UInt8]
    /// The file by which the tool knows it: `METADATA`, `package.json`, the specification.
    public var record: [UInt8]
    /// Where it came from.
    public var origin = Origin.index
    /// The digest of its archive, in the form of Subresource Integrity; only npm has it.
    public var integrity: String?
    /// What is its alone: folders, with everything in them, and files; bytewise.
    public var places: [[UInt8]] = []
    /// Of an editable or linked installation: the folders and files with its sources, which are a person's and no package's.
    public var sources: [[UInt8]] = []
    /// Its files, with the digests that were recorded.
    var recorded: [(path: [UInt8], digest: SHA256.Digest?)] = []

    init(_ system: System, name: String, version: String, folder: [UInt8], record: [UInt8]) {
        self.system = system
        self.record = record
        self.name = name
        self.version = version
        self.folder = folder
    }

    /// Whether all is equal.
    public static func == (left: Self, right: Self) -> Bool {
        (left.system, left.name, left.version, left.folder, left.origin, left.integrity)
            == (right.system, right.name, right.version, right.folder, right.origin, right.integrity)
            && (left.places, left.sources, left.record) == (right.places, right.sources, right.record)
            && left.recorded.elementsEqual(right.recorded) { $0 == $1 }
    }

    /// Whether another host can fetch the same.
    public var canBeFetched: Bool { origin != .local && sources.isEmpty && !version.isEmpty }
}

/// The language packages that some files belong to.
///
/// What is read is kept, so that a folder of packages is read once, whichever of its files are asked for.
public final class LanguagePackages {
    /// Those that were found so far, by the folder in which their record lies.
    private var pythons: [[UInt8]: PythonEnvironment] = [:]
    private var folders: [[UInt8]: LanguagePackage?] = [:]
    private let root: FileRoot

    /// - Parameter root: the directory under which the system lies.
    public init(root: String) { self.root = FileRoot(root) }

    /// The package that a file belongs to; `nil` if it is none's.
    ///
    /// - Parameter path: an absolute one, without links.
    public func owner(of path: [UInt8]) -> LanguagePackage? {
        if let folder = PythonEnvironment.folder(of: path, in: root) {
            if let package = environment(folder).owner(of: path) { return package }
        }
        if let folder = NodePackages.folder(of: path) {
            if folders[folder] == nil { folders[folder] = .some(NodePackages.package(in: folder, root)) }
            if let package = folders[folder] ?? nil { return package }
        }
        if let folder = Gems.folder(of: path) {
            if folders[folder] == nil { folders[folder] = .some(Gems.package(in: folder, root)) }
            return folders[folder] ?? nil
        }
        return nil
    }

    /// The editable and linked installations beside the packages that were asked for: their sources lie elsewhere, whoever
    /// imports them.
    public func installedInPlace() -> [LanguagePackage] {
        let linked = Set(folders.values.compactMap { $0?.system == .npm ? $0?.folder : nil }).sorted {
            $0.lexicographicallyPrecedes($1)
        }
        return pythons.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap {
            $0.value.installedInPlace
        }
            + linked.flatMap { NodePackages.linked(in: $0, root) }
    }

    private func environment(_ folder: [UInt8]) -> PythonEnvironment {
        if let known = pythons[folder] { return known }
        let environment = PythonEnvironment(folder, root)
        pythons[folder] = environment
        return environment
    }

    /// Compares a package's files with what was recorded of them; reads them all.
    public func condition(of package: LanguagePackage) -> LanguagePackage.Condition {
        guard package.system == .python, package.recorded.contains(where: { $0.digest != nil }) else {
            return .unknown
        }
        let digests = FileDigest()
        for (path, digest) in package.recorded {
            guard let digest else { continue }
            // `pip install --target` records scripts where it would have put them else.
            if !path.starts(with: package.folder), !PathWalk.isThere(path, root) { continue }
            guard let isSame = try? digests.has(.sha256(digest), path, in: root), isSame else {
                return .changed(path)
            }
        }
        let known = Set(package.recorded.map(\.path))
        for place in package.places {
            if let added = PathWalk.files(below: place, root).first(where: {
                !known.contains($0) && !Self.isBytecode($0)
            }) {
                return .changed(added)
            }
        }
        return .unchanged
    }

    private static func isBytecode(_ path: [UInt8]) -> Bool { path.suffix(4).elementsEqual(".pyc".utf8) }
}
