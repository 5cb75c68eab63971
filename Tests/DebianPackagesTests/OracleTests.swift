import DebianPackages
import Foundation
import PackageFiles
import TestSupport
import Testing

/// dpkg itself, on the system that the tests run on, gives the answers that are expected.
@Suite(.enabled(if: Oracle.isThere, "there is no dpkg with a database here"), .serialized)
struct OracleTests {
    @Test func packages() throws {
        try Oracle.steadily { database in
            let format = "${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\t${Essential}\\n"
            let expected = try run(["dpkg-query", "-W", "-f", format]).split(separator: "\n").map(String.init)
            let found = database.packages.filter { $0.state != .notInstalled }.map {
                [$0.name, $0.version, $0.architecture, $0.state.rawValue, $0.isEssential ? "yes" : "no"]
                    .joined(separator: "\t")
            }
            return {
                // dpkg 1.21 leaves the word out for packages that are not essential.
                let words = expected.map { $0.hasSuffix("\t") ? $0 + "no" : $0 }
                #expect(Set(found) == Set(words))
                #expect(found.count == words.count)
                #expect(database.damage == [])
            }
        }
    }

    @Test func essentialPackages() throws {
        try Oracle.steadily { database in
            let lines = try run(["dpkg-query", "-W", "-f", "${Essential} ${Package}\\n"]).split(
                separator: "\n")
            let expected = lines.filter { $0.hasPrefix("yes ") }.map { String($0.dropFirst(4)) }
            let base = database.minimalBase()
            let sizes = database.sizes(of: base.packages)
            return {
                #expect(Set(database.essential.map { database.package($0).name }) == Set(expected))
                #expect(Set(base.packages).isSuperset(of: database.essential))
                #expect(base.packages.count > expected.count)
                #expect(sizes.withoutList == [])
                #expect(sizes.files.regular.apparent > 1 << 20)
            }
        }
    }

    /// 500 files of packages, by the name that the package lists and by the one that the kernel reports.
    @Test func ownersOfFiles() throws {
        try Oracle.steadily { database in
            var generator = SeededGenerator(seed: 500)
            var listed: Set<String> = []
            var folders: Set<String> = []
            for id in database.present.shuffled(using: &generator) where listed.count < 3000 {
                let lines = try run(["dpkg", "-L", database.package(id).qualifiedName]).split(separator: "\n")
                for line in lines {
                    if Oracle.isPlain(String(line)) { listed.insert(String(line)) }
                    folders.insert(String(line[..<(line.lastIndex(of: "/") ?? line.startIndex)]))
                }
            }
            // What packages list as a folder has no owner, even where a link stands in its place (/sbin).
            let paths = listed.subtracting(folders).sorted().shuffled(using: &generator).prefix(500)
            let owners = try Oracle.owners(paths)
            let few = try DpkgDatabase(only: paths.map { Array($0.utf8) })
            return {
                #expect(paths.count == 500)
                for path in paths {
                    let names = database.owners(of: Array(path.utf8)).map {
                        database.package($0).qualifiedName
                    }
                    #expect(Set(names) == owners[path], "\(path)")
                    #expect(few.ownerName(path) == database.ownerName(path), "\(path)")
                    let real = Oracle.realPath(path)
                    #expect(database.ownerName(real) == database.ownerName(path), "\(real)")
                }
            }
        }
    }

    /// Names that lie near those of packages and are none.
    @Test func filesOfNobody() throws {
        try Oracle.steadily { database in
            let near = try run(["dpkg", "-L", "dpkg"]).split(separator: "\n").map { "\($0)~" }
            let answers = try Oracle.owners(near.filter { !FileManager.default.fileExists(atPath: $0) }[...])
            return {
                #expect(answers.isEmpty)
                for path in near { #expect(database.ownerName(path) == nil, "\(path)") }
            }
        }
    }

    /// `dpkg -V` names changed and missing files; so does `verify`.
    @Test func changedFiles() throws {
        try Oracle.steadily { database in
            var generator = SeededGenerator(seed: 501)
            let small = database.present.filter { (database.package($0).declaredKibibytes ?? 0) < 5000 }
            let chosen = small.shuffled(using: &generator).prefix(40) + database.essential
            var expected: [String: Set<String>] = [:]
            var found: [String: Set<String>] = [:]
            for id in chosen {
                let name = database.package(id).qualifiedName
                expected[name] = try Oracle.changed(name)
                let changed = try database.verify(id).filter { path, state in
                    switch state {
                    case .missing: true
                    case .modified, .modifiedConfiguration: Oracle.isRegular(path)
                    default: false
                    }
                }
                found[name] = Set(changed.map { Oracle.realPath(String(decoding: $0.path, as: UTF8.self)) })
            }
            return { #expect(found == expected) }
        }
    }
}

private enum Oracle {
    static let isThere =
        access("/var/lib/dpkg/status", R_OK) == 0 && access("/usr/bin/dpkg-query", X_OK) == 0

    /// Asks both sides, again where a package was installed or removed meanwhile, then holds them together.
    static func steadily(_ ask: (DpkgDatabase) throws -> () -> Void) throws {
        for _ in 0..<5 {
            let before = stamp()
            let asked = Result { try ask(try DpkgDatabase()) }
            if stamp() == before { return try asked.get()() }
        }
        throw Failure("packages were installed all the time")
    }

    private static func stamp() -> [Int] {
        ["status", "info", "updates"].flatMap { name in
            var status = stat()
            lstat("/var/lib/dpkg/" + name, &status)
            return [Int(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        }
    }

    /// A file that a package has for itself, and that dpkg takes for no pattern.
    static func isPlain(_ path: String) -> Bool {
        guard path.hasPrefix("/"), !path.contains(where: { "*[?\\".contains($0) }) else { return false }
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
    }

    static func isRegular(_ path: [UInt8]) -> Bool {
        var status = stat()
        return lstat(String(decoding: path, as: UTF8.self), &status) == 0
            && status.st_mode & S_IFMT == S_IFREG
    }

    /// The path with the links in its directories resolved, and not one at its end.
    static func realPath(_ path: String) -> String {
        let name = path.split(separator: "/").last ?? ""
        let folder = String(path.dropLast(name.count + 1))
        guard let real = realpath(folder.isEmpty ? "/" : folder, nil) else { return path }
        defer { free(real) }
        let text = String(cString: real)
        return (text == "/" ? "" : text) + "/" + name
    }

    /// Packages by path, as `dpkg -S` names them; paths that it does not know are not there.
    static func owners(_ paths: some Collection<String>) throws -> [String: Set<String>] {
        let child = try Child(["dpkg", "-S"] + paths, environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"])
        _ = try child.wait()
        var result: [String: Set<String>] = [:]
        for line in child.outputText.split(separator: "\n") where !line.hasPrefix("diversion by ") {
            guard let colon = line.range(of: ": /") else { continue }
            let names = line[..<colon.lowerBound].split(separator: ",").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            result[String(line[line.index(colon.lowerBound, offsetBy: 2)...]), default: []].formUnion(names)
        }
        return result
    }

    /// Paths that `dpkg -V` names as changed or missing.
    static func changed(_ package: String) throws -> Set<String> {
        let child = try Child(
            ["dpkg", "-V", package], environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"])
        _ = try child.wait()
        return Set(
            child.outputText.split(separator: "\n").compactMap { line in
                line.firstIndex(of: "/").map { realPath(String(line[$0...])) }
            })
    }
}
