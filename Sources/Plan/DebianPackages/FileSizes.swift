import Glibc
import SystemCalls

/// How much files take, by kind. Hard links to one file count once, and so does a path given twice.
public struct FileSizes: Equatable, Sendable {
    /// A number of files and their bytes.
    public struct Total: Equatable, Sendable {
        /// How many.
        public var count = 0
        /// Bytes that they hold (`st_size`): what a copy has to read.
        public var apparent: UInt64 = 0
        /// Bytes that they take on their filesystem (`st_blocks` times 512): less where a file has holes or
        /// the filesystem compresses, more by what is left of the last block.
        public var allocated: UInt64 = 0

        /// Adds what two totals hold.
        public static func + (left: Total, right: Total) -> Total {
            Total(
                count: left.count + right.count, apparent: left.apparent &+ right.apparent,
                allocated: left.allocated &+ right.allocated)
        }
    }

    /// Regular files.
    public var regular = Total()
    /// Directories themselves, without what is in them.
    public var directories = Total()
    /// Symbolic links themselves, never what they point to.
    public var symbolicLinks = Total()
    /// Sockets, pipes and devices.
    public var others = Total()
    /// Further names of what was counted already.
    public var repeated = 0
    /// Paths that name nothing.
    public var missing: [[UInt8]] = []
    /// Paths that could not be looked at, or directories that could not be listed.
    public var unreadable: [[UInt8]] = []

    /// Nothing yet.
    public init() {}

    /// Of all kinds.
    public var total: Total { regular + directories + symbolicLinks + others }
}

/// What a path names.
public enum EntryKind: Equatable, Sendable {
    /// A file with contents.
    case regular
    /// A directory.
    case directory
    /// A symbolic link.
    case symbolicLink
    /// A socket, a pipe or a device.
    case other
}

/// Adds up the sizes of files, path by path.
public struct FileMeter: Sendable {
    private struct Identity: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    /// What was measured so far.
    public internal(set) var sizes = FileSizes()

    private let root: FileRoot
    private var counted: Set<Identity> = []

    /// Measures below a root directory.
    public init(root: String = "/") { self.root = FileRoot(root) }

    init(root: FileRoot) { self.root = root }

    /// The sizes of some files. The corresponding C function is `lstat`.
    public static func measure(_ paths: some Sequence<[UInt8]>, root: String = "/") -> FileSizes {
        var meter = FileMeter(root: root)
        for path in paths { meter.add(path) }
        return meter.sizes
    }

    /// Adds a file; the answer is its kind, or `nil` where there is none or it cannot be looked at.
    @discardableResult
    public mutating func add(_ path: [UInt8]) -> EntryKind? {
        do {
            let status = try root.status(path)
            return add(status, isNameKnownOnce: false)
        } catch {
            if FileRoot.isMissing(error) { sizes.missing.append(path) } else { sizes.unreadable.append(path) }
            return nil
        }
    }

    /// Adds what was looked at.
    ///
    /// - Parameter isNameKnownOnce: whether each name comes once, as in a walk, so that only files with
    ///   several names have to be remembered.
    @discardableResult
    mutating func add(_ status: stat, isNameKnownOnce: Bool) -> EntryKind {
        let kind: EntryKind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        if !isNameKnownOnce || (status.st_nlink > 1 && kind != .directory) {
            let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            guard counted.insert(identity).inserted else {
                sizes.repeated += 1
                return kind
            }
        }
        // A filesystem can answer anything; a negative size counts as none.
        let one = FileSizes.Total(
            count: 1, apparent: UInt64(max(0, status.st_size)),
            allocated: UInt64(max(0, status.st_blocks)) &* 512)
        switch kind {
        case .regular: sizes.regular = sizes.regular + one
        case .directory: sizes.directories = sizes.directories + one
        case .symbolicLink: sizes.symbolicLinks = sizes.symbolicLinks + one
        case .other: sizes.others = sizes.others + one
        }
        return kind
    }
}

/// What a set of packages takes.
public struct PackageSizes: Equatable, Sendable {
    /// The files that the packages list, as they are on the system now.
    public var files = FileSizes()
    /// Packages whose file list cannot be read: their files are not in the sum.
    public var withoutList: [PackageID] = []
}

extension DpkgDatabase {
    /// Measures the files of some packages on the disk: what is there now, not what the packages declare.
    ///
    /// A file or directory that several of them list counts once.
    public func sizes(of ids: some Sequence<PackageID>) -> PackageSizes {
        var meter = FileMeter(root: root)
        var result = PackageSizes()
        for id in ids {
            guard let files = try? files(of: id) else {
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
    public func minimalBase(adding names: [String] = []) -> NeededPackages {
        closure(of: essential + names.flatMap { find($0) }.filter { package($0).isPresent })
    }

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
        var result = NeededPackages()
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
