import Glibc
public import PackageFiles
import RecordStore
import SystemCalls

/// What rpm's database on disk says of packages and their files; rpm itself is not run.
///
/// Its SQLite form is read, as rpm writes it since 4.16 (Fedora 33, RHEL 9). Ghosts, which packages list and do not bring, are
/// nobody's here, as is what was not installed, or was replaced by another package's.
public struct RPMDatabase: PackageDatabase {
    /// Where rpm keeps it, below the root; the first that is there is taken.
    public static let folders = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]

    /// All packages, in the order of their installation.
    public internal(set) var packages: [RPMPackage] = []
    /// The first header that is not as rpm writes it, and how many there are: their packages are not known.
    public internal(set) var flaws: (first: String, count: Int)?

    let root: FileRoot
    let links: TopLevelLinks
    let rows: RPMRows
    var paths = PathTable()

    /// Reads the whole database.
    ///
    /// - Parameters:
    ///   - root: the directory under which the system lies.
    ///   - wanted: the only paths that will be asked for; `nil` keeps everything.
    public init(root: String = "/", only wanted: [[UInt8]]? = nil) throws(RPMError) {
        let place = FileRoot(root)
        let file = try Self.find(place)
        for attempt in 1... {
            let path = String(decoding: place.prefix, as: UTF8.self) + file
            let before = RPMRows.Moment(path)
            do throws(StoreError) {
                self = try Self(place, RPMRows(path), only: wanted)
                return
            } catch {
                // rpm may be writing: what it has written is read then.
                if attempt == 3 || before == RPMRows.Moment(path) {
                    throw .unreadable(file: file, "\(error)")
                }
            }
        }
        fatalError("three attempts are three answers")
    }

    private init(_ root: FileRoot, _ rows: RPMRows, only wanted: [[UInt8]]?) throws(StoreError) {
        (self.root, self.rows) = (root, rows)
        links = TopLevelLinks(in: root)
        if let wanted {
            // What packages require by its path is asked for too.
            var required: Set<[UInt8]> = []
            try rows.forEach { number, bytes in
                guard let header = try? RPMHeader(bytes), let package = try? RPMPackage(header, number) else {
                    return
                }
                for name in package.requires.lazy.flatMap(\.alternatives) where name.hasPrefix("/") {
                    required.insert(links.resolve(Array(name.utf8)))
                }
            }
            do {
                paths = try PathTable(only: wanted.map { links.resolve($0) } + required)
            } catch { flaws = ("more paths than can be kept", 1) }
        }
        try rows.forEach { number, bytes in take(number, bytes) }
    }

    /// The file of the database, below the root.
    private static func find(_ root: FileRoot) throws(RPMError) -> String {
        for (name, form) in [("rpmdb.sqlite", nil), ("Packages.db", "ndb"), ("Packages", "BerkeleyDB")] {
            for folder in folders {
                let file = "\(folder)/\(name)"
                do throws(SystemError) {
                    guard try root.status(Array(file.utf8)).st_mode & S_IFMT == S_IFREG else { continue }
                } catch {
                    if FileRoot.isMissing(error) { continue }
                    throw .unreadable(file: file, "\(error)")
                }
                if let form { throw .otherForm(file: file, form) }
                return file
            }
        }
        throw .missing
    }

    private mutating func take(_ number: Int64, _ bytes: [UInt8]) {
        do throws(RPMHeader.Flaw) {
            let header = try RPMHeader(bytes)
            let package = try RPMPackage(header, number)
            let files = try RPMFiles(header)
            let owner = packages.count
            packages.append(package)
            for index in 0..<files.count where files.isBrought(index) {
                let path = files.path(index)
                guard path.count > 1, path.first == UInt8(ascii: "/") else { continue }
                let isDirectory = files.record(index).isDirectory
                path.withUnsafeBytes { path in
                    do {
                        try paths.insert(path, owner: owner, links: links, isDirectory: isDirectory)
                    } catch { note("more paths than can be kept") }
                }
            }
        } catch { note("package number \(number): \(error)") }
    }

    private mutating func note(_ flaw: String) { flaws = (flaws?.first ?? flaw, (flaws?.count ?? 0) + 1) }

    // MARK: Packages

    /// See `PackageDatabase`.
    public var system: String { "rpm" }
    /// See `PackageDatabase`.
    public var place: FilesPlace { FilesPlace(root) }
    /// See `PackageDatabase`.
    public var present: [PackageID] { packages.indices.map { PackageID(index: $0) } }

    /// The name, and with it the architecture where the name has several, as dnf(8) takes it; `EPOCH:VERSION-RELEASE`.
    public func label(of id: PackageID) -> PackageLabel {
        let package = packages[id.index]
        let hasSeveral = packages.contains {
            $0.name == package.name && $0.architecture != package.architecture
        }
        return PackageLabel(
            name: hasSeveral ? "\(package.name).\(package.architecture)" : package.name,
            version: package.version)
    }

    /// The packages of `name` or `name.architecture`.
    public func find(named name: String) -> [PackageID] {
        present.filter { id in
            let package = packages[id.index]
            return package.name == name || "\(package.name).\(package.architecture)" == name
        }
    }

    /// The package that a file belongs to; the first one where several share it.
    public func owner(of path: [UInt8]) -> PackageID? {
        paths.find(links.resolve(path)).flatMap { paths.owner($0) }.map { PackageID(index: $0) }
    }

    /// Packages that every system of the family has, under the names by which Fedora, Red Hat and SUSE have them: rpm marks none.
    public var essential: [PackageID] {
        let names: Set<String> = [
            "filesystem", "setup", "basesystem", "aaa_base", "bash", "coreutils", "coreutils-single", "glibc",
        ]
        let releases: Set<String> = ["system-release", "distribution-release"]
        return present.filter { id in
            let package = packages[id.index]
            return names.contains(package.name) || package.provides.contains(where: releases.contains)
        }
    }

    /// Some packages with what they require, from what is on the system: of the packages that provide it the first one of the
    /// same architecture; a path is provided by whose file it is.
    ///
    /// Versions are not compared: rpm has seen to them. Of a condition (`(a if b)`) whatever it names is taken, if it is there.
    public func closure(of start: some Sequence<PackageID>) -> NeededPackages {
        var providers: [String: [PackageID]] = [:]
        for id in present {
            for name in packages[id.index].provides { providers[name, default: []].append(id) }
        }
        return NeededPackages(from: start) { id in
            packages[id.index].requires.map { requirement in
                var met = requirement.alternatives.compactMap { name in
                    self.choose(providers[name] ?? [], for: id)
                        ?? (name.hasPrefix("/") ? self.owner(of: Array(name.utf8)) : nil)
                }
                if requirement.isCondition, met.isEmpty { met = [id] }
                return (met, { requirement.alternatives })
            }
        }
    }

    private func choose(_ candidates: [PackageID], for needy: PackageID) -> PackageID? {
        let architecture = packages[needy.index].architecture
        return candidates.first { packages[$0.index].architecture == architecture }
            ?? candidates.first { packages[$0.index].architecture == "noarch" } ?? candidates.first
    }
}

