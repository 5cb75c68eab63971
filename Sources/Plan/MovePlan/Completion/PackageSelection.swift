import HostPackages
import PackageFiles

/// The packages that members needed, and which of their files are theirs no more.
struct PackageSelection {
    private let database: HostPackages
    /// The first file that needed a package, with its user, and how many more did.
    private var reasons: [HostPackages.ID: (path: [UInt8], user: [UInt8], more: Int)] = [:]
    private var listings: [[UInt8]: Int] = [:]

    private static let settings = Array("/etc/".utf8)

    /// - Parameter folders: those of which it will be asked how many packages list them, beside those of settings.
    init(_ database: HostPackages, folders: Set<[UInt8]>) {
        self.database = database
        for package in database.present {
            for path in database.listing(of: package) ?? []
            where folders.contains(path) || path.starts(with: Self.settings) {
                listings[path, default: 0] += 1
            }
        }
    }

    /// How many packages list a folder.
    func listings(of folder: [UInt8]) -> Int { listings[folder] ?? 0 }

    /// Whether a package has the path.
    func isOwned(_ path: [UInt8]) -> Bool { database.owner(of: path) != nil }

    /// Takes in that a member needed a file; whether the package alone brings it.
    mutating func need(_ path: [UInt8], _ state: FileState, by user: [UInt8]) -> Bool {
        guard let owner = database.owner(of: path) else { return false }
        if let known = reasons[owner] {
            reasons[owner] = (known.path, known.user, known.more + 1)
        } else {
            reasons[owner] = (path, user, 0)
        }
        switch state {
        case .pristine, .directory, .missing, .unknown(.symbolicLink), .unknown(.noDigest): return true
        case .unpackaged, .modified, .modifiedConfiguration, .unknown: return false
        }
    }

    func states(of paths: [[UInt8]]) -> [FileState] { database.states(of: paths) }

    /// The packages, by name.
    var planned: [PlannedPackage] {
        reasons.map { id, reason in
            let label = database.label(of: id)
            let more = reason.more == 0 ? "" : ", and \(reason.more) more of its files"
            return PlannedPackage(
                system: database.system(of: id), name: label.name, version: label.version,
                reason: Self.reason(reason.path, reason.user) + more)
        }.sorted { ($0.name, $0.version) < ($1.name, $1.version) }
    }

    private static func reason(_ path: [UInt8], _ user: [UInt8]) -> String {
        path == user
            ? "\(PlanText.text(path)) is a member"
            : "\(PlanText.text(path)) was used by \(PlanText.text(user))"
    }

    /// The packages and what they depend on, but for what every system has: where settings of a service lie need not be the
    /// package of its program.
    private var ofTheirOwn: [HostPackages.ID] {
        let base = Set(database.minimalBase())
        return database.closure(of: reasons.keys).filter { !base.contains($0) }
    }

    /// Configuration files of the packages that are not the packages' any more.
    func changedConfiguration() -> [(path: [UInt8], package: String)] {
        ofTheirOwn.flatMap { id in
            let name = database.label(of: id).plainName
            let paths = database.configurationFiles(of: id)
            return zip(paths, database.states(of: paths)).filter { $0.1 == .modifiedConfiguration }
                .map { (path: $0.0, package: name) }
        }
    }

    /// Folders of settings that these packages have for themselves.
    func settingsFolders() -> [(path: [UInt8], package: String)] {
        var own: [[UInt8]: (count: Int, package: String)] = [:]
        for id in ofTheirOwn {
            for path in database.listing(of: id) ?? [] where path.starts(with: Self.settings) {
                own[path] = (
                    (own[path]?.count ?? 0) + 1, own[path]?.package ?? database.label(of: id).plainName
                )
            }
        }
        let found = own.filter { path, use in
            // Files are among them: an empty folder of one package cannot be distinguished from them here.
            use.count == listings(of: path)
        }.map { (path: $0.key, package: $0.value.package) }.sorted {
            $0.path.lexicographicallyPrecedes($1.path)
        }
        return found
    }
}
