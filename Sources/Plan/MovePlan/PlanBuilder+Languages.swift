import Glibc
import LanguagePackages

/// The packages of languages: pip, npm and gem have put files there that no package of the system has.
///
/// Their files are copied by default, as all that is no package of the system: a virtual environment moves whole, as it is, and
/// the destination needs neither the network nor an index that still has the same. That a file is a package's is said all
/// the same, so that a person may fetch it anew; with `--language-packages` the plan does.
extension PlanBuilder {
    /// A package that a member needed.
    private struct Needed {
        var package: LanguagePackage
        var path: [UInt8]
        var user: [UInt8]
        var more = 0

        var name: String { "the \(package.system.rawValue) package \(package.name)" }

        /// A list may name anything: of what lies elsewhere only files, and nothing that stays or is made anew.
        func isOwn(_ place: [UInt8], _ status: stat) -> Bool {
            (place.isBelow(package.folder) || status.st_mode & S_IFMT == S_IFREG)
                && StayBehind.rule(for: place) == nil
        }

        var reason: String {
            "\(PlanText.text(path)) was used by \(PlanText.text(user))"
                + (more == 0 ? "" : ", and \(more) more of its files")
        }
    }

    mutating func takeLanguagePackages() {
        let languages = LanguagePackages(root: root)
        let needed = neededPackages(languages)
        for installed in languages.installedInPlace() where packages?.isOwned(installed.record) != true {
            takeSources(of: installed)
        }
        var unverified = 0
        for needed in needed {
            let condition = needed.package.canBeFetched ? languages.condition(of: needed.package) : .unknown
            let isKept: Bool
            if case .changed(let file) = condition {
                isKept = true
                if fetchesLanguagePackages {
                    plan.unknown.append(
                        "\(needed.name) was changed since it was installed (\(PlanText.text(file))): its files are copied"
                    )
                }
            } else {
                isKept = !needed.package.canBeFetched
            }
            if isKept || !fetchesLanguagePackages { takeWhole(needed) } else { leaveToPackage(needed) }
            guard !isKept else { continue }
            if condition == .unknown { unverified += 1 }
            languagePackages.append(planned(needed))
        }
        if unverified > 0, fetchesLanguagePackages {
            plan.unknown.append(
                "\(unverified) packages of npm, gem and old ones of Python come anew: no digests of their files are kept, so "
                    + "that a change that somebody made here is not known")
        }
    }

    /// Those of files that members used, or that their sources import.
    private func neededPackages(_ languages: LanguagePackages) -> [Needed] {
        var order: [[UInt8]] = []
        var found: [[UInt8]: Needed] = [:]
        let uses = used.map { ($0.path, $0.user) } + imports.map { ($0.path, $0.by) }
        for (path, user) in uses {
            guard StayBehind.rule(for: path) == nil, packages?.isOwned(path) != true,
                let package = languages.owner(of: path)
            else { continue }
            if found[package.record] != nil {
                found[package.record]?.more += 1
            } else if packages?.isOwned(package.record) != true {
                order.append(package.record)
                found[package.record] = Needed(package: package, path: path, user: user)
            }
        }
        return order.compactMap { found[$0] }
    }

    /// The sources of what was installed in place are a person's files, whoever imports them.
    private mutating func takeSources(of package: LanguagePackage) {
        for source in package.sources {
            guard let place = tree.way(source).end, !isInTree(place), entries[place]?.kind != .tree,
                packages?.isOwned(place) != true, StayBehind.rule(for: place) == nil,
                !rules.isEverybodys(place),
                let status = tree.status(place)
            else { continue }
            let reason =
                "the sources of the \(package.system.rawValue) package \(package.name), installed in place"
            if status.st_mode & S_IFMT == S_IFDIR {
                takeTree(place, .likely, reason)
            } else {
                take(place, status, .preCopy, .likely, reason)
            }
        }
    }

    /// All of a package, where a part of it was used: the rest is loaded another time, and its metadata are asked for by name.
    private mutating func takeWhole(_ needed: Needed) {
        guard needed.package.sources.isEmpty else { return }
        for place in needed.package.places where !isInTree(place) && entries[place]?.kind != .tree {
            guard packages?.isOwned(place) != true, let status = tree.status(place),
                needed.isOwn(place, status)
            else { continue }
            let reason = "of \(needed.name), of which \(needed.reason)"
            if status.st_mode & S_IFMT == S_IFDIR {
                takeTree(place, .likely, reason)
            } else {
                take(place, status, .preCopy, .likely, reason)
            }
        }
    }

    /// The files come with the package: what has them as its own, or in a folder that moves whole, has them no more.
    private mutating func leaveToPackage(_ needed: Needed) {
        for place in needed.package.places {
            guard let status = tree.status(place), needed.isOwn(place, status) else { continue }
            let known = Set(observed.files.lazy.filter { $0.path.isBelow(place) }.map(\.path))
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            let contents = FolderContents(tree, place) { known.contains($0) }
            let bytes = isFolder ? contents.bytes : UInt64(max(status.st_size, 0))
            let files = isFolder ? contents.files : 1
            let unopened = isFolder ? contents.unopened : known.isEmpty ? 1 : 0
            for above in place.ancestors {
                guard var entry = entries[above], entry.kind == .tree else { continue }
                entry.bytes = entry.bytes.map { $0 - min($0, bytes) }
                entry.files = entry.files.map { $0 - min($0, files) }
                entry.unopened = entry.unopened.map { $0 - min($0, unopened) }
                entries[above] = entry
            }
            for path in entries.keys where path.isBelow(place) { entries[path] = nil }
            var entry = PlannedEntry(
                place, isFolder ? .tree : PlannedEntry.found(place, status).kind, .package, .implied,
                reason: "of \(needed.name) \(needed.package.version)")
            if entry.kind == .link { entry.target = tree.link(place) }
            entry.bytes = bytes
            if isFolder { entry.files = files }
            entries[place] = entry
        }
    }

    private func planned(_ needed: Needed) -> PlannedPackage {
        var planned = PlannedPackage(
            system: needed.package.system.rawValue, name: needed.package.name,
            version: needed.package.version,
            reason: needed.reason)
        planned.folder = needed.package.folder
        if case .address(let address) = needed.package.origin { planned.source = address }
        planned.integrity = needed.package.integrity
        planned.isCopied = !fetchesLanguagePackages
        return planned
    }
}