/// A package that rpm has installed.
public struct RPMPackage: Equatable, Sendable {
    /// Name, without an architecture.
    public var name: String
    /// `EPOCH:VERSION-RELEASE`, as dnf(8) takes it; an epoch of 0 is none.
    public var version: String
    /// `x86_64`, `noarch`; empty for the keys that rpm keeps as packages (`gpg-pubkey`).
    public var architecture: String
    /// What other packages may ask for.
    var provides: [String] = []
    /// What it asks for.
    var requires: [Requirement] = []
    /// Its number in the database.
    let number: Int64

    struct Requirement: Equatable, Sendable {
        var alternatives: [String]
        /// Whether it is of the form `(a if b)`: then nothing has to meet it.
        var isCondition = false

        /// Of a name as it stands in a header; `nil` for what rpm itself is asked (`rpmlib(PayloadIsZstd)`).
        init?(_ name: String) {
            guard !name.hasPrefix("rpmlib(") else { return nil }
            guard name.hasPrefix("(") else {
                alternatives = [name]
                return
            }
            isCondition = true
            // Names are separated by blanks; operators and versions provide nothing. A parenthesis that is the name's own closes.
            alternatives = name.split(separator: " ").map { word in
                var word = word.drop { $0 == "(" }
                while word.last == ")", word.count(where: { $0 == ")" }) > word.count(where: { $0 == "(" }) {
                    word.removeLast()
                }
                return String(word)
            }
        }
    }

    init(_ header: RPMHeader, _ number: Int64) throws(RPMHeader.Flaw) {
        self.number = number
        guard let name = try header.text(.name), !name.isEmpty, let version = try header.text(.version),
            let release = try header.text(.release)
        else { throw .value(RPMHeader.Tag.name.rawValue) }
        let epoch = try header.numbers(.epoch).first ?? 0
        self.name = name
        self.version = (epoch == 0 ? "" : "\(epoch):") + "\(version)-\(release)"
        architecture = try header.text(.architecture) ?? ""
        func texts(_ tag: RPMHeader.Tag) throws(RPMHeader.Flaw) -> [String] {
            var seen: Set<String> = []
            return try header.strings(tag).map { String(decoding: header.bytes[$0], as: UTF8.self) }.filter {
                seen.insert($0).inserted
            }
        }
        provides = try texts(.provides)
        requires = try texts(.requires).compactMap { Requirement($0) }
    }
}

/// Why rpm's database could not be read.
public enum RPMError: Error, Equatable, Sendable, CustomStringConvertible {
    /// This host has none.
    case missing
    /// It has a form that is not read here.
    case otherForm(file: String, String)
    /// It cannot be read, or is none.
    case unreadable(file: String, String)

    /// A sentence for a person.
    public var description: String {
        switch self {
        case .missing: "there is no rpm database"
        case .otherForm(let file, let form):
            "\(file) is a database of rpm in the form of \(form), which is not read: its packages are not known. "
                + "`rpmdb --rebuilddb` of rpm 4.16 or later makes an SQLite database of it"
        case .unreadable(let file, let reason): "\(file): \(reason)"
        }
    }
}
