public import SystemCalls

/// What one package manager has on disk of the packages that are installed, and of their files.
///
/// Paths are bytes, begin with `/`, and are those below the root, free of symbolic links, as the kernel reports them. Links in
/// the root directory itself (the merge of /bin, /sbin and /lib* into /usr) are followed.
public protocol PackageDatabase: Sendable {
    /// Whose packages: `debian`, `rpm`.
    var system: String { get }
    /// Where the files lie.
    var place: FilesPlace { get }
    /// Every package with files on the system.
    var present: [PackageID] { get }
    /// How a package is asked for.
    func label(of id: PackageID) -> PackageLabel
    /// The packages of a name, with an architecture or without.
    func find(named name: String) -> [PackageID]
    /// The package that a file belongs to; a directory belongs to nobody.
    func owner(of path: [UInt8]) -> PackageID?
    /// What has become of each of some files; reads those that have to be compared.
    func states(of paths: [[UInt8]]) -> [FileState]
    /// Where everything lies that a package brings, directories included; `nil` if it has no list.
    func listing(of id: PackageID) -> [[UInt8]]?
    /// Its configuration files.
    func configurationFiles(of id: PackageID) -> [[UInt8]]
    /// Packages that every system of this kind has, whatever else it has.
    var essential: [PackageID] { get }
    /// Some packages with all that they depend on, from what is on the system.
    func closure(of start: some Sequence<PackageID>) -> NeededPackages
    /// Where the database is not as its package manager writes it: the first place, and how many there are.
    var flaws: (first: String, count: Int)? { get }
}

/// A root directory that is looked at, for targets that need not know how.
public struct FilesPlace: Sendable {
    package let root: FileRoot

    package init(_ root: FileRoot) { self.root = root }
}

/// How a package manager is asked for a package.
public struct PackageLabel: Hashable, Sendable {
    /// Its name; with the architecture where there can be several.
    public var name: String
    /// The version that is installed.
    public var version: String

    /// The name as dpkg has it without an architecture; rpm's, in which a dot may be a part of the name, as it is.
    public var plainName: String { String(name.prefix { $0 != ":" }) }

    /// Names one.
    public init(name: String, version: String) {
        self.name = name
        self.version = version
    }
}

/// A package of one database; means nothing in another one.
public struct PackageID: Hashable, Comparable, Sendable {
    package let index: Int

    package init(index: Int) { self.index = index }

    /// In the order of the database.
    public static func < (left: PackageID, right: PackageID) -> Bool { left.index < right.index }
}

/// What has become of a file since its package was installed.
public enum FileState: Equatable, Sendable {
    /// No package lists it.
    case unpackaged
    /// A directory: shared by packages, with no contents to compare.
    case directory
    /// Its contents are the package's.
    case pristine
    /// Its contents are not the package's, or something else than a file is in its place.
    case modified
    /// A configuration file whose contents are not the package's: package managers leave such changes alone.
    case modifiedConfiguration
    /// The package has it, the system has not.
    case missing
    /// It is not known.
    case unknown(Doubt)

    /// Why it is not known whether a file was changed.
    public enum Doubt: Equatable, Sendable {
        /// The package came without a digest for it.
        case noDigest
        /// A digest that is computed in a way that is not known here.
        case otherDigest
        /// A symbolic link; dpkg does not record where they lead.
        case symbolicLink
        /// The file, or the package's digests, could not be read.
        case unreadable(SystemError)
    }
}
