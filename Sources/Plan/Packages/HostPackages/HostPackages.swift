import DebianPackages
public import PackageFiles
import RPMPackages

/// The packages of a host, whichever package managers it has.
///
/// A host mostly has one. Where it has two, as a Debian system with rpm for a few programs, a file is the first one's that
/// has it; dpkg is asked first.
public struct HostPackages: Sendable {
    /// Those that could be read and have a package.
    public private(set) var databases: [any PackageDatabase] = []
    /// What could not be read, a sentence each.
    public private(set) var remarks: [String] = []

    /// A package of a host.
    public struct ID: Hashable, Comparable, Sendable {
        let database: Int
        let package: PackageID

        /// In the order of the databases.
        public static func < (left: ID, right: ID) -> Bool {
            (left.database, left.package) < (right.database, right.package)
        }
    }

    /// Reads what there is.
    ///
    /// - Parameters:
    ///   - root: the directory under which the system lies.
    ///   - wanted: the only paths that will be asked for, which takes less time and memory; `nil` keeps everything.
    public init(root: String, only wanted: [[UInt8]]? = nil) {
        do throws(DpkgError) {
            add(try DpkgDatabase(root: root, only: wanted), "dpkg")
        } catch {
            if !error.isMissing { remarks.append("dpkg's database cannot be read: \(error)") }
        }
        do throws(RPMError) {
            add(try RPMDatabase(root: root, only: wanted), "rpm")
        } catch {
            if error != .missing { remarks.append("rpm's database cannot be read: \(error)") }
        }
    }

    private mutating func add(_ database: some PackageDatabase, _ name: String) {
        if let flaws = database.flaws {
            let more = flaws.count - 1
            remarks.append(
                "\(name)'s database is damaged: \(flaws.first)"
                    + (more > 0 ? ", and \(more) more places" : ""))
        }
        if !database.present.isEmpty { databases.append(database) }
    }

    /// Whether no package manager has a package here.
    public var isEmpty: Bool { databases.isEmpty }

    private var all: Range<Int> { databases.indices }

    /// Whose package it is: `debian`, `rpm`.
    public func system(of id: ID) -> String { databases[id.database].system }

    /// How its package manager is asked for a package.
    public func label(of id: ID) -> PackageLabel { databases[id.database].label(of: id.package) }

    /// Every package with files on the system.
    public var present: [ID] { ids { $0.present } }

    /// The packages of a system under a name, as far as they have files here.
    public func find(named name: String, of system: String) -> [ID] {
        ids { database in
            guard database.system == system else { return [] }
            return database.find(named: name).filter(Set(database.present).contains)
        }
    }

    /// The package that a file belongs to.
    public func owner(of path: [UInt8]) -> ID? {
        for (index, database) in databases.enumerated() {
            if let package = database.owner(of: path) { return ID(database: index, package: package) }
        }
        return nil
    }

    /// What has become of each of some files.
    public func states(of paths: [[UInt8]]) -> [FileState] {
        var states = [FileState](repeating: .unpackaged, count: paths.count)
        for database in databases {
            let open = paths.indices.filter { states[$0] == .unpackaged }
            for (position, state) in zip(open, database.states(of: open.map { paths[$0] })) {
                states[position] = state
            }
        }
        return states
    }

    /// What a package brings, directories included; `nil` if it has no list.
    public func listing(of id: ID) -> [[UInt8]]? { databases[id.database].listing(of: id.package) }

    /// Its configuration files.
    public func configurationFiles(of id: ID) -> [[UInt8]] {
        databases[id.database].configurationFiles(of: id.package)
    }

    /// Some packages with all that they depend on.
    public func closure(of start: some Sequence<ID>) -> [ID] {
        let chosen = Dictionary(grouping: start, by: \.database)
        return chosen.sorted { $0.key < $1.key }.flatMap { index, ids in
            databases[index].closure(of: ids.map(\.package)).packages.map { ID(database: index, package: $0) }
        }
    }

    /// What a minimal system like this one holds, with some packages besides.
    public func minimalBase(adding packages: [ID] = []) -> [ID] {
        closure(of: ids { $0.essential } + packages)
    }

    /// Measures the files of some packages on the disk; what several of them list counts once.
    public func sizes(of ids: some Sequence<ID>, root: String) -> FileSizes {
        var meter = FileMeter(root: root)
        for id in ids {
            for path in listing(of: id) ?? [] { meter.add(path) }
        }
        return meter.sizes
    }

    private func ids(_ packages: (any PackageDatabase) -> [PackageID]) -> [ID] {
        all.flatMap { index in packages(databases[index]).map { ID(database: index, package: $0) } }
    }
}
