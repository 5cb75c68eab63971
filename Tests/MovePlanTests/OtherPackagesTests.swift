import Foundation
import TestSupport
import Testing

@testable import MovePlan

/// Plans of hosts with packages of rpm, pip, npm and gem, which are built and installed here.
@Suite struct OtherPackagesTests {
    /// The plan of one program that has used some files.
    private func plan(
        _ root: String, _ script: String, reads: [String] = [], fetches: Bool = false,
        arguments: [String] = []
    ) -> HostPlan {
        var plan = HostPlan(id: "host")
        var program = PlannedProgram(executable: Array("/usr/bin/python3".utf8))
        program.script = Array(script.utf8)
        if !arguments.isEmpty {
            var process = PlannedProcess()
            process.arguments = arguments.map { Array($0.utf8) }
            process.folder = Array("/".utf8)
            program.process = process
        }
        plan.programs = [program]
        let files = reads.map { name in
            var file = ObservedHost.File(path: Array(name.utf8))
            file.user = program.script
            return file
        }
        return PlanBuilder.plan(
            ObservedHost(plan: plan, files: files), root: root, fetchesLanguagePackages: fetches)
    }

    private func contents(_ plan: HostPlan, _ root: String) -> Set<String> {
        Set(PlanContents(plan, root: root).paths().map { String(decoding: $0, as: UTF8.self) })
    }

    private func trial(_ plan: HostPlan, _ root: String) -> Set<String> {
        Set(TrialContents(plan, root: root).paths.map { String(decoding: $0, as: UTF8.self) })
    }

