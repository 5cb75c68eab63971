import Foundation
import TestSupport
import Testing

@testable import LanguagePackages

/// What npm has packed and installed here, from an archive and from a registry on the loopback interface.
@Suite struct NodeTests {
    /// A registry with one package, at a port that it names.
    private static let registry = """
        import base64, hashlib, http.server, json, sys
        archive = open(sys.argv[1], "rb").read()
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                here = "http://127.0.0.1:%d" % self.server.server_port
                if self.path.endswith(".tgz"):
                    body = archive
                else:
                    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
                    dist = {"tarball": here + "/@shop/lib/-/lib-3.0.1.tgz", "integrity": digest}
                    body = json.dumps({"name": "@shop/lib", "dist-tags": {"latest": "3.0.1"}, "versions":
                        {"3.0.1": {"name": "@shop/lib", "version": "3.0.1", "dist": dist}}}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *_): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_port, flush=True)
        server.serve_forever()
        """

    @Test(.enabled(if: LanguageTools.isThere("/usr/bin/npm"), "npm is not here"), .timeLimit(.minutes(2)))
    func packages() throws {
        try withTemporaryFolder { folder in
            for (name, manifest) in [
                ("lib", #"{"name": "@shop/lib", "version": "3.0.1"}"#),
                ("linked", #"{"name": "linked", "version": "1.0.0"}"#),
                ("plain", #"{"name": "plain", "version": "0.1.0"}"#),
                ("app", #"{"name": "app", "version": "1.0.0"}"#),
            ] {
                try makeFolder("\(folder)/\(name)")
                try write(manifest, to: "\(folder)/\(name)/package.json")
                try write("module.exports = 1\n", to: "\(folder)/\(name)/index.js")
            }
            let app = folder + "/app"
            for name in ["lib", "plain"] {
                try LanguageTools.run(["npm", "pack"], home: folder, folder: "\(folder)/\(name)")
            }
            try write(Self.registry, to: folder + "/registry.py")
            let server = try Child(["python3", folder + "/registry.py", folder + "/lib/shop-lib-3.0.1.tgz"])
            defer { server.kill() }
            while server.outputText.isEmpty { usleep(10_000) }
            let port = server.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
            try LanguageTools.run(
                ["npm", "install", "--registry", "http://127.0.0.1:\(port)", "@shop/lib"], home: folder,
                folder: app)
            try LanguageTools.run(
                ["npm", "install", "--offline", "../plain/plain-0.1.0.tgz", "../linked"], home: folder,
                folder: app)

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
