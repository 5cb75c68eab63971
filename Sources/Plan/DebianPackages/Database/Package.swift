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

/// A package of one `DpkgDatabase`; means nothing in another one.
public struct PackageID: Hashable, Comparable, Sendable {
    let index: Int

    /// In the order of the status file.
    public static func < (left: PackageID, right: PackageID) -> Bool { left.index < right.index }
}
