import Glibc
import HostPackages
import PackageFiles

/// Makes the plan of a host complete: what the records have of its members is less than what has to be at the destination.
///
/// In turn: packages first, then the folders in which members have what is theirs, what configuration names, the links by
/// which all of it is found, the folders above it, and the accounts that own it.
public struct PlanBuilder {
    let tree: HostTree
    let accounts: Accounts
    var packages: PackageSelection?
    var plan: HostPlan
    var entries: [[UInt8]: PlannedEntry] = [:]
    var users: Set<UInt32> = []
    var groups: Set<UInt32> = []
    let observed: ObservedHost
    let isThisMachine: Bool
    /// What running members are called by the kernel, by their executables: the names under which they were executed.
    var called: [[UInt8]: Set<[UInt8]>] = [:]
    /// Sources of members that no package has.
    var sources: [[UInt8]] = []
    /// What the sources of members import, outside of packages of the system.
    var imports: [(path: [UInt8], by: [UInt8])] = []
    /// Packages of languages that members needed.
    var languagePackages: [PlannedPackage] = []
    /// Whether those are fetched anew, in place of copying their files.
    let fetchesLanguagePackages: Bool
    /// Where the host's files lie.
    let root: String
    /// How long a chain of texts that name texts is followed.
    static let mostSteps = 8

    /// The plan of a host.
    ///
    /// - Parameters:
    ///   - root: where its files lie on this machine; `nil` if they are not here. Then the plan has what the
    ///     records have, and says so.
    ///   - fetchesLanguagePackages: whether packages of Python, Node and Ruby that nobody has changed are installed anew.
    public static func plan(
        _ observed: ObservedHost, root: String?, fetchesLanguagePackages: Bool = false
    ) -> HostPlan {
        guard let root else {
            var plan = observed.plan
            plan.entries = observed.files.filter { !$0.isFolder }.map {
                PlannedEntry(
                    $0.path, .file, $0.isBusy ? .finalCopy : .preCopy, $0.ground,
                    reason: "used by \(PlanText.text($0.user))")
            }
            plan.unknown.append(
                "the files of this host are not here: nothing was looked at, so folders of data, links, owners and packages "
                    + "are missing")
            return plan
        }
        var builder = PlanBuilder(observed, root, fetchesLanguagePackages)
        builder.complete()
        return builder.plan
    }

    private init(_ observed: ObservedHost, _ root: String, _ fetchesLanguagePackages: Bool) {
        self.root = root
        self.fetchesLanguagePackages = fetchesLanguagePackages
        self.observed = observed
        isThisMachine = root == "/"
        plan = observed.plan
        tree = HostTree(root)
        accounts = Accounts(tree)
        var folders: Set<[UInt8]> = []
        for path in observed.files.map(\.path) + plan.programs.flatMap({ [$0.executable, $0.script] }) {
            folders.formUnion(path.ancestors)
        }
        let host = HostPackages(root: root)
        if !host.isEmpty { packages = PackageSelection(host, folders: folders) }
        plan.unknown += host.remarks.map { "packages: \($0)" }
    }

    mutating func complete() {
        takeProcesses()
        takeFiles()
        takeNames()
        takeFolders()
        takeModules()
        takeLanguagePackages()
        takeConfiguration()
        takeServices()
        takeWhatTextsName()
        takeRuntimeFolders()
        takeEndsOfLinks()
        takeWhatEverybodyReads()
        takeLinks()
        takeParents()
        takeOwners()
        plan.packages =
            (packages?.planned ?? []) + languagePackages.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        plan.entries = entries.values.sorted { $0.path.lexicographicallyPrecedes($1.path) }
        plan.firstUsed = filesByFirstUse()
        sayWhatIsUnknown()
    }

    /// Smallest file that is worth being named, bytes: what is smaller is brought before a start in any case.
    private static let leastFetched = 64 << 10
    private static let mostFetched = 10_000

