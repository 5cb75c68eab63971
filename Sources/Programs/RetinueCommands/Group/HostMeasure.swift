import Glibc
import HostPackages
import PackageFiles
import Records
import SystemCalls

/// What the files of a group on one host take, measured where they are.
struct HostMeasure {
    /// What a virtual machine moves.
    enum System {
        /// Bytes in use on the filesystem of the root.
        case usage(UInt64)
        /// Every file was looked at.
        case walk(FileSizes, leftOut: Int)
        /// Why it is not known.
        case unknown(String)
    }

    /// Below what was measured; `nil` if the host's files are not here, and then nothing below is known.
    var root: String?
    /// How many paths there are to move.
    var paths: Int
    /// The group's files.
    var files = FileSizes()
    /// Where the destination's files are looked at, and what of the group's files it has equal; `nil` if it was not named.
    var destination: (root: String, equal: FileSizes)?
    /// The group's files with a minimal base system; `nil` where no package manager names one.
    var withBase: FileSizes?
    /// Packages of the base system.
    var basePackages = 0
    /// The whole system.
    var system = System.unknown("not looked at")
    /// The packages that the files belong to; `nil` where there is no package manager.
    var packages: PackageUse?
    /// What went wrong with a package manager's database, or that there is none.
    var remark: String?

    init(_ paths: [[UInt8]], root: String?, walks: Bool, destination: String? = nil) throws {
        self.root = root
        self.paths = paths.count
        guard let root else { return }
        var meter = FileMeter(root: root)
        let kinds = paths.map { meter.add($0) }
        files = meter.sizes
        if let destination {
            let equal = EqualFiles.among(paths, below: root, at: destination)
            self.destination = (destination, FileMeter.measure(equal, root: root))
        }
        let host = HostPackages(root: root, only: paths)
        let remarks =
            host.remarks
            + (host.isEmpty && host.remarks.isEmpty ? ["no dpkg or rpm database below \(root)"] : [])
        remark = remarks.isEmpty ? nil : remarks.joined(separator: "; ")
        if !host.isEmpty {
            let base = host.minimalBase()
            for package in base {
                for path in host.listing(of: package) ?? [] { meter.add(path) }
            }
            // Without an essential package there is no base system to speak of.
            if !base.isEmpty {
                withBase = meter.sizes
                basePackages = base.count
            }
            packages = PackageUse(paths, kinds, host, root: root)
        }
        system = walks ? Self.walk(root) : Self.usage(root)
    }

    private static func usage(_ root: String) -> System {
        guard FileProbe.isFilesystem(root) else {
            return .unknown("\(root) is no filesystem of its own; --walk looks at every file")
        }
        do throws(SystemError) {
            return .usage(try FilesystemUsage(of: root).used)
        } catch {
            return .unknown("\(error)")
        }
    }

    private static func walk(_ root: String) -> System {
        var progress = Progress("files of \(root.printable)", total: 0)
        do throws(SystemError) {
            let walk = try SystemWalk(root: root) { sizes in
                progress.update(sizes.regular.apparent) { "\(Quantity.grouped(sizes.total.count)) files" }
                return true
            }
            return .walk(walk.sizes, leftOut: walk.leftOut.count)
        } catch {
            return .unknown("\(error)")
        }
    }
}

/// The packages that some files belong to, and what has become of those files since.
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
    init(_ all: [[UInt8]], _ kinds: [EntryKind?], _ database: HostPackages, root: String) {
        let paths = zip(all, kinds).filter { $0.1 != nil && $0.1 != .directory }.map(\.0)
        var owned: [HostPackages.ID: [[UInt8]]] = [:]
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
        whole = database.sizes(of: owned.keys.sorted(), root: root)
        for (id, paths) in owned {
            let label = database.label(of: id)
            let sizes = database.sizes(of: [id], root: root)
            let kinds = [sizes.regular, sizes.symbolicLinks, sizes.others]
            used.append(
                Used(
                    name: label.name, version: label.version, files: paths.count,
                    owned: kinds.reduce(sizes.missing.count + sizes.unreadable.count) { $0 + $1.count },
                    bytes: FileMeter.measure(paths, root: root).regular.apparent,
                    ownedBytes: sizes.regular.apparent))
        }
        used.sort { ($0.name, $0.version) < ($1.name, $1.version) }
    }
}

/// Questions about a directory that is named by hand.
enum FileProbe {
    static func isDirectory(_ path: String) -> Bool {
        status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// Whether a filesystem begins at a directory, so that asking how full it is says something of it.
    static func isFilesystem(_ path: String) -> Bool {
        guard let inside = status(path), let above = status(path + "/..") else { return false }
        // The root of everything is its own parent.
        return inside.st_dev != above.st_dev || inside.st_ino == above.st_ino
    }

    private static func status(_ path: String) -> stat? {
        var answer = stat()
        return stat(path, &answer) == 0 ? answer : nil
    }
}
