import Glibc
import PackageFiles

/// What lies beside that which records have: folders of data, modules, settings and what they name, units, what the C library
/// reads.
extension PlanBuilder {
    var rules: FolderRules {
        let packages = packages
        return FolderRules(
            tree, homes: accounts.homes, named: namedPaths, others: observed.foldersOfOthers
        ) { packages?.listings(of: $0) ?? 0 }
    }

    /// Working directories of members, and what their arguments name, without links.
    var namedPaths: Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        for process in plan.programs.lazy.filter({ !$0.isStop }).compactMap(\.process) {
            let paths = [process.folder] + process.arguments.dropFirst().flatMap { NamedPaths.paths(in: $0) }
            found.formUnion(paths.compactMap { tree.way($0).end })
        }
        return found
    }

    mutating func takeFolders() {
        let rules = rules
        var roots: [[UInt8]: (ground: Basis, reason: String)] = [:]
        for file in observed.files where file.isWritten && StayBehind.rule(for: file.path) == nil {
            let folder = file.isFolder ? file.path : file.path.parent
            guard let root = rules.root(of: folder), roots[root]?.ground != .implied else { continue }
            roots[root] = (.implied, "\(PlanText.text(file.user)) writes in \(PlanText.text(folder))")
        }
        for program in plan.programs where !program.isStop {
            for path in [program.executable, program.script] where entries[path] != nil {
                guard let root = rules.root(of: path.parent), roots[root] == nil else { continue }
                roots[root] = (.likely, "\(PlanText.text(path)) lies there")
            }
        }
        for program in plan.programs where !program.isStop {
            guard let folder = program.process?.folder, let root = rules.root(of: folder), roots[root] == nil
            else { continue }
            roots[root] = (.likely, "\(PlanText.text(program.executable)) has it for its working directory")
        }
        for (root, why) in roots.sorted(by: { $0.key.count < $1.key.count }) {
            guard !entries.values.contains(where: { $0.kind == .tree && root.isBelow($0.path) }) else {
                continue
            }
            takeTree(root, why.ground, why.reason)
        }
    }

    mutating func takeTree(_ root: [UInt8], _ ground: Basis, _ reason: String) {
        let known = Set(observed.files.lazy.filter { $0.path.isBelow(root) }.map(\.path))
        let contents = FolderContents(tree, root) { known.contains($0) }
        let isBusy = entries.values.contains { $0.treatment == .finalCopy && $0.path.isBelow(root) }
        // What it has of its own is in it.
        for path in entries.keys where path.isBelow(root) {
            guard let entry = entries[path], [.preCopy, .finalCopy].contains(entry.treatment) else {
                continue
            }
            entries[path] = nil
        }
        var entry = PlannedEntry(root, .tree, isBusy ? .finalCopy : .preCopy, ground, reason: reason)
        (entry.bytes, entry.files, entry.unopened) = (contents.bytes, contents.files, contents.unopened)
        if let status = tree.status(root) {
            entry.owner = (status.st_uid, status.st_gid, status.st_mode & 0o7777)
        }
        users.formUnion(contents.users)
        groups.formUnion(contents.groups)
        entries[root] = entry
        if contents.isCut { plan.unknown.append("\(PlanText.text(root)) has more files than were looked at") }
        // What is made anew, as all below /run, does not move with it.
        if contents.unopened > 0, StayBehind.rule(for: root) == nil {
            plan.unknown.append(
                "in \(PlanText.text(root)), \(contents.unopened) more files (\(contents.unopenedBytes) bytes) were not "
                    + "opened; they move with it")
        }
    }

    /// Modules that scripts import, which an interpreter that ran before it was observed has read already.
    mutating func takeModules() {
        for program in plan.programs where !program.isStop {
            let packages = packages
            let own = program.process.flatMap { rules.root(of: $0.folder) }
            guard
                let imported = ImportedModules(
                    tree, of: program, and: own, isOwned: { packages?.isOwned($0) == true })
            else { continue }
            sources += imported.sources
            for module in imported.modules {
                if self.packages?.need(module.file, .pristine, by: module.by) == true { continue }
                imports.append((module.file, module.by))
                guard let status = tree.status(module.path), StayBehind.rule(for: module.path) == nil else {
                    continue
                }
                guard !isInTree(module.path), entries[module.path]?.kind != .tree else { continue }
                let reason = "imported by \(PlanText.text(module.by))"
                if status.st_mode & S_IFMT == S_IFDIR {
                    takeTree(module.path, .likely, reason)
                } else {
                    take(module.path, status, .preCopy, .likely, reason)
                }
            }
        }
    }

    mutating func takeConfiguration() {
        guard let packages else { return }
        for (path, package) in packages.changedConfiguration() {
            guard let status = tree.status(path) else { continue }
            take(path, status, .preCopy, .likely, "a configuration file of \(package) that was changed")
        }
        let rules = rules
        let named = namedPaths
        for (folder, package) in packages.settingsFolders() where !rules.isEverybodys(folder) {
            // A link leads to a folder that has its own place here.
            guard let status = tree.status(folder), status.st_mode & S_IFMT == S_IFDIR else { continue }
            // What the package brings is there already.
            for name in tree.names(in: folder) {
                let path = folder + [UInt8(ascii: "/")] + name
                guard !packages.isOwned(path), packages.listings(of: path) == 0,
                    let status = tree.status(path)
                else { continue }
                let reason = "in the configuration folder of \(package)"
                if status.st_mode & S_IFMT == S_IFDIR {
                    // A member names what it needs of it; the rest is another instance's.
                    if named.contains(where: { $0 != path && $0.isBelow(path) }) { continue }
                    if !isInTree(path), entries[path]?.kind != .tree { takeTree(path, .likely, reason) }
                } else if !isInTree(path) {
                    take(path, status, .preCopy, .likely, reason)
                }
            }
        }
    }

    mutating func takeServices() {
        let files = ServiceFiles(tree)
        for workload in Set(plan.programs.map(\.workload)).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let (services, named) = files.units(of: workload)
            plan.services += services
            for service in services {
                for path in service.files where packages?.isOwned(path) != true {
                    if let status = tree.status(path) {
                        take(path, status, .preCopy, .likely, "of the \(service.kind) \(service.name)")
                    }
                }
            }
            for (path, by) in named where packages?.isOwned(path) != true {
                if let status = tree.status(path) { take(path, status, .preCopy, .likely, by) }
            }
        }
        // A tool is named in many tables; a script or a server of one's own is not.
        let paths = plan.programs.filter { !$0.isStop }.map { $0.script.isEmpty ? $0.executable : $0.script }
        let cron = files.cron(naming: Set(paths))
        plan.services += cron
        for table in Set(cron.flatMap(\.files)) where packages?.isOwned(table) != true {
            if let status = tree.status(table) {
                take(table, status, .preCopy, .likely, "a cron table that starts a member")
            }
        }
    }

    /// Scripts of members, and settings, name files that were read before anybody watched.
    mutating func takeWhatTextsName() {
        for process in plan.programs.compactMap(\.process) {
            for argument in process.arguments.dropFirst() {
                // `--config=/etc/x` as well.
                for path in NamedPaths.paths(in: argument) { takeNamed(path, "an argument names it") }
            }
        }
        var texts =
            plan.programs.filter { !$0.isStop && !$0.script.isEmpty }.map(\.script) + sources + settings
        var read: Set<[UInt8]> = []
        // A configuration names the next one.
        for _ in 0..<Self.mostSteps where !texts.isEmpty {
            for text in texts where read.insert(text).inserted {
                for named in NamedPaths.paths(in: tree.contents(text) ?? []) {
                    takeNamed(named, "named in \(PlanText.text(text))")
                }
            }
            texts = settings.filter { !read.contains($0) }
        }
    }

    /// Files of settings that move, those of folders among them: all below /etc, elsewhere those that are called so and lie at
    /// the top of a folder that moves.
    var settings: [[UInt8]] {
        var files: [[UInt8]] = []
        for entry in entries.values where entry.treatment == .preCopy || entry.treatment == .finalCopy {
            let isInEtc = entry.path.starts(with: "/etc/".utf8)
            switch entry.kind {
            case .file where isInEtc || Self.isCalledSettings(entry.path): files.append(entry.path)
            case .tree where isInEtc: files += FolderContents.files(tree, entry.path, most: 1000)
            case .tree:
                files += tree.names(in: entry.path).filter(Self.isCalledSettings).prefix(100)
                    .map { entry.path + [UInt8(ascii: "/")] + $0 }
                    .filter { tree.status($0).map { $0.st_size < Self.mostOfSettings } == true }
            default: break
            }
        }
        return files.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// How the names of settings end that programs keep with their data.
    private static let settingsEndings = [
        "conf", "cnf", "cfg", "ini", "toml", "yaml", "yml", "json", "properties", "env",
    ].map { Array($0.utf8) }
    /// Bytes of the largest file that is taken for settings by its name.
    private static let mostOfSettings = 256 << 10

    private static func isCalledSettings(_ path: [UInt8]) -> Bool {
        let name = path.lastName
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return false }
        return settingsEndings.contains { name[(dot + 1)...].elementsEqual($0) }
    }

    /// Folders below /run that belong to those whom members run as: at a boot, somebody makes them before the members start.
    mutating func takeRuntimeFolders() {
        let users = Set(plan.programs.compactMap { $0.isStop ? nil : $0.process?.user }).subtracting([0])
        let run = Array("/run".utf8)
        for name in tree.names(in: run) {
            let path = run + [UInt8(ascii: "/")] + name
            guard let status = tree.status(path), status.st_mode & S_IFMT == S_IFDIR else { continue }
            let owned = users.contains(status.st_uid)
            // Or the pid files and sockets of members lie there.
            guard owned || entries.values.contains(where: { $0.path.isBelow(path) }) else { continue }
            var entry = PlannedEntry.found(path, status)
            entry.treatment = .makeAnew
            (entry.ground, entry.reason) = (
                .implied, owned ? "belongs to whom a member runs as" : "a member has files there"
            )
            if entries[path] == nil { entries[path] = entry }
        }
    }

    /// A link among settings is of no use without what it leads to: a package's (`modules-enabled`), or another file.
    mutating func takeEndsOfLinks() {
        for entry in Array(entries.values) where entry.kind == .link && entry.ground == .likely {
            let way = tree.way(entry.path)
            guard let end = way.end, let status = tree.status(end), StayBehind.rule(for: end) == nil else {
                continue
            }
            if packages?.need(end, .pristine, by: entry.path) == true { continue }
            for path in way.links + [end] where !isInTree(path) {
                if let status = path == end ? status : tree.status(path) {
                    take(path, status, .preCopy, .likely, "\(PlanText.text(entry.path)) leads there")
                }
            }
        }
    }

    /// What the C library reads for every program, and no package has.
    mutating func takeWhatEverybodyReads() {
        let library = Array("the C library".utf8)
        var names = ["/etc/nsswitch.conf", "/etc/localtime", "/etc/timezone", "/etc/ld.so.preload"].map {
            Array($0.utf8)
        }
        names += NameServices(tree).modules
        for name in names {
            let way = tree.way(name)
            for path in way.links + [way.end].compactMap({ $0 })
            where packages?.isOwned(path) != true && !isInTree(path) {
                if let status = tree.status(path) {
                    take(path, status, .preCopy, .implied, "read by the C library")
                }
            }
            if let end = way.end { _ = packages?.need(end, .pristine, by: library) }
        }
        takeLocales()
        takeCryptography()
    }

    /// What OpenSSL's library reads when it is loaded, whoever loads it: the files alone, since their package brings the program.
    mutating func takeCryptography() {
        guard used.contains(where: { $0.path.lastName.starts(with: "libcrypto.so".utf8) }) else { return }
        // `OPENSSLDIR` of Debian, of Red Hat and of OpenSSL itself.
        for folder in ["/usr/lib/ssl", "/etc/pki/tls", "/etc/ssl", "/usr/local/ssl"] {
            take("\(folder)/openssl.cnf", for: "read by libcrypto")
        }
    }

    /// Takes a file and the links on the way to it, if it is there.
    mutating func take(_ name: String, for reason: String) {
        let way = tree.way(Array(name.utf8))
        guard let end = way.end else { return }
        for path in way.links + [end] where !isInTree(path) {
            if let status = tree.status(path) { take(path, status, .preCopy, .implied, reason) }
        }
    }

    /// What setlocale(3) reads, whoever calls it: the files alone, since their package brings every language.
    mutating func takeLocales() {
        for name in ["/usr/share/locale/locale.alias", "/usr/lib/locale/locale-archive"] {
            take(name, for: "read by setlocale(3)")
        }
    }

    mutating func takeNamed(_ named: [UInt8], _ reason: String) {
        guard let path = tree.way(named).end, entries[path] == nil, !isInTree(path), path.count > 1,
            StayBehind.rule(for: path) == nil, packages?.isOwned(path) != true, let status = tree.status(path)
        else { return }
        let folder = path.parent
        if status.st_mode & S_IFMT == S_IFREG {
            // A folder of settings that is nobody else's: one file in it includes others by names relative to it.
            if path.starts(with: "/etc/".utf8), rules.root(of: folder) != nil,
                packages?.listings(of: folder) ?? 0 == 0
            {
                takeTree(folder, .likely, reason)
            } else {
                take(path, status, .preCopy, .likely, reason)
            }
        } else if status.st_mode & S_IFMT == S_IFDIR, rules.root(of: path) != nil,
            packages?.listings(of: path) ?? 0 == 0
        {
            takeTree(path, .likely, reason)
        }
    }
}
