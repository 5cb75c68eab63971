import Glibc
import HostPackages
import PackageFiles

/// What a root has to hold for a plan to be tried in it: what the destination has after its packages were installed, and
/// what is copied there.
public struct TrialContents {
    /// Paths to be copied, each behind the folders above it.
    public private(set) var paths: [[UInt8]] = []
    /// Folders that are made empty: those of what is made anew.
    public private(set) var folders: [[UInt8]] = []
    /// passwd(5) and group(5) of the root.
    public private(set) var passwd: [UInt8] = []
    /// See `passwd`.
    public private(set) var group: [UInt8] = []
    /// hosts(5) of the root: every system knows itself.
    public let hosts = Array("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".utf8)
    /// What could not be found out, a sentence each.
    public private(set) var remarks: [String] = []
    /// The host's files.
    let tree: HostTree

    /// - Parameter root: where the host's files lie on this machine.
    public init(_ plan: HostPlan, root: String) {
        tree = HostTree(root)
        let contents = PlanContents(plan, root: root)
        var all = Set(contents.paths())
        let top = [UInt8(ascii: "/")]
        // Those of merged /usr are nobody's files.
        for folder in [top, Array("/usr".utf8)] {
            for name in tree.names(in: folder) {
                let path = (folder.count == 1 ? [] : folder) + top + name
                if tree.link(path) != nil { all.insert(path) }
            }
        }
        for path in FolderRules.hierarchy where tree.link(path) != nil { all.insert(path) }
        let host = HostPackages(root: root)
        remarks += host.remarks.map { "packages: \($0)" }
        var asked: [HostPackages.ID] = []
        for package in plan.packages where package.isSystem {
            let found = host.find(named: package.name, of: package.system)
            if found.isEmpty { remarks.append("the package \(package.name) is not installed here") }
            asked += found
        }
        for package in host.minimalBase(adding: asked) {
            for path in host.listing(of: package) ?? [] where tree.status(path) != nil { all.insert(path) }
        }
        // Packages of languages: their files as they are here.
        all.formUnion(contents.pathsOfPackages())
        all.formUnion(Self.madeByPackages(tree, all, host))
        for path in all { all.formUnion(path.ancestors) }
        let stays = Set(["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"].map { Array($0.utf8) })
        paths = all.filter { path in
            !stays.contains(path) && !path.isBelow(Array("/proc".utf8)) && !path.isBelow(Array("/sys".utf8))
        }
        .sorted { $0.lexicographicallyPrecedes($1) }
        folders = Self.emptyFolders(plan, tree)
        (passwd, group) = Self.accounts(plan, tree)
    }

    /// What the packages' own scripts make of their files: alternatives, bytecode and the links of certificates.
    private static func madeByPackages(
        _ tree: HostTree, _ paths: Set<[UInt8]>, _ database: HostPackages
    ) -> Set<[UInt8]> {
        var made: Set<[UInt8]> = []
        for folder in [
            "/etc/alternatives", "/etc/ssl/certs", "/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu",
            "/usr/lib64",
        ] {
            let folder = Array(folder.utf8)
            for name in tree.names(in: folder) {
                let place = folder + [UInt8(ascii: "/")] + name
                guard tree.link(place) != nil, database.owner(of: place) == nil else { continue }
                let way = tree.way(place)
                guard let end = way.end, paths.contains(end) else { continue }
                made.formUnion(way.links)
            }
        }
        // Bytecode beside the sources (py3compile(1)).
        let cache = Array("__pycache__".utf8)
        for folder in Set(paths.lazy.filter { $0.suffix(3).elementsEqual(".py".utf8) }.map(\.parent)) {
            let place = folder + [UInt8(ascii: "/")] + cache
            for name in tree.names(in: place) {
                let source =
                    folder + [UInt8(ascii: "/")] + name.prefix { $0 != UInt8(ascii: ".") } + Array(".py".utf8)
                if paths.contains(source) { made.insert(place + [UInt8(ascii: "/")] + name) }
            }
        }
        // What update-ca-trust(8) of rpm's systems makes of its sources.
        if paths.contains(where: { $0.starts(with: "/usr/share/pki/ca-trust-source".utf8) }) {
            made.formUnion(
                FolderContents.files(tree, Array("/etc/pki/ca-trust/extracted".utf8), most: mostFolders))
        }
        let certificates = Array("/etc/ssl/certs/ca-certificates.crt".utf8)
        if paths.contains(Array("/usr/share/ca-certificates".utf8)), tree.status(certificates) != nil {
            made.insert(certificates)
        }
        return made
    }

