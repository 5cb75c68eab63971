import Foundation
import PackageFiles
import TestSupport
import Testing

@testable import LanguagePackages

/// What pip has installed here, by pip's own words.
@Suite(.enabled(if: Python.isThere, "pip is not here"))
struct PythonTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func aWheelOfAnIndex() throws {
        try withTemporaryFolder { folder in
            let python = try Python(in: folder)
            for name in ["shop-lib", "other"] { _ = try python.wheel(python.project(name)) }
            try python.pip(["install", "--find-links", folder + "/wheels", "shop-lib", "other"])
            let languages = LanguagePackages(root: "/")
            let module = bytes(python.modules + "/shoplib/part.py")
            let package = try #require(languages.owner(of: module))
            #expect(package.system == .python && package.name == "shop-lib" && package.version == "1.5")
            #expect(package.folder == bytes(python.modules))
            #expect(package.origin == .index && package.canBeFetched && package.sources.isEmpty)
            // pip's own list of its files.
            let shown = try python.pip(["show", "-f", "shop-lib"])
            let listed = shown.split(separator: "\n").drop { $0 != "Files:" }.dropFirst().map {
                PathWalk.join(package.folder, Array($0.utf8.drop { $0 == UInt8(ascii: " ") }))
            }
            #expect(listed.count > 8 && Set(package.recorded.map(\.path)) == Set(listed))
            for path in listed {
                #expect(
                    languages.owner(of: path)?.name == "shop-lib", "\(String(decoding: path, as: UTF8.self))")
            }
            let base = python.modules
            #expect(
                package.places.map { String(decoding: $0, as: UTF8.self) } == [
                    python.environment + "/bin/shop-lib", base + "/shop_lib-1.5.dist-info", base + "/shoplib",
                ])
            #expect(languages.owner(of: bytes(base + "/other/part.py"))?.name == "other")
            #expect(languages.owner(of: bytes(base + "/mine.py")) == nil)
            #expect(languages.owner(of: bytes(python.environment + "/bin/python3")) == nil)
            #expect(languages.installedInPlace() == [])

            #expect(languages.condition(of: package) == .unchanged)
            // Bytecode that Python makes later is nobody's change.
            try makeFolder(base + "/shoplib/__pycache__")
            try write("x", to: base + "/shoplib/__pycache__/part.cpython-399.pyc")
            #expect(languages.condition(of: package) == .unchanged)
            try write("mine", to: base + "/shoplib/data.txt")
            #expect(languages.condition(of: package) == .changed(bytes(base + "/shoplib/data.txt")))
            try FileManager.default.removeItem(atPath: base + "/shoplib/data.txt")
            try write("x = 2\n", to: base + "/shoplib/part.py")
            #expect(languages.condition(of: package) == .changed(module))
            try FileManager.default.removeItem(atPath: base + "/shoplib/part.py")
            #expect(languages.condition(of: package) == .changed(module))
        }
    }

    /// An archive of this host is nothing that another one can fetch.
    @Test func aWheelOfThisHost() throws {
        try withTemporaryFolder { folder in
            let python = try Python(in: folder)
            try python.pip(["install", python.wheel(python.project("shop-lib"))])
            let languages = LanguagePackages(root: "/")
            let package = try #require(languages.owner(of: bytes(python.modules + "/shoplib/part.py")))
            #expect(package.origin == .local && !package.canBeFetched)
            #expect(languages.condition(of: package) == .unchanged)
        }
    }

    /// Sources that are installed in place are files of a person: by a path file, and by a finder.
    @Test(arguments: [false, true]) func anEditableInstallation(isFlat: Bool) throws {
        try withTemporaryFolder { folder in
            let python = try Python(in: folder)
            let project = try python.project("shop-lib", isFlat: isFlat)
            try python.pip(["install", "--no-build-isolation", "--no-deps", "-e", project])
            let languages = LanguagePackages(root: "/")
            let names = try FileManager.default.contentsOfDirectory(atPath: python.modules)
            #expect(names.contains { $0.hasSuffix("_finder.py") } == isFlat)
            let sources = project + (isFlat ? "/shoplib" : "/src")
            #expect(languages.owner(of: bytes(project + "/src/shoplib/part.py")) == nil)
            let package = try #require(languages.owner(of: bytes(python.environment + "/bin/shop-lib")))
            #expect(package.origin == .local && !package.canBeFetched)
            #expect(package.sources == [bytes(sources)])
            #expect(languages.installedInPlace().map(\.name) == ["shop-lib"])
            let imported = try LanguageTools.run(
                [python.environment + "/bin/python", "-c", "import shoplib; print(shoplib.__file__)"],
                home: folder)
            #expect(imported.hasPrefix(sources))
            #expect(
                PythonPaths.folders(of: bytes(python.modules), root: "/") == [
                    bytes(isFlat ? project : sources)
                ])
        }
    }
}