    @Test(.enabled(if: RPMSystem.isThere, "rpmbuild is not here, or this is not root"))
    func aHostOfRPM() throws {
        let system = try RPMSystem()
        try system.install([system.build(RPMSystem.base), system.build(RPMSystem.shop)])
        try write("echo HI\n", to: system.root + "/usr/bin/shop")
        try write("a=2\n", to: system.root + "/etc/shop.conf")
        try makeFolder(system.root + "/var/log/shop")
        try write("log\n", to: system.root + "/var/log/shop/ghost.log")
        let plan = plan(
            system.root, "/usr/bin/shop",
            reads: ["/usr/bin/shop-part", "/usr/bin/shop-link", "/var/log/shop/ghost.log"])
        #expect(plan.packages.map { "\($0.system) \($0.name) \($0.version)" } == ["rpm shop 2:1.2-3"])
        #expect(plan.packages.first?.reason.contains("and 2 more of its files") == true)
        #expect(
            plan.lines == [
                "/bin link pre-copy implied", "/etc folder pre-copy implied",
                "/etc/shop.conf file pre-copy likely", "/usr folder pre-copy implied",
                "/usr/bin folder pre-copy implied", "/usr/bin/shop file pre-copy exact",
                "/var folder pre-copy implied", "/var/log folder pre-copy implied",
                "/var/log/shop folder pre-copy implied", "/var/log/shop/ghost.log file pre-copy exact",
            ])
        #expect(
            plan.entry("/usr/bin/shop")?.reason.contains("changed since its package was installed") == true)
        #expect(plan.entry("/etc/shop.conf")?.reason == "a configuration file of shop that was changed")
        let paths = trial(plan, system.root)
        // What it requires, the merge of /usr, and no ghost but the one that a member used.
        for path in [
            "/usr/bin/shop-link", "/usr/bin/interpreter", "/usr/share/base/x", "/bin", "/etc/shop.d",
            "/etc/other.conf",
        ] {
            #expect(paths.contains(path), "\(path)")
        }
        #expect(TrialContents(plan, root: system.root).remarks == [])
        // Written, read and held against itself.
        let whole = Plan(program: "shop", made: 1_000_000_000, hosts: [plan])
        #expect(try PlanDocument.plan(PlanDocument.value(whole)) == whole)
    }

    /// A database that is not read is said, not passed over.
    @Test func anOlderHostOfRPM() throws {
        let root = try PlanRoot()
        try root.file("/var/lib/rpm/Packages")
        try root.file("/srv/app/app.py")
        let plan = plan(root.path, "/srv/app/app.py")
        #expect(
            plan.unknown.contains {
                $0.hasPrefix("packages: rpm's database cannot be read: /var/lib/rpm/Packages is a database")
            })
    }

    /// A root with a virtual environment, whose paths are those of the root.
    private func environment(_ body: (_ root: String, _ python: Python, _ modules: String) throws -> Void)
        throws
    {
        try withTemporaryFolder { folder in
            let python = try Python(in: folder + "/srv/app")
            try write("import shoplib\n", to: folder + "/srv/app/app.py")
            try write("python\n", to: folder + "/python3")
            try makeFolder(folder + "/usr/bin")
            try FileManager.default.moveItem(atPath: folder + "/python3", toPath: folder + "/usr/bin/python3")
            try body(folder, python, String(python.modules.dropFirst(folder.count)))
        }
    }

    @Test(.enabled(if: Python.isThere, "pip is not here"), arguments: [false, true])
    func aVirtualEnvironment(fetches: Bool) throws {
        try environment { root, python, modules in
            for name in ["shop-lib", "changed"] { _ = try python.wheel(python.project(name)) }
            try python.pip(["install", "--find-links", python.folder + "/wheels", "shop-lib", "changed"])
            for name in ["wheels", "projects"] {
                try FileManager.default.removeItem(atPath: "\(python.folder)/\(name)")
            }
            try write("x = 2\n", to: "\(root)\(modules)/changed/part.py")
            let plan = plan(
                root, "/srv/app/app.py", reads: ["\(modules)/changed/__init__.py"], fetches: fetches,
                arguments: ["/srv/app/venv/bin/python", "/srv/app/app.py"])
            // The changed one is no package any more; the other was imported, and nobody saw it.
            #expect(plan.packages.map { "\($0.system) \($0.name) \($0.version)" } == ["python shop-lib 1.5"])
            let package = try #require(plan.packages.first)
            #expect(
                package.folder == Array(modules.utf8) && package.isCopied == !fetches && package.source == nil
            )
            #expect(
                package.reason.hasPrefix("\(modules)/shoplib/__init__.py was used by /srv/app/app.py"))
            let tree = try #require(plan.entry("/srv/app"))
            #expect(tree.kind == .tree && tree.treatment == .preCopy)
            let copied = contents(plan, root)
            #expect(
                copied.contains("/srv/app/venv/pyvenv.cfg") && copied.contains("\(modules)/changed/part.py"))
            for path in ["\(modules)/shoplib", "\(modules)/shoplib/part.py", "/srv/app/venv/bin/shop-lib"] {
                #expect(copied.contains(path) == !fetches, "\(path)")
                #expect(trial(plan, root).contains(path), "\(path)")
            }
            let ofPackages = plan.entries.filter { $0.treatment == .package }
            #expect(
                ofPackages.map { PlanText.text($0.path) }
                    == (fetches
                        ? [
                            "/srv/app/venv/bin/shop-lib", "\(modules)/shop_lib-1.5.dist-info",
                            "\(modules)/shoplib",
                        ] : []))
            #expect(
                plan.unknown.contains { $0.hasPrefix("the python package changed was changed") } == fetches)
            // What is counted is what is copied.
            let bytes = copied.filter { $0.hasPrefix("/srv/app/") }.reduce(UInt64(0)) {
                $0 + (PlanContents(plan, root: root).bytes(of: Array($1.utf8)) ?? 0)
            }
            #expect(tree.bytes == bytes)
            let whole = Plan(program: "shop", made: 1_000_000_000, hosts: [plan])
            #expect(try PlanDocument.plan(PlanDocument.value(whole)) == whole)
        }
    }

    /// The sources of an editable installation lie elsewhere, and move as what they are.
    @Test(.enabled(if: Python.isThere, "pip is not here"), arguments: [false, true], [false, true])
    func sourcesInPlace(isFlat: Bool, isImported: Bool) throws {
        try environment { root, python, modules in
            let project = try python.project(
                "shop-lib", isFlat: isFlat, files: ["more.py": "import deeplib\n"])
            let deep = try python.project("deep-lib")
            for project in [project, deep] {
                try python.pip(["install", "--no-build-isolation", "--no-deps", "-e", project])
            }
            // Where a person has them; the environment names them so.
            try makeFolder(root + "/home/me")
            try FileManager.default.moveItem(
                atPath: "\(python.folder)/projects", toPath: root + "/home/me/projects")
            try run([
                "sh", "-c",
                "sed -i \"s#$1#/home/me/projects#g\" \"$2\"/*.pth \"$2\"/__editable__*.py \"$2\"/*/direct_url.json 2>/dev/null || :",
                "sh", "\(python.folder)/projects", root + modules,
            ])
            if !isImported { try write("pass\n", to: root + "/srv/app/app.py") }
            let plan = plan(
                root, "/srv/app/app.py", reads: ["\(modules)/shop_lib-1.5.dist-info/METADATA"], fetches: true,
                arguments: ["/srv/app/venv/bin/python", "/srv/app/app.py"])
            #expect(plan.packages == [])
            let copied = contents(plan, root)
            let sources = "/home/me/projects/shop-lib" + (isFlat ? "/shoplib" : "/src")
            #expect(copied.contains(sources + (isFlat ? "/part.py" : "/shoplib/part.py")), "\(copied)")
            #expect(copied.contains("/home/me/projects/deep-lib/src/deeplib/part.py"))
            #expect(copied.contains(modules + "/shop_lib-1.5.dist-info/RECORD"))
            #expect(plan.entries.allSatisfy { $0.treatment != .package })
        }
    }

    /// Of a package among others, the files that were used are not enough: what is loaded another time, and its metadata, move.
    @Test(.enabled(if: Python.isThere, "pip is not here"))
    func aPackageOfAllPrograms() throws {
        try environment { root, python, _ in
            for name in ["shop-lib", "other"] { _ = try python.wheel(python.project(name)) }
            let modules = "/usr/local/lib/python3.11/dist-packages"
            try LanguageTools.run(
                [
                    "/usr/bin/python3", "-m", "pip", "install", "--find-links", python.folder + "/wheels",
                    "--target", root + modules, "shop-lib", "other",
                ],
                home: root)
            let plan = plan(root, "/srv/app/app.py", reads: ["\(modules)/shoplib/__init__.py"])
            #expect(plan.packages.map(\.name) == ["shop-lib"])
            #expect(plan.entry(modules + "/shoplib")?.kind == .tree)
            #expect(
                plan.entry(modules + "/shop_lib-1.5.dist-info")?.reason.hasPrefix(
                    "of the python package shop-lib, of which") == true)
            #expect(!contents(plan, root).contains { $0.hasPrefix(modules + "/other") })
        }
    }

    @Test(.enabled(if: LanguageTools.isThere("/usr/bin/gem"), "gem is not here"), arguments: [false, true])
    func aGem(fetches: Bool) throws {
        try withTemporaryFolder { root in
            let source = root + "/tmp/src"
            try makeFolder(source + "/lib")
            for name in ["shop", "later"] { try write("puts 1\n", to: "\(source)/lib/\(name).rb") }
            try write(
                """
                Gem::Specification.new do |s|
                  s.name, s.version, s.summary, s.authors = "shop-gem", "2.1", "a test", ["nobody"]
                  s.files = Dir["lib/*"]
                end

                """, to: source + "/shop.gemspec")
            try LanguageTools.run(["gem", "build", "shop.gemspec"], home: root, folder: source)
            let home = "/var/lib/gems/3.1.0"
            try LanguageTools.run(
                [
                    "gem", "install", "--local", "--no-document", "--install-dir", root + home,
                    "shop-gem-2.1.gem",
                ],
                home: root, folder: source)
            let place = home + "/gems/shop-gem-2.1"
            let plan = plan(root, "/srv/run.rb", reads: [place + "/lib/shop.rb"], fetches: fetches)
            #expect(
                plan.packages.map {
                    "\($0.system) \($0.name) \($0.version) \(PlanText.text($0.folder ?? []))"
                } == ["gem shop-gem 2.1 \(home)"])
            let copied = contents(plan, root)
            #expect(copied.contains(place + "/lib/later.rb") == !fetches)
            #expect(copied.contains(home + "/specifications/shop-gem-2.1.gemspec") == !fetches)
            #expect(trial(plan, root).contains(place + "/lib/later.rb"))
            #expect(plan.unknown.contains { $0.hasPrefix("1 packages of npm, gem") } == fetches)
        }
    }

    /// What a package of the system has is that package's, whatever tool has a record of it as well.
    @Test func packagesOfTheSystemGoFirst() throws {
        let root = try PlanRoot()
        let modules = "/usr/lib/python3/dist-packages"
        try root.file("/usr/bin/python3")
        try root.file(modules + "/yaml/__init__.py")
        try root.file(modules + "/yaml/__pycache__/x.pyc")
        try root.file(modules + "/PyYAML-6.dist-info/METADATA", "Name: PyYAML\nVersion: 6\n\n")
        try root.file(
            modules + "/PyYAML-6.dist-info/RECORD", "yaml/__init__.py,,\nPyYAML-6.dist-info/METADATA,,\n")
        try root.package(
            "python3-yaml", [modules + "/yaml/__init__.py", modules + "/PyYAML-6.dist-info/METADATA"])
        let plan = plan(
            root.path, "/srv/app.py",
            reads: [modules + "/yaml/__init__.py", modules + "/yaml/__pycache__/x.pyc"])
        #expect(plan.packages.map(\.name) == ["python3-yaml"])
        #expect(plan.entry(modules + "/yaml") == nil || plan.entry(modules + "/yaml")?.kind == .folder)
    }

    /// A list of files may name what is no package's: nothing outside of its folder is left behind for it.
    @Test(arguments: [false, true]) func listsThatNameAnything(fetches: Bool) throws {
        let root = try PlanRoot()
        let modules = "/srv/app/venv/lib/python3.11/site-packages"
        try root.file("/srv/app/venv/pyvenv.cfg")
        try root.file("/srv/app/app.py")
        try root.file("/srv/app/data/1")
        try root.file("/home/me/mine")
        try root.file(modules + "/bad/__init__.py")
        try root.file(modules + "/bad-1.dist-info/METADATA", "Name: bad\nVersion: 1\n\n")
        let digest = try run([
            "sh", "-c", "printf x | openssl dgst -sha256 -binary | base64 | tr +/ -_ | tr -d =",
        ])
        .trimmingCharacters(in: .newlines)
        try root.file(
            modules + "/bad-1.dist-info/RECORD",
            "bad/__init__.py,sha256=\(digest),1\n../../../../data,sha256=\(digest),1\n../../../../data/1,,\n"
                + "../../../../../../home/me,sha256=\(digest),\n../../../../../../../../home/me/mine,,\n/,,\n"
        )
        let plan = plan(root.path, "/srv/app/app.py", reads: [modules + "/bad/__init__.py"], fetches: fetches)
        // Folders have no contents that could be as they were.
        #expect(plan.packages == [])
        #expect(contents(plan, root.path).contains("/srv/app/data/1"))
        try root.file(
            modules + "/bad-1.dist-info/RECORD",
            "bad/__init__.py,sha256=\(digest),1\n../../../../data/1,,\n/,,\n../../../../data,,\n")
        let other = self.plan(
            root.path, "/srv/app/app.py", reads: [modules + "/bad/__init__.py"], fetches: fetches)
        #expect(other.packages.map(\.name) == ["bad"])
        #expect(contents(other, root.path).contains("/srv/app/data/1"))
        #expect(contents(other, root.path).contains(modules + "/bad/__init__.py") == !fetches)
        #expect(other.entries.filter { $0.treatment == .package }.count == (fetches ? 1 : 0))
        #expect(other.entries.allSatisfy { !$0.path.starts(with: "/home".utf8) })
    }

    /// A path file that a person has put there leads to modules as well.
    @Test func pathFiles() throws {
        let root = try PlanRoot()
        let modules = "/srv/app/venv/lib/python3.11/site-packages"
        try root.file("/srv/app/venv/pyvenv.cfg")
        try root.file("/srv/app/venv/bin/python")
        try root.file("/home/me/app.py", "import plainlib\n")
        try root.file(modules + "/mine.pth", "import sys\n/opt/shared\n")
        try root.file("/opt/shared/plainlib/__init__.py")
        try root.file("/opt/shared/other/__init__.py")
        let plan = plan(
            root.path, "/home/me/app.py", arguments: ["/srv/app/venv/bin/python", "/home/me/app.py"])
        #expect(plan.entry("/opt/shared/plainlib")?.reason == "imported by /home/me/app.py", "\(plan.lines)")
        #expect(!contents(plan, root.path).contains("/opt/shared/other/__init__.py"))
    }

    @Test(
        .enabled(if: NodeApplication.isThere, "npm is not here"), .timeLimit(.minutes(2)),
        arguments: [false, true])
    func anApplicationOfNode(fetches: Bool) throws {
        try withTemporaryFolder { root in
            try makeFolder(root + "/srv/shop")
            try NodeApplication.make(in: root + "/srv/shop")
            let modules = "/srv/shop/app/node_modules"
            try write("require('@shop/lib'); require(\"plain\")\n", to: root + "/srv/shop/app/server.js")
            let plan = plan(
                root, "/srv/shop/app/server.js",
                reads: [modules + "/@shop/lib/index.js", modules + "/plain/index.js"],
                fetches: fetches, arguments: ["node", "/srv/shop/app/server.js"])
            #expect(plan.packages.map { "\($0.system) \($0.name) \($0.version)" } == ["npm @shop/lib 3.0.1"])
            let package = try #require(plan.packages.first)
            #expect(
                package.folder == Array("/srv/shop/app".utf8)
                    && package.integrity?.hasPrefix("sha512-") == true)
            #expect(package.isCopied == !fetches)
            let copied = contents(plan, root)
            #expect(copied.contains(modules + "/@shop/lib/index.js") == !fetches)
            // An archive of this host, and the sources of a link, are nothing that another host can fetch.
            for path in [modules + "/plain/index.js", modules + "/linked", "/srv/shop/linked/index.js"] {
                #expect(copied.contains(path), "\(path)")
            }
            #expect(trial(plan, root).contains(modules + "/@shop/lib/index.js"))
        }
    }
}
