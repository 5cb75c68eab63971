import Foundation
import TestSupport
import Testing

@testable import LanguagePackages

/// What npm has packed and installed here, from an archive and from a registry on the loopback interface.
@Suite struct NodeTests {
    @Test(.enabled(if: NodeApplication.isThere, "npm is not here"), .timeLimit(.minutes(2)))
    func packages() throws {
        try withTemporaryFolder { folder in
            try NodeApplication.make(in: folder)
            let app = folder + "/app"
            let languages = LanguagePackages(root: "/")
            func owner(_ path: String) -> LanguagePackage? { languages.owner(of: Array((app + path).utf8)) }
            let lib = try #require(owner("/node_modules/@shop/lib/index.js"))
            #expect(
                lib.system == .npm && lib.name == "@shop/lib" && lib.version == "3.0.1"
                    && lib.folder == Array(app.utf8))
            #expect(lib.origin == .index && lib.canBeFetched && languages.condition(of: lib) == .unknown)
            #expect(lib.places == [Array((app + "/node_modules/@shop/lib").utf8)])
            let digest = try run([
                "sh", "-c", "openssl dgst -sha512 -binary \"$1\" | base64 -w 0", "sh",
                folder + "/lib/shop-lib-3.0.1.tgz",
            ])
            #expect(lib.integrity == "sha512-" + digest)
            // npm's own words.
            let listed =
                try JSONSerialization.jsonObject(
                    with: Data(LanguageTools.run(["npm", "ls", "--json"], home: folder, folder: app).utf8))
                as? [String: Any]
            let dependencies = try #require(listed?["dependencies"] as? [String: [String: Any]])
            #expect(dependencies["@shop/lib"]?["version"] as? String == lib.version)
            // An archive of this host.
            let plain = try #require(owner("/node_modules/plain/index.js"))
            #expect(plain.version == "0.1.0" && plain.origin == .local && !plain.canBeFetched)
            // A link: what it leads to are files of a person.
            #expect(languages.owner(of: Array((folder + "/linked/index.js").utf8)) == nil)
            #expect(languages.installedInPlace().map(\.sources) == [[Array((folder + "/linked").utf8)]])
            #expect(owner("/index.js") == nil && owner("/node_modules/.package-lock.json") == nil)
            #expect(owner("/node_modules/none/index.js") == nil)
        }
    }

    @Test func placesAndTexts() {
        func folder(_ path: String) -> String? {
            NodePackages.folder(of: Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(folder("/a/node_modules/b/lib/x.js") == "/a/node_modules/b")
        #expect(folder("/a/node_modules/b/node_modules/@c/d/x.js") == "/a/node_modules/b/node_modules/@c/d")
        #expect(folder("/a/node_modules/b") == nil && folder("/a/node_modules/.bin/b") == nil)
        #expect(folder("/a/node_modules/@c/d") == nil && folder("/node_modules/b/x") == nil)
        // npm 6 and earlier note in each package where it came from.
        let old = NodePackages.names(
            manifest: Array(#"{"name": "a", "version": "1", "_resolved": "https://r/a/-/a-1.tgz"}"#.utf8))
        #expect(old?.origin == .index)
        for (resolved, origin) in [
            ("git+ssh://git@x/a.git#12", LanguagePackage.Origin.address("git+ssh://git@x/a.git#12")),
            ("https://x/a.tgz", .address("https://x/a.tgz")), ("file:../a.tgz", .local), ("a", .local),
        ] {
            let text = #"{"packages": {"node_modules/a": {"version": "1", "resolved": "\#(resolved)"}}}"#
            #expect(NodePackages.listed(lock: Array(text.utf8))["node_modules/a"]?.origin == origin)
        }
        #expect(NodePackages.names(manifest: Array(#"{"name": 1, "version": "1"}"#.utf8)) == nil)
    }
}
