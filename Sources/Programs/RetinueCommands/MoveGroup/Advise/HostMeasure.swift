import DebianPackages
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

    /// Below what was looked; `nil` if the host's files are not here, and then nothing below is known.
    var root: String?
    /// How many paths there are to move.
    var paths: Int
    /// The group's files.
    var files = FileSizes()
    /// The group's files with a minimal base system; `nil` where there is no dpkg to tell one.
    var withBase: FileSizes?
    /// Packages of the base system.
    var basePackages = 0
    /// The whole system.
    var system = System.unknown("not looked at")
    /// The packages that the files belong to; `nil` where there is no dpkg.
    var packages: PackageUse?
    /// What went wrong with dpkg's database, or that there is none.
    var remark: String?

    init(_ paths: [[UInt8]], root: String?, walks: Bool) throws {
        self.root = root
        self.paths = paths.count
        guard let root else { return }
        var meter = FileMeter(root: root)
        let kinds = paths.map { meter.add($0) }
        files = meter.sizes
        do throws(DpkgError) {
            let database = try DpkgDatabase(root: root, only: paths)
            if database.damageCount > 0, let first = database.damage.first {
                let more = database.damageCount - 1
                remark =
                    "dpkg's database is damaged: \(first)"
                    + (more > 0 ? ", and \(Quantity.grouped(more)) more places" : "")
            }
            let base = database.minimalBase().packages
            for package in base {
                for path in (try? database.files(of: package)) ?? [] { meter.add(path) }
            }
            // Without an essential package there is no base system to speak of.
            if !base.isEmpty {
                withBase = meter.sizes
                basePackages = base.count
            }
            packages = PackageUse(paths, kinds, database, root: root)
        } catch {
            remark =
                error.isMissing
                ? "no dpkg database below \(root)" : "dpkg's database cannot be read: \(error)"
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