    /// Files that were seen to be opened, the first ones first. What a program executes or loads is there before it starts.
    private func filesByFirstUse() -> [[UInt8]] {
        let found = observed.files.filter { file in
            guard file.first != 0, !file.isFolder, !file.isExecuted, StayBehind.rule(for: file.path) == nil,
                let status = tree.status(file.path)
            else { return false }
            return status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o111 == 0
                && status.st_size >= Self.leastFetched
        }
        let sorted = found.sorted {
            $0.first == $1.first ? $0.path.lexicographicallyPrecedes($1.path) : $0.first < $1.first
        }
        return sorted.prefix(Self.mostFetched).map(\.path)
    }

    /// What members run with: where this machine is the host and they run, what they have now, else what the records say.
    mutating func takeProcesses() {
        if isThisMachine {
            let running = RunningProcesses(plan.programs.filter { !$0.isStop })
            called = running.names
            for position in plan.programs.indices {
                if let process = running[plan.programs[position]] {
                    plan.programs[position].process = process
                    plan.programs[position].writes =
                        running.writes(of: plan.programs[position]) ?? plan.programs[position].writes
                }
            }
        }
        for process in plan.programs.compactMap(\.process) {
            users.insert(process.user)
            groups.formUnion([process.group] + process.groups)
        }
    }

    // MARK: What was used

    /// Programs and what they used, the programs' own files among it.
    var used: [ObservedHost.File] {
        var files = observed.files.filter { !$0.isFolder }
        let known = Set(files.map(\.path))
        for program in plan.programs {
            for path in [program.executable, program.script] where path.first == UInt8(ascii: "/") {
                guard !known.contains(path) else { continue }
                var file = ObservedHost.File(path: path)
                file.isExecuted = true
                file.user = program.script.isEmpty ? program.executable : program.script
                files.append(file)
            }
        }
        return files
    }

    mutating func takeFiles() {
        var asked: [ObservedHost.File] = []
        for file in used {
            if let rule = StayBehind.rule(for: file.path) {
                guard !file.path.starts(with: "/proc/".utf8), !file.path.starts(with: "/sys/".utf8) else {
                    continue
                }
                entries[file.path] = PlannedEntry(
                    file.path, .file, rule.treatment, file.ground, reason: rule.reason)
            } else {
                asked.append(file)
            }
        }
        let states = packages?.states(of: asked.map(\.path)) ?? asked.map { _ in .unpackaged }
        for (file, state) in zip(asked, states) {
            if packages?.need(file.path, state, by: file.user) == true { continue }
            // A name that is gone cannot be copied.
            guard let status = tree.status(file.path) else { continue }
            let isChanged = state == .modified || state == .modifiedConfiguration
            let reason =
                "used by \(PlanText.text(file.user))"
                + (isChanged ? "; changed since its package was installed" : "")
            take(file.path, status, file.isBusy ? .finalCopy : .preCopy, file.ground, reason)
        }
    }

    /// The packages of the links under whose names members were executed: redis-server is one to a program of redis-tools.
    mutating func takeNames() {
        for (place, end) in LinkTrail(tree).links(to: called.keys) {
            guard called[end]?.contains(Array(place.lastName.prefix(RunningProcesses.nameLength))) == true
            else { continue }
            _ = packages?.need(place, .pristine, by: end)
        }
    }

    /// Adds a file, or whatever lies there.
    mutating func take(
        _ path: [UInt8], _ status: stat, _ treatment: Treatment, _ ground: Basis, _ reason: String
    ) {
        guard entries[path] == nil else { return }
        var entry = PlannedEntry.found(path, status)
        if entry.kind != .special { entry.treatment = treatment }
        (entry.ground, entry.reason) = (ground, reason)
        entry.target = entry.kind == .link ? tree.link(path) : nil
        entries[path] = entry
    }

    // MARK: What it needs to be found