/// The texts that pip and setuptools leave.
@Suite struct PythonRecordsTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func linesOfARecord() {
        let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
        let files = PythonRecords.files(
            record: bytes(
                "a/b.py,sha256=\(digest),0\r\n\"a,\"\"b\"\"\nc\",sha256=x,1\nd,,\ne,sha512=\(digest),\n\nf,sha256=\(digest)"
            ))
        #expect(
            files.map { String(decoding: $0.path, as: UTF8.self) } == ["a/b.py", "a,\"b\"\nc", "d", "e", "f"])
        #expect(files.map { $0.digest != nil } == [true, false, false, false, true])
        #expect(files[0].digest == SHA256.digest(of: []))
    }

    @Test func namesAndOrigins() {
        #expect(
            PythonRecords.names(
                metadata: bytes("Metadata-Version: 2.1\nName: a-b\r\nVersion: 1\n\nName: c\n")
            ).map { "\($0)" } == #"(name: "a-b", version: "1")"#)
        #expect(PythonRecords.names(metadata: bytes("\nName: c\n")) == nil)
        func origin(_ text: String) -> LanguagePackage.Origin {
            PythonRecords.origin(directURL: bytes(text)).origin
        }
        #expect(
            origin(#"{"url": "https://x.example/a.whl", "archive_info": {}}"#)
                == .address("https://x.example/a.whl"))
        #expect(
            origin(#"{"url": "https://x.example/a", "vcs_info": {"vcs": "git", "commit_id": "12ab"}}"#)
                == .address("git+https://x.example/a@12ab"))
        for text in [
            "", "{}", "[]", #"{"url": "FILE:///a"}"#, #"{"url": "https://x", "vcs_info": {"vcs": "git"}}"#,
        ] {
            #expect(origin(text) == .local, "\(text)")
        }
    }

    @Test func pathFilesAndFinders() {
        let folder = bytes("/v/site-packages")
        #expect(
            PythonRecords.folders(
                path: bytes("import os; x\n# no\n../../src\r\n/a b\n\n./c\nimportant\n"), in: folder)
                == ["/src", "/a b", "/v/site-packages/c", "/v/site-packages/important"].map(bytes))
        let finder =
            #"MAPPING: dict[str, str] = {'a': '/x/it\'s', "b": "/y\\z\xe9\u20ac\udcff", 'c': 'relative'}"#
        #expect(
            PythonRecords.folders(finder: bytes("import x\n" + finder + "\nNAMESPACES = {'/n': []}\n"))
                == [bytes("/x/it's"), bytes("/y\\z\u{e9}\u{20ac}") + [0xff]])
    }

    /// What setuptools made before wheels, in a folder that two packages share.
    @Test func eggs() throws {
        try withTemporaryFolder { root in
            let folder = root + "/usr/local/lib/python3.11/dist-packages"
            for name in ["one", "two"] {
                try makeFolder("\(folder)/\(name)-1.egg-info")
                try makeFolder("\(folder)/shared/\(name)")
                try write("Name: \(name)\nVersion: 1\n", to: "\(folder)/\(name)-1.egg-info/PKG-INFO")
                try write(
                    "../shared/\(name)/x.py\n../shared/\(name).py\nPKG-INFO\n",
                    to: "\(folder)/\(name)-1.egg-info/installed-files.txt")
            }
            try makeFolder(root + "/home/me/three")
            try write("/home/me/three\n.", to: folder + "/three.egg-link")
            let languages = LanguagePackages(root: root)
            let base = "/usr/local/lib/python3.11/dist-packages"
            let two = try #require(languages.owner(of: bytes(base + "/shared/two/other.py")))
            #expect(two.name == "two" && two.origin == .unknown && languages.condition(of: two) == .unknown)
            #expect(
                two.places == ["/shared/two", "/shared/two.py", "/two-1.egg-info"].map { bytes(base + $0) })
            #expect(languages.owner(of: bytes(base + "/shared/mine.py")) == nil)
            #expect(languages.installedInPlace().map(\.sources) == [[bytes("/home/me/three")]])
        }
    }

    @Test func hostileRecords() {
        let good = [
            "a/b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n\"q\"\"\",,\n",
            "Name: a\nVersion: 1\n\n",
            #"{"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "1"}}"#,
            #"MAPPING = {'a': '/x\\\'\u20ac'}"#,
        ].map(bytes)
        hostileInputs(from: good, count: 8000, seed: 8) { text in
            for file in PythonRecords.files(record: text) {
                #expect(PathWalk.join([], file.path).first ?? UInt8(ascii: "/") == UInt8(ascii: "/"))
            }
            _ = (PythonRecords.names(metadata: text), PythonRecords.origin(directURL: text))
            for path in PythonRecords.folders(finder: text) + PythonRecords.folders(path: text, in: []) {
                #expect(path.first == UInt8(ascii: "/"))
            }
            _ = (
                NodePackages.names(manifest: text), NodePackages.listed(lock: text),
                Gems.names(specification: text)
            )
        }
    }
}
