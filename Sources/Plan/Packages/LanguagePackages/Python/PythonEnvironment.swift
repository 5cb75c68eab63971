import PackageFiles

/// The packages in one folder of Python's modules (`site-packages`).
struct PythonEnvironment {
    private var packages: [LanguagePackage]
    private var owners: [[UInt8]: Int] = [:]
    /// Folders that are one package's alone.
    private var folders: [[UInt8]: Int] = [:]
    private let folder: [UInt8]

    /// In which folder of modules a file lies, or to which its script belongs: those of a virtual environment lie in its `bin`.
    static func folder(of path: [UInt8], in root: FileRoot) -> [UInt8]? {
        let parts = PathWalk.parts(path)
        let names = ["site-packages", "dist-packages"].map { Array($0.utf8) }
        if let last = parts.dropLast().lastIndex(where: { names.contains(Array($0)) }) {
            return PathWalk.prefix(parts[...last])
        }
        guard parts.count > 2, parts[parts.count - 2].elementsEqual("bin".utf8) else { return nil }
        let top = PathWalk.prefix(parts.dropLast(2))
        guard PathWalk.isThere(top + Array("/pyvenv.cfg".utf8), root) else { return nil }
        let library = top + Array("/lib".utf8)
        let python = PathWalk.names(library, root).first { $0.starts(with: "python".utf8) }
        return python.map { library + [PathWalk.slash] + $0 + Array("/site-packages".utf8) }
    }

    init(_ folder: [UInt8], _ root: FileRoot) {
        self.folder = folder
        var packages: [LanguagePackage] = []
        for name in PathWalk.names(folder, root) {
            let place = folder + [PathWalk.slash] + name
            let package =
                name.hasSuffix(".dist-info")
                ? Self.wheel(place, folder, root)
                : name.hasSuffix(".egg-info")
                    ? Self.egg(place, folder, root)
                    : name.hasSuffix(".egg-link") ? Self.link(place, name, folder, root) : nil
            if let package { packages.append(package) }
        }
        let shared = -1
        for (number, package) in packages.enumerated() {
            for file in package.recorded {
                if owners[file.path] == nil { owners[file.path] = number }
                // Only what lies below is the environment's: scripts are in folders of many.
                var parts = PathWalk.parts(file.path)
                guard file.path.starts(with: folder + [PathWalk.slash]) else { continue }
                while parts.count > PathWalk.parts(folder).count + 1 {
                    parts.removeLast()
                    let above = PathWalk.prefix(parts)
                    if let known = folders[above] {
                        // Those above are marked already.
                        if known == number || known == shared { break }
                        folders[above] = shared
                    } else {
                        folders[above] = number
                    }
                }
            }
        }
        self.packages = packages
        for number in packages.indices { self.packages[number].places = places(of: packages[number], number) }
    }

