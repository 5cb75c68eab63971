import Foundation

/// An application in `app`, into which npm has installed `@shop/lib` from a registry on the loopback interface, `plain` from an
/// archive, and `linked`, a folder beside it, by a link.
package enum NodeApplication {
    /// Whether npm is here, or has to be.
    package static let isThere = LanguageTools.isThere("/usr/bin/npm")

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

    /// Makes it in an empty folder.
    package static func make(in folder: String) throws {
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
    }
}
