import Foundation
import PackageFiles
import RPMPackages
import TestSupport
import Testing

/// rpm itself, of packages that were built here and installed in a root of their own, gives the answers that are expected.
@Suite(.enabled(if: RPMSystem.isThere, "rpmbuild is not here, or this is not root"))
struct OracleTests {
    private let system: RPMSystem

    init() throws {
        system = try RPMSystem()
        try system.install([system.build(RPMSystem.base), system.build(RPMSystem.shop)])
    }

    private func open(only wanted: [String]? = nil) throws -> RPMDatabase {
        try RPMDatabase(root: system.root, only: wanted.map { $0.map { Array($0.utf8) } })
    }

    private func state(_ path: String, _ database: RPMDatabase) -> FileState {
        database.states(of: [Array(path.utf8)])[0]
    }

    @Test func packagesAndFiles() throws {
        let database = try open()
        #expect(database.flaws == nil)
        let format = "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n"
        let labels = database.present.map { database.label(of: $0) }
        #expect(
            try Set(labels.map { "\($0.name) \($0.version)" }) == Set(system.lines(["-qa", "--qf", format])))
        #expect(labels.count == 2 && labels.contains(PackageLabel(name: "shop", version: "2:1.2-3")))
        for id in database.present {
            let name = database.label(of: id).name
            let ghosts = try Set(
                system.lines(["-q", "--qf", "[%{FILEFLAGS:fflags} %{FILENAMES}\\n]", name]).filter {
                    $0.first == "g"
                })
            let listed = try system.lines(["-ql", name]).filter { !ghosts.contains("g \($0)") }
            let found = try #require(database.listing(of: id)).map { String(decoding: $0, as: UTF8.self) }
            // By the name that the kernel reports.
            #expect(Set(found) == Set(listed.map { $0.hasPrefix("/bin/") ? "/usr" + $0 : $0 }))
            #expect(found.count >= 2)
            #expect(name != "shop" || ghosts.count == 1)
            let settings = try Set(system.lines(["-qc", name]))
            #expect(
                Set(database.configurationFiles(of: id).map { String(decoding: $0, as: UTF8.self) })
                    == settings)
        }
    }

    @Test func ownersOfFiles() throws {
        let database = try open()
        let files = try run([
            "find", system.root, "-not", "-type", "d", "-not", "-path", "*/var/lib/rpm/*", "-printf", "/%P\n",
        ])
        .split(separator: "\n").map(String.init).filter { $0 != "/bin" }
        #expect(files.count == 10, "\(files)")
        let few = try open(only: files)
        for file in files {
            // rpm follows the links on the way; only by its own name it knows this one.
            let asked = file == "/usr/bin/interpreter" ? "/bin/interpreter" : file
            let expected = try system.rpm(["-qf", "--qf", "%{NAME}", asked])
            for database in [database, few] {
                let path = Array(file.utf8)
                #expect(database.owner(of: path).map { database.label(of: $0).name } == expected, "\(file)")
                #expect(state(file, database) == .pristine, "\(file)")
            }
        }
        // Lists it and does not bring it: what lies there is the host's.
        try makeFolder(system.root + "/var/log/shop")
        try write("log", to: system.root + "/var/log/shop/ghost.log")
        #expect(try system.rpm(["-qf", "--qf", "%{NAME}", "/var/log/shop/ghost.log"]) == "shop")
        #expect(database.owner(of: Array("/var/log/shop/ghost.log".utf8)) == nil)
        #expect(state("/var/log/shop/ghost.log", database) == .unpackaged)
        // A folder is nobody's, an empty one included.
        for folder in ["/etc/shop.d", "/var/lib/shop", "/usr/share/doc/shop", "/usr/share/base"] {
            #expect(database.owner(of: Array(folder.utf8)) == nil)
            #expect(state(folder, database) == .directory, "\(folder)")
        }
        #expect(state("/bin/interpreter", database) == .pristine)
        #expect(state("/usr/bin/none", database) == .unpackaged)
    }

    /// `rpm -V` names what was changed, and so do we, file by file.
    @Test func changedFiles() throws {
        let database = try open()
        #expect(try system.changed("shop").isEmpty)
        // As long as it was.
        try write("echo HI\n", to: system.root + "/usr/bin/shop")
        try write("longer than it was\n", to: system.root + "/usr/bin/shop-part")
        try write("a=2\n", to: system.root + "/etc/shop.conf")
        try FileManager.default.removeItem(atPath: system.root + "/usr/share/doc/shop/README")
        try FileManager.default.removeItem(atPath: system.root + "/usr/bin/shop-link")
        try FileManager.default.createSymbolicLink(
            atPath: system.root + "/usr/bin/shop-link", withDestinationPath: "nowhere")
        let expected: [String: FileState] = [
            "/usr/bin/shop": .modified, "/usr/bin/shop-part": .modified, "/usr/bin/shop-link": .modified,
            "/etc/shop.conf": .modifiedConfiguration, "/usr/share/doc/shop/README": .missing,
        ]
        #expect(try system.changed("shop") == Set(expected.keys))
        let id = try #require(database.find(named: "shop").first)
        let paths = try #require(database.listing(of: id))
        for (path, state) in zip(paths, database.states(of: paths)) {
            let name = String(decoding: path, as: UTF8.self)
            let wanted = expected[name] ?? (database.owner(of: path) == nil ? .directory : .pristine)
            #expect(state == wanted, "\(name)")
        }
        // Something else in its place.
        try FileManager.default.removeItem(atPath: system.root + "/usr/bin/shop")
        try makeFolder(system.root + "/usr/bin/shop")
        #expect(state("/usr/bin/shop", database) == .modified)
    }

    /// Digests of old packages (MD5) and of such as nobody builds (SHA-512).
    @Test(arguments: [
        ("1", FileState.pristine, FileState.modified), ("10", .unknown(.otherDigest), .unknown(.otherDigest)),
    ])
    func otherDigests(algorithm: String, before: FileState, after: FileState) throws {
        let package = RPMSystem.Package(
            name: "old", install: "mkdir -p $R/opt; echo abc > $R/opt/x", files: "/opt/x",
            options: ["--define", "_binary_filedigest_algorithm \(algorithm)"])
        try system.install([system.build(package)])
        let database = try open()
        #expect(state("/opt/x", database) == before)
        try write("abd\n", to: system.root + "/opt/x")
        #expect(try system.changed("old") == ["/opt/x"])
        #expect(state("/opt/x", database) == after)
        // The size alone shows it, whatever the digest is.
        try write("abcd\n", to: system.root + "/opt/x")
        #expect(state("/opt/x", database) == .modified)
    }

    /// What was left out at installation, and what another package has put in its place, are not the package's.
    @Test func leftOutAndReplaced() throws {
        let docs = RPMSystem.Package(
            name: "docs", install: "mkdir -p $R/opt; echo d > $R/opt/doc; echo e > $R/opt/same",
            files: "%doc /opt/doc\n/opt/same")
        let other = RPMSystem.Package(
            name: "other", install: "mkdir -p $R/opt; echo other > $R/opt/same", files: "/opt/same")
        try system.install([system.build(docs)], ["--excludedocs"])
        try system.install([system.build(other)], ["--replacefiles"])
        let database = try open()
        try write("mine\n", to: system.root + "/opt/doc")
        #expect(state("/opt/doc", database) == .unpackaged)
        #expect(database.owner(of: Array("/opt/same".utf8)).map { database.label(of: $0).name } == "other")
        #expect(try system.rpm(["-qf", "--qf", "%{NAME}\\n", "/opt/same"]).contains("other"))
        #expect(state("/opt/same", database) == .pristine)
        #expect(try system.changed("other").isEmpty)
    }

    /// The same name for two architectures, which share a document.
    @Test func severalArchitectures() throws {
        for target in ["i686", "x86_64"] {
            let package = RPMSystem.Package(
                name: "multi", header: "Requires: base-lib",
                install: "mkdir -p $R/opt; echo \(target) > $R/opt/\(target); echo both > $R/opt/both",
                files: "/opt/\(target)\n/opt/both", options: ["--target", target])
            try system.install([system.build(package)])
        }
        let database = try open()
        #expect(
            database.find(named: "multi").map { database.label(of: $0).name } == [
                "multi.i686", "multi.x86_64",
            ])
        #expect(database.find(named: "multi.x86_64").count == 1)
        for file in ["/opt/i686", "/opt/x86_64", "/opt/both"] { #expect(state(file, database) == .pristine) }
    }

    @Test func requirements() throws {
        let database = try open()
        let shop = database.find(named: "shop")
        let needed = database.closure(of: shop)
        #expect(Set(needed.packages.map { database.label(of: $0).name }) == ["shop", "base-lib"])
        // By a path alone, and where few paths are asked for.
        let needy = RPMSystem.Package(
            name: "needy", header: "BuildArch: noarch\nAutoReq: no\nRequires: /usr/bin/interpreter",
            install: "mkdir -p $R/opt; echo n > $R/opt/needy", files: "/opt/needy")
        try system.install([system.build(needy)])
        for wanted in [nil, ["/opt/needy"]] {
            let database = try open(only: wanted)
            let names = database.closure(of: database.find(named: "needy")).packages.map {
                database.label(of: $0).name
            }
            #expect(Set(names) == ["needy", "base-lib"])
        }
        // A condition need not be met, and rpm itself is no package.
        #expect(needed.unmet.map(\.alternatives) == [])
        #expect(database.minimalBase().packages.map { database.label(of: $0).name } == ["base-lib"])
        try system.rpm(["-e", "--nodeps", "--noscripts", "--force-debian", "base-lib"])
        let less = try open()
        #expect(
            Set(less.closure(of: less.find(named: "shop")).unmet.flatMap(\.alternatives)) == [
                "base-lib", "/usr/bin/interpreter",
            ])
    }

    /// An rpm that was killed, or that is at work, leaves a log beside its database: what is in it counts, and nothing is left
    /// there or elsewhere.
    @Test(arguments: [true, false]) func nothingIsTouched(hasLog: Bool) throws {
        let log = system.database + "/rpmdb.sqlite-wal"
        let script = """
            import os, sqlite3, sys
            c = sqlite3.connect(sys.argv[1], isolation_level=None)
            c.execute("pragma wal_autocheckpoint = 0")
            number, blob = c.execute("select hnum, blob from Packages order by hnum desc").fetchone()
            c.execute("delete from Packages where hnum = ?", (number,))
            c.execute("pragma wal_checkpoint(truncate)")
            c.execute("insert into Packages(hnum, blob) values (?, ?)", (number, blob))
            os._exit(0)
            """
        if hasLog { _ = try run(["python3", "-c", script, system.database + "/rpmdb.sqlite"]) }
        let size = (try? FileManager.default.attributesOfItem(atPath: log)[.size]) as? Int ?? 0
        #expect((size > 0) == hasLog)
        let before = try traces(of: system.root)
        let database = try open()
        #expect(database.present.count == 2)
        #expect(state("/usr/bin/shop", database) == .pristine)
        #expect(try traces(of: system.root) == before)
        let left = try FileManager.default.contentsOfDirectory(atPath: "/var/tmp").filter {
            $0.hasPrefix("retinue-rpm-")
        }
        #expect(left == [])
    }

    /// Where rpm keeps its database on newer systems.
    @Test func theOtherFolder() throws {
        try makeFolder(system.root + "/usr/lib/sysimage")
        try FileManager.default.moveItem(
            atPath: system.database, toPath: system.root + "/usr/lib/sysimage/rpm")
        #expect(try open().present.count == 2)
    }

    /// Fedora has made /usr/sbin a link to /usr/bin, and packages list both names.
    @Test func mergedFolders() throws {
        guard symlink("bin", system.root + "/usr/sbin") == 0 else { throw Failure("symlink") }
        let package = RPMSystem.Package(
            name: "daemon", install: "mkdir -p $R/usr/sbin; echo d > $R/usr/sbin/daemon",
            files: "/usr/sbin/daemon")
        try system.install([system.build(package)])
        let database = try open()
        for path in ["/usr/bin/daemon", "/usr/sbin/daemon"] {
            #expect(
                database.owner(of: Array(path.utf8)).map { database.label(of: $0).name } == "daemon",
                "\(path)")
            #expect(state(path, database) == .pristine)
        }
        #expect(database.listing(of: database.find(named: "daemon")[0]) == [Array("/usr/bin/daemon".utf8)])
    }
}