    /// The topmost folders that are the package's alone, and its files elsewhere.
    private func places(of package: LanguagePackage, _ number: Int) -> [[UInt8]] {
        var found: Set<[UInt8]> = []
        let count = PathWalk.parts(folder).count
        for file in package.recorded where owners[file.path] == number {
            let parts = PathWalk.parts(file.path)
            let isBelow = file.path.starts(with: folder + [PathWalk.slash])
            // A list may name anything: what lies elsewhere counts by its digest, as the scripts that pip makes have one.
            guard isBelow || file.digest != nil else { continue }
            let own =
                isBelow
                ? (count + 1..<max(parts.count, count + 1)).lazy.map { PathWalk.prefix(parts[..<$0]) }.first {
                    folders[$0] == number
                }
                : nil
            found.insert(own ?? file.path)
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The package of a file, of bytecode beside a source, or of whatever lies in a folder of its own.
    func owner(of path: [UInt8]) -> LanguagePackage? {
        if let number = owners[path] { return packages[number] }
        var parts = PathWalk.parts(path)
        let count = PathWalk.parts(folder).count
        while parts.count > count + 1 {
            parts.removeLast()
            if let number = folders[PathWalk.prefix(parts)], number >= 0 { return packages[number] }
        }
        return nil
    }

    /// Those whose sources lie elsewhere.
    var installedInPlace: [LanguagePackage] { packages.filter { !$0.sources.isEmpty } }

    // MARK: Records

    private static func wheel(_ place: [UInt8], _ folder: [UInt8], _ root: FileRoot) -> LanguagePackage? {
        func text(_ name: String) -> [UInt8]? { PathWalk.contents(place + Array("/\(name)".utf8), root) }
        guard let metadata = text("METADATA"), let names = PythonRecords.names(metadata: metadata) else {
            return nil
        }
        var package = LanguagePackage(
            .python, name: names.name, version: names.version, folder: folder,
            record: place + Array("/METADATA".utf8))
        package.recorded = PythonRecords.files(record: text("RECORD") ?? []).map {
            (PathWalk.join(folder, $0.path), $0.digest)
        }
        // A package without a list cannot be distinguished from what lies beside it (Recording installed projects, PyPA).
        if package.recorded.isEmpty { package.origin = .local }
        guard let url = text("direct_url.json") else { return package }
        let (origin, isEditable) = PythonRecords.origin(directURL: url)
        package.origin = origin
        if isEditable { package.sources = sources(of: package, folder, root) }
        return package
    }

    /// Where the path files and finders of an editable installation lead.
    private static func sources(of package: LanguagePackage, _ folder: [UInt8], _ root: FileRoot) -> [[UInt8]]
    {
        var found: Set<[UInt8]> = []
        for (path, _) in package.recorded {
            guard let text = PathWalk.contents(path, root, limit: 1 << 20) else { continue }
            if path.hasSuffix(".pth") {
                found.formUnion(PythonRecords.folders(path: text, in: folder))
            } else if path.hasSuffix("_finder.py") {
                found.formUnion(PythonRecords.folders(finder: text))
            }
        }
        return found.filter { PathWalk.isThere($0, root) }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// What setuptools made before wheels: a folder, or a file of metadata alone, then without a list.
    private static func egg(_ place: [UInt8], _ folder: [UInt8], _ root: FileRoot) -> LanguagePackage? {
        guard
            let record = [place + Array("/PKG-INFO".utf8), place].first(where: { PathWalk.isFile($0, root) }),
            let metadata = PathWalk.contents(record, root),
            let names = PythonRecords.names(metadata: metadata)
        else { return nil }
        var package = LanguagePackage(
            .python, name: names.name, version: names.version, folder: folder, record: record)
        let list = PathWalk.contents(place + Array("/installed-files.txt".utf8), root) ?? []
        package.recorded = list.split(separator: UInt8(ascii: "\n")).filter { !$0.contains(0) }.map {
            (PathWalk.join(place, $0), nil)
        }
        // Nothing says whether its files are as they were.
        package.origin = package.recorded.isEmpty ? .local : .unknown
        return package
    }

    /// `setup.py develop`: a file with the folder of the sources.
    private static func link(_ place: [UInt8], _ name: [UInt8], _ folder: [UInt8], _ root: FileRoot)
        -> LanguagePackage?
    {
        guard let text = PathWalk.contents(place, root, limit: 1 << 16),
            let line = text.split(separator: UInt8(ascii: "\n")).first, line.first == PathWalk.slash,
            !line.contains(0)
        else { return nil }
        var package = LanguagePackage(
            .python, name: String(decoding: name.dropLast(".egg-link".utf8.count), as: UTF8.self),
            version: "",
            folder: folder, record: place)
        package.recorded = [(place, nil)]
        package.origin = .local
        let source = PathWalk.join([], line)
        package.sources = PathWalk.isThere(source, root) ? [source] : []
        return package
    }
}

/// Where Python looks for modules besides, by the path files of a folder of modules.
public enum PythonPaths {
    /// The folders that its `*.pth` files name, and those above the ones to which finders lead, as far as they are there.
    public static func folders(of folder: [UInt8], root: String) -> [[UInt8]] {
        let root = FileRoot(root)
        var found: [[UInt8]] = []
        for name in PathWalk.names(folder, root) {
            let place = folder + [PathWalk.slash] + name
            guard
                name.hasSuffix(".pth")
                    || (name.starts(with: "__editable__".utf8) && name.hasSuffix("_finder.py")),
                let text = PathWalk.contents(place, root, limit: 1 << 20)
            else { continue }
            if name.hasSuffix(".pth") {
                found += PythonRecords.folders(path: text, in: folder)
            } else {
                found += PythonRecords.folders(finder: text).map {
                    PathWalk.prefix(PathWalk.parts($0).dropLast())
                }
            }
        }
        return found.filter { !$0.isEmpty && PathWalk.isThere($0, root) }
    }
}

extension [UInt8] {
    /// Whether a path or name ends so.
    func hasSuffix(_ text: String) -> Bool {
        count > text.utf8.count && suffix(text.utf8.count).elementsEqual(text.utf8)
    }
}
