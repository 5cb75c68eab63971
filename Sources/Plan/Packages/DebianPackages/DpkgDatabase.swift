import Glibc
public import PackageFiles
public import SystemCalls

/// What dpkg's own database on disk says of packages and their files; dpkg itself is not run.
///
/// Paths are bytes, begin with `/`, and are those below the root, free of symbolic links, as the kernel
/// reports them: /usr/bin/vim.basic, not /usr/bin/editor. Only links in the root directory itself (the merge
/// of /bin, /sbin and /lib* into /usr) are followed, so /bin/bash and /usr/bin/bash are one path here,
/// whichever of the two the package lists.
public struct DpkgDatabase: PackageDatabase {
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
            do {
                paths = try PathTable(only: (wanted + both).map { links.resolve($0) })
            } catch { throw .tooLarge }
        }
        try loadLists()
        try divert()
        if strict, let first = damage.first { throw .damaged(first) }
    }

    /// See `PackageDatabase`.
    public var system: String { "debian" }
    /// See `PackageDatabase`.
    public var place: FilesPlace { FilesPlace(root) }
    /// See `PackageDatabase`.
    public var flaws: (first: String, count: Int)? { damage.first.map { ("\($0)", damageCount) } }

    /// The name by which dpkg knows a package, and its version.
    public func label(of id: PackageID) -> PackageLabel {
        PackageLabel(name: packages[id.index].qualifiedName, version: packages[id.index].version)
    }

    /// The packages of `name` or `name:architecture`.
    public func find(named name: String) -> [PackageID] {
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        return parts.isEmpty ? [] : find(parts[0], architecture: parts.count > 1 ? parts[1] : nil)
    }

    /// See `files(of:)`.
    public func listing(of id: PackageID) -> [[UInt8]]? { try? files(of: id) }

    /// What its `Conffiles` field names.
    public func configurationFiles(of id: PackageID) -> [[UInt8]] {
        packages[id.index].configurationFiles.map(\.path)
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
    /// cannot be distinguished from a file here; `state(of:)` looks.
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

/// A package that dpkg knows of.
public struct Package: Equatable, Sendable {
    /// How far it is installed: the third word of `Status`, see dpkg(1).
    public enum State: String, Sendable {
        /// Not on this system.
        case notInstalled = "not-installed"
        /// Removed; its configuration files are still there.
        case configurationOnly = "config-files"
        /// Unpacking was begun and not finished.
        case halfInstalled = "half-installed"
        /// Its files are there, it is not configured.
        case unpacked
        /// Configuring was begun and not finished.
        case halfConfigured = "half-configured"
        /// Waits for another package's trigger.
        case triggersAwaited = "triggers-awaited"
        /// Was triggered, and has not answered yet.
        case triggersPending = "triggers-pending"
        /// Unpacked and configured.
        case installed
    }

    /// A configuration file, with what the package shipped.
    public struct ConfigurationFile: Equatable, Sendable {
        /// As the package names it.
        public var path: [UInt8]
        /// Digest of the version that was installed last; `nil` where dpkg has none yet (`newconffile`).
        public var digest: MD5.Digest?
        /// Whether the installed version of the package no longer has it.
        public var isObsolete: Bool

        /// Describes a configuration file.
        public init(path: [UInt8], digest: MD5.Digest?, isObsolete: Bool = false) {
            self.path = path
            self.digest = digest
            self.isObsolete = isObsolete
        }
    }

    /// Name, without an architecture.
    public var name: String
    /// Version (deb-version(7)); empty where nothing of the package is installed.
    public var version: String
    /// Architecture (`amd64`, `all`); may be empty where nothing of the package is installed.
    public var architecture: String
    /// How far it is installed.
    public var state: State
    /// Whether it can be installed for several architectures at once (`Multi-Arch: same`).
    public var isCoinstallable = false
    /// Whether the system is not to be without it (`Essential: yes`).
    public var isEssential = false
    /// `required`, `important`, `standard`, `optional` or `extra`.
    public var priority = ""
    /// Size that the package declares, in KiB; an estimate made when it was built.
    public var declaredKibibytes: UInt64?
    /// Its configuration files.
    public var configurationFiles: [ConfigurationFile] = []
    /// What must be configured before it is unpacked.
    var preDepends = Dependencies()
    /// What must be configured before it is.
    var depends = Dependencies()
    /// Names under which other packages may ask for it.
    var provides: [String] = []

    /// Whether its files are on this system, at least unpacked.
    public var isPresent: Bool {
        switch state {
        case .notInstalled, .configurationOnly, .halfInstalled: false
        default: true
        }
    }

    /// The name by which dpkg's files know it: with the architecture where there can be several.
    public var qualifiedName: String { isCoinstallable ? "\(name):\(architecture)" : name }
}

/// Why the database could not be read at all.
public enum DpkgError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file that must be there cannot be read; a host without dpkg has ENOENT for its status file.
    case unreadable(file: String, SystemError)
    /// A file holds something else than it should, see `DpkgDamage`.
    case damaged(DpkgDamage)
    /// The paths of all packages take more than 4 GiB.
    case tooLarge

    /// Whether this host simply has no dpkg.
    public var isMissing: Bool {
        if case .unreadable(_, let error) = self { error.code == ENOENT } else { false }
    }

    /// A sentence for a person.
    public var description: String {
        switch self {
        case .unreadable(let file, let error): "\(file): \(error)"
        case .damaged(let damage): "\(damage)"
        case .tooLarge: "the file lists of all packages together take more than 4 GiB"
        }
    }
}

/// One place where the database is not as dpkg writes it.
///
/// What else the file holds is read all the same, so that one broken stanza does not hide a thousand
/// packages; whoever would rather have nothing than a part asks for `strict`.
public struct DpkgDamage: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Kind: String, Hashable, Sendable {
        /// The file ends within a line.
        case cutOff = "the file ends in the middle of a line"
        /// A line of a stanza is neither `Field: value` nor a continuation.
        case noField = "not a line of the form `Field: value`"
        /// A stanza without a valid `Package`; it is left out.
        case noPackage = "a stanza without a valid package name; it is left out"
        /// A stanza without a valid `Status`; it is left out.
        case noStatus = "a stanza without a valid status; it is left out"
        /// A stanza of a package on this system without `Version` or a valid `Architecture`; it is left out.
        case noVersion = "a stanza without a version or a valid architecture; it is left out"
        /// A second stanza of one package; it is left out.
        case duplicate = "a second stanza of this package; it is left out"
        /// A line under `Conffiles` is not of the form ` /path digest`; it is left out.
        case noConffile = "not a configuration file with a digest"
        /// A line of a file list is no absolute path; it is left out.
        case noPath = "not an absolute path"
        /// A package on this system has no file list, so its files seem to belong to nobody.
        case noList = "the file list of the package is missing"
        /// The file list of a package cannot be read.
        case unreadable = "the file cannot be read"
        /// A line is not of the form `digest  path`; it is left out.
        case noDigest = "not a digest and a path"
        /// A diversion without its three lines; it is left out.
        case noDiversion = "not a diversion of three lines"
    }

    /// Path of the file, below the root.
    public var file: String
    /// Number of the line, from 1; of a stanza its first one; 0 where it is about the file as a whole.
    public var line: Int
    /// What is wrong there.
    public var kind: Kind
    /// The package it is about, where that is known.
    public var package: String?

    /// `file:line: what is wrong (package)`.
    public var description: String {
        let place = line > 0 ? "\(file):\(line)" : file
        return "\(place): \(kind.rawValue)" + (package.map { " (\($0))" } ?? "")
    }
}
