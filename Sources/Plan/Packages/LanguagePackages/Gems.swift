import PackageFiles

/// What gem(1) has installed: `GEM_HOME/specifications/NAME-VERSION.gemspec` and `GEM_HOME/gems/NAME-VERSION`.
enum Gems {
    /// The folder of the gem in which a file lies.
    static func folder(of path: [UInt8]) -> [UInt8]? {
        let parts = PathWalk.parts(path)
        // Extensions lie apart: extensions/PLATFORM/ABI/NAME-VERSION.
        if let place = parts.lastIndex(where: { $0.elementsEqual("extensions".utf8) }), place > 0,
            parts.count > place + 4
        {
            return PathWalk.prefix(parts[..<place] + [Array("gems".utf8)[...], parts[place + 3]])
        }
        guard let place = parts.dropLast(2).lastIndex(where: { $0.elementsEqual("gems".utf8) }), place > 0
        else { return nil }
        return PathWalk.prefix(parts[...(place + 1)])
    }

    /// What is installed in a folder; `nil` if there is no specification of it.
    static func package(in folder: [UInt8], _ root: FileRoot) -> LanguagePackage? {
        let parts = PathWalk.parts(folder)
        guard parts.count > 2, let full = parts.last else { return nil }
        let home = PathWalk.prefix(parts.dropLast(2))
        let file = home + Array("/specifications/".utf8) + full + Array(".gemspec".utf8)
        guard let text = PathWalk.contents(file, root, limit: 1 << 22), let names = names(specification: text)
        else {
            return nil
        }
        var package = LanguagePackage(
            .gem, name: names.name, version: names.version, folder: home, record: file)
        // gem(1) does not record where one came from.
        package.origin = .unknown
        package.places = [folder, file]
        let extensions = home + Array("/extensions".utf8)
        for platform in PathWalk.names(extensions, root) {
            let platform = extensions + [PathWalk.slash] + platform
            for abi in PathWalk.names(platform, root) {
                let place = platform + [PathWalk.slash] + abi + [PathWalk.slash] + full
                if PathWalk.isThere(place, root) { package.places.append(place) }
            }
        }
        package.places.sort { $0.lexicographicallyPrecedes($1) }
        return package
    }

    /// The line with which rubygems 1.8 and later begin a specification, `# stub: NAME VERSION PLATFORM PATHS`; in earlier ones
    /// the statements that set them.
    static func names(specification text: [UInt8]) -> (name: String, version: String)? {
        var name: String?
        var version: String?
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let line = String(decoding: line, as: UTF8.self)
            if line.hasPrefix("# stub: ") {
                let words = line.split(separator: " ")
                if words.count > 3 { return (String(words[2]), String(words[3])) }
            }
            name = name ?? string(line, after: "s.name")
            version = version ?? string(line, after: "s.version")
            if let name, let version { return (name, version) }
        }
        return nil
    }

    /// `s.name = "x".freeze`
    private static func string(_ line: String, after statement: String) -> String? {
        let line = line.drop { $0 == " " }
        guard line.hasPrefix(statement + " ") || line.hasPrefix(statement + "=") else { return nil }
        let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
        return parts.count > 2 && !parts[1].isEmpty ? String(parts[1]) : nil
    }
}
