import DebianPackages
import Foundation
import PackageFiles
import SystemCalls
import TestSupport
import Testing

@Suite struct DatabaseTests {
    @Test func packagesAsTheStatusFileHasThem() throws {
        try withSystem { system in
            let database = try system.open(strict: true)
            #expect(database.damage == [])
            #expect(
                database.packages.map(\.qualifiedName)
                    == ["base", "libs:x", "libs:y", "taker", "conf", "plain", "gone", "never", "provider"])
            let base = database.package(try database.one("base"))
            #expect(base.version == "1:1.0-1")
            #expect(base.architecture == "x")
            #expect(base.isEssential)
            #expect(base.priority == "required")
            #expect(base.declaredKibibytes == 12)
            #expect(base.state == .installed)
            #expect(base.isPresent)
            let states = try ["plain", "gone", "never", "provider"].map {
                database.package(try database.one($0)).state
            }
            #expect(states == [.triggersPending, .configurationOnly, .notInstalled, .unpacked])
            #expect(!database.package(try database.one("gone")).isPresent)
            #expect(database.find("libs").count == 2)
            #expect(database.find("libs", architecture: "y").count == 1)
            let conf = database.package(try database.one("conf")).configurationFiles
            #expect(
                conf.map { String(decoding: $0.path, as: UTF8.self) }
                    == ["/etc/same.conf", "/etc/my own.conf", "/etc/new.conf", "/etc/lost.conf"])
            #expect(conf.map(\.isObsolete) == [false, true, false, false])
            #expect(conf.map { $0.digest == nil } == [false, false, true, false])
        }
    }

    static let owners: [(String, String?)] = [
        // As the package lists it, and as the kernel reports it.
        ("/bin/sh.real", "base"), ("/usr/bin/sh.real", "base"),
        ("/lib/x/lib.so", "libs:x"), ("/usr/lib/y/lib.so", "libs:y"),
        (Fixture.awkward, "base"),
        // Diverted: each to the package whose contents lie there.
        ("/usr/bin/tool", "taker"), ("/bin/tool", "taker"), ("/usr/bin/tool.base", "base"),
        // Shared by two architectures.
        ("/usr/share/doc/libs/changelog", "libs:x"),
        ("/etc/my own.conf", "conf"), ("/etc/gone.conf", "gone"), ("/usr/share/plain/alias", "plain"),
        // Directories, and what nobody has.
        ("/usr", nil), ("/usr/bin", nil), ("/bin", nil), ("/lib/x", nil), ("/etc", nil), ("/", nil),
        ("", nil), ("/usr/bin/other", nil), ("/usr/bin/sh.rea", nil), ("/usr/bin/sh.real/", nil),
        ("usr/bin/sh.real", nil),
    ]

    @Test func ownersOfPaths() throws {
        try withSystem { system in
            let database = try system.open()
            for (path, owner) in Self.owners { #expect(database.ownerName(path) == owner, "\(path)") }
            let shared = database.owners(of: Array("/usr/share/doc/libs/changelog".utf8))
            #expect(shared.map { database.package($0).qualifiedName } == ["libs:x", "libs:y"])
        }
    }

    /// The form that keeps nothing but what was asked for answers the same.
    @Test func ownersOfWantedPathsAlone() throws {
        try withSystem { system in
            let all = try system.open()
            let few = try system.open(only: Self.owners.map { Array($0.0.utf8) })
            for (path, owner) in Self.owners {
                #expect(few.ownerName(path) == owner, "\(path)")
                #expect(few.state(path) == all.state(path), "\(path)")
            }
            let one = try system.open(only: [Array("/usr/bin/tool.base".utf8)])
            #expect(one.ownerName("/usr/bin/tool.base") == "base")
            #expect(one.ownerName("/usr/bin/sh.real") == nil)
            #expect(one.pathCount < all.pathCount)
        }
    }

    /// A system that was not merged keeps /bin and /usr/bin apart.
    @Test func withoutTheMerge() throws {
        try withSystem { system in
            unlink(system.root + "/bin")
            let database = try system.open()
            #expect(database.ownerName("/bin/sh.real") == "base")
            #expect(database.ownerName("/usr/bin/sh.real") == nil)
        }
    }

    /// Links that lead round in a circle, to themselves or to the root do no harm.
    @Test(arguments: ["bin", "/bin/deeper", "..", ".", "/", "lib", ""])
    func strangeTopLevelLinks(target: String) throws {
        try withSystem { system in
            unlink(system.root + "/bin")
            unlink(system.root + "/lib")
            symlink(target, system.root + "/bin")
            try system.link("/lib", to: "bin")
            let database = try system.open()
            #expect(database.ownerName("/bin/sh.real") == "base")
            #expect(database.ownerName("/usr/bin/tool.base") == "base")
        }
    }

    /// The administrator's own diversion moves the file of every package.
    @Test func localDiversion() throws {
        try withSystem { system in
            try system.put("/var/lib/dpkg/diversions", "/bin/sh.real\n/usr/bin/sh.old\n:\n".utf8)
            try system.put("/usr/bin/sh.old", Fixture.shell)
            try system.put("/usr/bin/sh.real", "my own".utf8)
            let database = try system.open(strict: true)
            #expect(database.ownerName("/usr/bin/sh.real") == nil)
            #expect(database.state("/usr/bin/sh.real") == .unpackaged)
            #expect(database.ownerName("/usr/bin/sh.old") == "base")
            #expect(database.state("/usr/bin/sh.old") == .pristine)
        }
    }

    /// What a run of dpkg that was cut off has left beside the status file counts.
    @Test func journal() throws {
        try withSystem { system in
            let stanza = { (version: String, status: String) in
                "Package: taker\nStatus: \(status)\nArchitecture: all\nVersion: \(version)\n"
            }
            try system.put("/var/lib/dpkg/updates/0001", stanza("9", "install ok half-configured").utf8)
            try system.put("/var/lib/dpkg/updates/0000", stanza("8", "install ok unpacked").utf8)
            try system.put("/var/lib/dpkg/updates/tmp.i", stanza("99", "install ok installed").utf8)
            let database = try system.open(strict: true)
            let taker = database.package(try database.one("taker"))
            #expect(taker.version == "9")
            #expect(taker.state == .halfConfigured)
            #expect(database.packages.count == 9)
        }
    }

    @Test func noDatabase() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: DpkgError.self) { try DpkgDatabase(root: folder) }
            #expect(error?.isMissing == true)
            #expect(
                error.map { "\($0)" } == "/var/lib/dpkg/status: open: No such file or directory")
            // A new system: dpkg takes an empty file for one without packages.
            try Fixture(root: folder).put("/var/lib/dpkg/status", [])
            #expect(try DpkgDatabase(root: folder, strict: true).packages == [])
        }
    }

    @Test func anotherFolderThanUsual() throws {
        try withSystem { system in
            rename(system.root + "/var/lib/dpkg", system.root + "/var/lib/other")
            let database = try DpkgDatabase(root: system.root + "//", administration: "var/lib/other")
            #expect(database.ownerName("/usr/bin/sh.real") == "base")
        }
    }
}