    mutating func takeLinks() {
        let moved = entries.values.filter { $0.treatment == .preCopy || $0.treatment == .finalCopy }.map(
            \.path)
        // Those of packages, and those in a folder that moves whole, are no entries.
        let all = moved + used.map(\.path)
        let alternatives = Array("/etc/alternatives/".utf8)
        for (place, end) in LinkTrail(tree).links(to: all) {
            guard packages?.isOwned(place) != true, !isInTree(place), let status = tree.status(place) else {
                continue
            }
            // Those of packages are made when the packages are installed.
            if packages?.isOwned(end) == true || packages?.listings(of: end) ?? 0 > 0 {
                let target = tree.link(place) ?? []
                if place.starts(with: alternatives) || target.starts(with: alternatives) { continue }
            }
            take(place, status, .preCopy, .implied, "leads to \(PlanText.text(end))")
        }
    }

    func isInTree(_ path: [UInt8]) -> Bool {
        path.ancestors.contains { entries[$0]?.kind == .tree }
    }

    mutating func takeParents() {
        for entry in Array(entries.values) where entry.treatment == .preCopy || entry.treatment == .finalCopy
        {
            for folder in entry.path.ancestors where entries[folder] == nil && !isInTree(folder) {
                guard packages?.listings(of: folder) ?? 0 == 0, let status = tree.status(folder),
                    status.st_mode & S_IFMT == S_IFDIR
                else { continue }
                take(folder, status, .preCopy, .implied, "the folder of \(PlanText.text(entry.path))")
            }
        }
    }

    mutating func takeOwners() {
        for entry in entries.values where entry.treatment == .preCopy || entry.treatment == .finalCopy {
            guard let owner = entry.owner else { continue }
            users.insert(owner.user)
            groups.insert(owner.group)
        }
        plan.accounts = accounts.planned(users: users, groups: groups)
    }

    mutating func sayWhatIsUnknown() {
        if plan.gaps > 0 {
            plan.unknown.append("events were lost in \(plan.gaps) spans: more may belong to the group")
        }
        let busy = plan.entries.filter { $0.treatment == .finalCopy }.map { PlanText.text($0.path) }
        if let first = busy.first {
            plan.unknown.append(
                "\(busy.count) entries are being written (\(first)\(busy.count > 1 ? " and others" : "")): a copy that is made "
                    + "while their programs run may be of no one moment; stop them, or copy a snapshot")
        }
        for hole in plan.holes(root: root) {
            plan.unknown.append(
                "\(PlanText.text(hole.point)) is a filesystem of its own in \(PlanText.text(hole.tree)), and is not copied: give it an "
                    + "entry, or `leave`")
        }
        let temporary = observed.files.filter { file in
            file.isWritten && ["/tmp/", "/var/tmp/"].contains { file.path.starts(with: $0.utf8) }
                && tree.status(file.path) != nil
        }
        if let first = temporary.first {
            plan.unknown.append(
                "\(temporary.count) files in /tmp that members wrote stay (\(PlanText.text(first.path))\(temporary.count > 1 ? " and others" : "")): "
                    + "where they are data, give them another treatment")
        }
        for program in plan.programs where program.process?.arguments.isEmpty == true {
            plan.unknown.append(
                "\(PlanText.text(program.executable)) shows a title in place of its arguments: what it was started with is not "
                    + "known")
        }
        let before = plan.programs.filter { !$0.isStartObserved && !$0.isStop }
        if !before.isEmpty {
            plan.unknown.append(
                "\(before.count) programs were running before they were observed: what they read at their start is likely, "
                    + "not known")
        }
    }
}

extension PlannedEntry {
    /// What lies at a path, to be copied.
    static func found(_ path: [UInt8], _ status: stat) -> PlannedEntry {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            default: .special
            }
        var entry = PlannedEntry(path, kind, kind == .special ? .makeAnew : .preCopy, .exact, reason: "")
        entry.owner = (status.st_uid, status.st_gid, status.st_mode & 0o7777)
        if kind == .file { entry.bytes = UInt64(max(status.st_size, 0)) }
        return entry
    }
}
