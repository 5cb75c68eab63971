import Glibc
import PackageFiles
import SystemCalls

extension DpkgDatabase {
    /// Longest file that is read; the largest real ones are a few megabytes.
    private static let limit = 1 << 30

    func file(_ name: some Collection<UInt8>) -> [UInt8] { administration + Array(name) }

    func read(_ name: [UInt8]) throws(SystemError) -> [UInt8] {
        try root.open(file(name)).readAll(limit: Self.limit)
    }

    mutating func report(_ name: [UInt8], _ line: Int, _ kind: DpkgDamage.Kind, _ package: String? = nil) {
        damageCount += 1
        guard damage.count < 1000 else { return }
        damage.append(
            DpkgDamage(file: file(name).text, line: line, kind: kind, package: package))
    }

    // MARK: Packages

    /// Reads `status` and what an unfinished run of dpkg has written beside it.
    mutating func loadStatus() throws(DpkgError) {
        let name = Array("status".utf8)
        for attempt in 1... {
            packages = []
            damage = []
            damageCount = 0
            let before = try? root.status(file(name))
            let status: [UInt8]
            do { status = try read(name) } catch { throw .unreadable(file: file(name).text, error) }
            var known: [String: Int] = [:]
            takeStanzas(status, name, &known, isJournal: false)
            if packages.isEmpty, let first = damage.first { throw .damaged(first) }
            loadJournal(&known)
            // A dpkg that runs now folds the journal into a new status file and removes it: between the two
            // looks at them both may have been missed.
            let after = try? root.status(file(name))
            if before?.st_ino == after?.st_ino || attempt == 3 { break }
        }
    }

    /// Changes since the status file was written: files with digits as names, in their order, a stanza each.
    private mutating func loadJournal(_ known: inout [String: Int]) {
        let names = (try? root.names(in: file("updates".utf8))) ?? []
        let entries = names.filter { $0.allSatisfy { (0x30...0x39).contains($0) } }
            .sorted { $0.lexicographicallyPrecedes($1) }
        for entry in entries {
            let name = Array("updates/".utf8) + entry
            // One that went in the meantime is in the status file, see above.
            guard let bytes = try? read(name) else { continue }
            takeStanzas(bytes, name, &known, isJournal: true)
        }
    }

    private mutating func takeStanzas(
        _ bytes: [UInt8], _ name: [UInt8], _ known: inout [String: Int], isJournal: Bool
    ) {
        bytes.withUnsafeBytes { bytes in
            var stanzas = ControlStanzas(bytes)
            while let stanza = stanzas.next() {
                let read = PackageStanza(stanza, bytes)
                for flaw in read.flaws { report(name, flaw.line, flaw.kind, read.name) }
                guard let package = read.package else { continue }
                guard let index = known[package.qualifiedName] else {
                    known[package.qualifiedName] = packages.count
                    packages.append(package)
                    continue
                }
                if isJournal {
                    packages[index] = package
                } else {
                    report(name, stanza.line, .duplicate, package.qualifiedName)
                }
            }
        }
    }

    // MARK: Files

    mutating func loadDiversions() throws(DpkgError) {
        let name = Array("diversions".utf8)
        guard let bytes = try readIfThere(name) else { return }
        var found: [Diversion] = []
        bytes.withUnsafeBytes { bytes in
            found = Diversions.parse(bytes) { report(name, $0, $1) }
        }
        diversions = found.map {
            Diversion(from: links.resolve($0.from), to: links.resolve($0.to), package: $0.package)
        }
    }

    private func readIfThere(_ name: [UInt8]) throws(DpkgError) -> [UInt8]? {
        do {
            return try read(name)
        } catch {
            if FileRoot.isMissing(error) { return nil }
            throw .unreadable(file: file(name).text, error)
        }
    }

    /// The names that a package's file may have below dpkg's folder, the likelier one first.
    func fileNames(_ package: Package, _ suffix: String) -> [[UInt8]] {
        let plain = "info/\(package.name).\(suffix)"
        let qualified = "info/\(package.name):\(package.architecture).\(suffix)"
        let names = package.isCoinstallable ? [qualified, plain] : [plain, qualified]
        return names.map { Array($0.utf8) }
    }

    mutating func loadLists() throws(DpkgError) {
        for index in packages.indices where packages[index].state != .notInstalled {
            guard let (name, bytes) = listFile(packages[index]) else { continue }
            try takeList(bytes, name, owner: index)
        }
    }

    /// The file list of a package, with its name; a missing one is damage where the package is on the system.
    private mutating func listFile(_ package: Package) -> (name: [UInt8], bytes: [UInt8])? {
        let names = fileNames(package, "list")
        for name in names {
            do {
                return (name, try read(name))
            } catch {
                if FileRoot.isMissing(error) { continue }
                report(name, 0, .unreadable, package.qualifiedName)
                return nil
            }
        }
        if package.isPresent { report(names[0], 0, .noList, package.qualifiedName) }
        return nil
    }

    private mutating func takeList(_ bytes: [UInt8], _ name: [UInt8], owner: Int) throws(DpkgError) {
        var failure: DpkgError?
        bytes.withUnsafeBytes { bytes in
            var lines = Lines(bytes)
            while let line = lines.next() {
                if lines.isCutOff { report(name, lines.number, .cutOff, packages[owner].qualifiedName) }
                let path = UnsafeRawBufferPointer(rebasing: bytes[line])
                guard Self.isPath(path) else {
                    if !lines.isCutOff { report(name, lines.number, .noPath, packages[owner].qualifiedName) }
                    continue
                }
                // The root itself.
                if path.count == 2, path[1] == UInt8(ascii: ".") { continue }
                do {
                    try paths.insert(path, owner: owner, links: links)
                } catch {
                    failure = .tooLarge
                    return
                }
            }
        }
        if let failure { throw failure }
    }

    /// Whether a line of a list names something below the root.
    static func isPath(_ line: UnsafeRawBufferPointer) -> Bool {
        line.count > 1 && line[0] == UInt8(ascii: "/") && memchr(line.baseAddress!, 0, line.count) == nil
    }

    // MARK: Diversions

    /// Gives every diverted file to the packages whose it is: the lists name it as if nothing was diverted.
    mutating func divert() throws(DpkgError) {
        for diversion in diversions {
            guard let from = paths.find(diversion.from), !paths.isDirectory(from) else { continue }
            let owners = paths.owners(from)
            let staying = owners.filter { packages[$0].name == diversion.package }
            let moving = owners.filter { packages[$0].name != diversion.package }
            guard !moving.isEmpty else { continue }
            paths.set(owners: staying, of: from)
            let place: Int?
            do { place = try paths.insert(diversion.to) } catch { throw .tooLarge }
            if let to = place {
                paths.set(owners: moving + paths.owners(to), of: to)
            }
        }
    }

    /// Where a file that a package lists really lies.
    func place(of listed: [UInt8], _ package: Package) -> [UInt8] {
        let path = links.resolve(listed)
        let diversion = diversions.first { $0.from == path && $0.package != package.name }
        return diversion?.to ?? path
    }

    /// Under which name a package lists the file that lies at `path`, free of links.
    func listed(_ path: [UInt8], _ package: Package) -> [UInt8] {
        diversions.first { $0.to == path && $0.package != package.name }?.from ?? path
    }
}
