import PackageFiles
import Records

/// What npm has installed: a folder of `node_modules` for each package, and a list of all of them.
enum NodePackages {
    private static let modules = Array("node_modules".utf8)

    /// The folder of the package in which a file lies: below the last `node_modules`, with its scope.
    static func folder(of path: [UInt8]) -> [UInt8]? {
        let parts = PathWalk.parts(path)
        guard let last = parts.dropLast().lastIndex(where: { $0.elementsEqual(modules) }), last > 0 else {
            return nil
        }
        let length = last + 1 < parts.count && parts[last + 1].first == UInt8(ascii: "@") ? 3 : 2
        // npm's own files begin with a dot.
        guard parts.count > last + length, parts[last + 1].first != UInt8(ascii: ".") else { return nil }
        return PathWalk.prefix(parts[..<(last + length)])
    }

    /// What is installed in a folder; `nil` if it has no `package.json` with a name and a version.
    static func package(in folder: [UInt8], _ root: FileRoot) -> LanguagePackage? {
        guard let text = PathWalk.contents(manifest(folder), root, limit: 1 << 22),
            let names = names(manifest: text)
        else { return nil }
        let parts = PathWalk.parts(folder)
        guard let first = parts.firstIndex(where: { $0.elementsEqual(modules) }) else { return nil }
        let top = PathWalk.prefix(parts[..<first])
        var package = LanguagePackage(
            .npm, name: names.name, version: names.version, folder: top, record: manifest(folder))
        package.places = [folder]
        let key = parts[first...].map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
        let listed = list(in: top, root)[key]
        package.origin = listed?.origin ?? names.origin
        package.integrity = listed?.integrity
        return package
    }

    private static func manifest(_ folder: [UInt8]) -> [UInt8] { folder + Array("/package.json".utf8) }

    /// A name in `package.json`, and where npm 6 and earlier note in it that it came from.
    static func names(manifest text: [UInt8]) -> (
        name: String, version: String, origin: LanguagePackage.Origin
    )? {
        guard let value = try? JSONValue(parsing: text), let name = value["name"]?.string,
            let version = value["version"]?.string, !name.isEmpty, !version.isEmpty
        else { return nil }
        return (name, version, value["_resolved"]?.string.map { origin($0) } ?? .local)
    }

    /// An entry of the list.
    struct Listed: Equatable {
        var origin: LanguagePackage.Origin
        var integrity: String?
        /// Of a link: where it leads, relative to the folder.
        var target: String?
    }

    /// `node_modules/.package-lock.json`: what npm 7 and later have put where, and from where.
    static func listed(lock text: [UInt8]) -> [String: Listed] {
        guard let packages = (try? JSONValue(parsing: text))?["packages"]?.members else { return [:] }
        var found: [String: Listed] = [:]
        for package in packages {
            let resolved = package.value["resolved"]?.string
            let isLink = package.value["link"] == .boolean(true)
            found[package.key] = Listed(
                origin: isLink ? .local : resolved.map { origin($0) } ?? .local,
                integrity: package.value["integrity"]?.string, target: isLink ? resolved : nil)
        }
        return found
    }

    private static func list(in top: [UInt8], _ root: FileRoot) -> [String: Listed] {
        let path = top + Array("/node_modules/.package-lock.json".utf8)
        return PathWalk.contents(path, root).map { listed(lock: $0) } ?? [:]
    }

    /// An archive of a registry is asked for by name and version; what another address gave, by that.
    private static func origin(_ resolved: String) -> LanguagePackage.Origin {
        if resolved.hasPrefix("git+") || resolved.hasPrefix("git:") { return .address(resolved) }
        guard resolved.hasPrefix("https://") || resolved.hasPrefix("http://") else { return .local }
        // `…/NAME/-/NAME-VERSION.tgz` is how registries call it.
        return resolved.contains("/-/") ? .index : .address(resolved)
    }

    /// Packages that are links to folders of this host (`npm link`, workspaces).
    static func linked(in top: [UInt8], _ root: FileRoot) -> [LanguagePackage] {
        list(in: top, root).sorted { $0.key < $1.key }.compactMap { key, listed in
            guard let target = listed.target else { return nil }
            let source = PathWalk.join(top, Array(target.utf8))
            guard PathWalk.isThere(source, root) else { return nil }
            let name = key.split(separator: "/").drop { $0 == "node_modules" }.joined(separator: "/")
            var package = LanguagePackage(
                .npm, name: name, version: "", folder: top, record: manifest(source))
            package.origin = .local
            package.sources = [source]
            return package
        }
    }
}