    /// Folders above what is made anew, as far as the host has them.
    private static func emptyFolders(_ plan: HostPlan, _ tree: HostTree) -> [[UInt8]] {
        var folders: Set<[UInt8]> = Set(
            ["/dev", "/dev/shm", "/proc", "/run", "/run/lock", "/sys", "/tmp", "/var/tmp"].map {
                Array($0.utf8)
            })
        // Every system has them, by hier(7); and packages make empty folders below /usr/local (Debian Policy 9.1.2).
        folders.formUnion(FolderRules.hierarchy.filter { $0.count > 1 && isFolder($0, tree) })
        folders.formUnion(foldersBelow(Array("/usr/local".utf8), tree))
        for entry in plan.entries where entry.treatment == .makeAnew {
            for folder in entry.path.ancestors where tree.status(folder) != nil { folders.insert(folder) }
            if entry.kind == .folder { folders.insert(entry.path) }
        }
        return folders.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func isFolder(_ path: [UInt8], _ tree: HostTree) -> Bool {
        tree.status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// Folders below one of the hierarchy that hold nothing but folders, however deep: those that hold a file are an
    /// application's.
    private static func foldersBelow(_ top: [UInt8], _ tree: HostTree) -> [[UInt8]] {
        var found: [[UInt8]] = []
        for name in tree.names(in: top) {
            let path = top + [UInt8(ascii: "/")] + name
            guard found.count < mostFolders, isFolder(path, tree) else { continue }
            if let empty = emptyFolders(path, tree) {
                found += empty
            } else if FolderRules.hierarchy.contains(path) {
                found += foldersBelow(path, tree)
            }
        }
        return found
    }

    /// A folder and those in it; `nil` where a file is among them.
    private static func emptyFolders(_ folder: [UInt8], _ tree: HostTree) -> [[UInt8]]? {
        guard isFolder(folder, tree) else { return nil }
        var found = [folder]
        for name in tree.names(in: folder) {
            guard found.count < mostFolders,
                let below = emptyFolders(folder + [UInt8(ascii: "/")] + name, tree)
            else { return nil }
            found += below
        }
        return found
    }

    private static let mostFolders = 1000

    static func accounts(_ plan: HostPlan, _ tree: HostTree) -> (passwd: [UInt8], group: [UInt8]) {
        // The accounts of a base system, else the administrator alone.
        var passwd =
            tree.contents(Array("/usr/share/base-passwd/passwd.master".utf8))
            ?? Array("root:x:0:0:root:/root:/bin/sh\n".utf8)
        var group =
            tree.contents(Array("/usr/share/base-passwd/group.master".utf8)) ?? Array("root:x:0:\n".utf8)
        func has(_ file: [UInt8], _ name: String) -> Bool {
            file.split(separator: UInt8(ascii: "\n")).contains { $0.starts(with: (name + ":").utf8) }
        }
        for account in plan.accounts where !account.name.isEmpty {
            let line = account.line + [UInt8(ascii: "\n")]
            if account.isUser {
                if !has(passwd, account.name) { passwd += line }
            } else if !has(group, account.name) {
                group += line
            }
        }
        return (passwd, group)
    }
}

extension PlannedAccount {
    /// Its line of passwd(5) or group(5).
    public var line: [UInt8] {
        guard isUser else { return Array("\(name):x:\(number):".utf8) }
        let fields = [home ?? Array("/".utf8), shell ?? Array("/usr/sbin/nologin".utf8)]
        return Array("\(name):x:\(number):\(group ?? number):".utf8)
            + fields.flatMap { [UInt8(ascii: ":")] + $0 }
    }
}

extension HostPlan {
    /// With the numbers that accounts have at the destination.
    var renumbered: HostPlan {
        var plan = self
        let groups = Dictionary(
            accounts.filter { !$0.isUser }.compactMap { group in group.destination.map { (group.number, $0) }
            }
        ) { first, _ in first }
        for index in plan.accounts.indices {
            plan.accounts[index].number = plan.accounts[index].destination ?? plan.accounts[index].number
            plan.accounts[index].group = plan.accounts[index].group.map { groups[$0] ?? $0 }
        }
        return plan
    }
}

extension PlannedPackage {
    /// Whether it is one of the host's system, as against one of a language.
    public var isSystem: Bool { Self.systems.contains(system) }
}
