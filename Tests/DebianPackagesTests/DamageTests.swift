@testable import DebianPackages
import Foundation
import PackageFiles
import TestSupport
import Testing

@Suite struct DamageTests {
    /// A status file with one stanza that is broken: what is said of it, and that the others stay.
    @Test(arguments: [
        (
            "Package: bad\nno colon here\nStatus: install ok installed\nArchitecture: x\nVersion: 1\n", 5,
            "noField", true
        ),
        (
            " starts with a blank\nPackage: bad\nStatus: install ok installed\nArchitecture: x\nVersion: 1\n",
            4, "noField", true
        ),
        (
            ": no name\nPackage: bad\nStatus: install ok installed\nArchitecture: x\nVersion: 1\n", 4,
            "noField", true
        ),
        ("Status: install ok installed\nArchitecture: x\nVersion: 1\n", 4, "noPackage", false),
        (
            "Package: ../bad\nStatus: install ok installed\nArchitecture: x\nVersion: 1\n", 4, "noPackage",
            false
        ),
        ("Package: bad\nArchitecture: x\nVersion: 1\n", 4, "noStatus", false),
        ("Package: bad\nStatus: install ok\nArchitecture: x\nVersion: 1\n", 4, "noStatus", false),
        ("Package: bad\nStatus: install ok eaten\nArchitecture: x\nVersion: 1\n", 4, "noStatus", false),
        ("Package: bad\nStatus: install ok installed\nArchitecture: x\n", 4, "noVersion", false),
        (
            "Package: bad\nStatus: install ok installed\nArchitecture: ../x\nVersion: 1\n", 4, "noVersion",
            false
        ),
        ("Package: good\nStatus: install ok installed\nArchitecture: x\nVersion: 1\n", 4, "duplicate", false),
        (
            "Package: bad\nStatus: install ok installed\nArchitecture: x\nVersion: 1\nConffiles:\n /a 12\n",
            9, "noConffile", true
        ),
        (
            "Package: bad\nStatus: install ok installed\nArchitecture: x\nVersion: 1\nConffiles: /a\n", 8,
            "noConffile", true
        ),
    ])
    func brokenStanza(stanza: String, line: Int, kind: String, isKept: Bool) throws {
        try withTemporaryFolder { folder in
            let system = Fixture(root: folder)
            let never = "Status: purge ok not-installed\n"
            try system.put(
                "/var/lib/dpkg/status", "Package: good\n\(never)\n\(stanza)\nPackage: later\n\(never)".utf8)
            try system.put(list: [], of: "bad")
            let database = try system.open()
            #expect(database.damage.map { "\($0.kind)" } == [kind])
            #expect(database.damage.map(\.line) == [line])
            #expect(database.damage.map(\.file) == ["/var/lib/dpkg/status"])
            #expect(database.packages.map(\.name) == ["good"] + (isKept ? ["bad"] : []) + ["later"])
            let error = #expect(throws: DpkgError.self) { try system.open(strict: true) }
            #expect(error == database.damage.first.map { .damaged($0) })
        }
    }

    /// Something else than a status file is refused: an answer without a package would be a wrong one.
    @Test func notAStatusFile() throws {
        try withTemporaryFolder { folder in
            let system = Fixture(root: folder)
            try system.put("/var/lib/dpkg/status", "\u{7f}ELF something else\n".utf8)
            let error = #expect(throws: DpkgError.self) { try system.open() }
            #expect(
                error.map { "\($0)" }
                    == "/var/lib/dpkg/status:1: not a line of the form `Field: value`")
        }
    }

    @Test func fileLists() throws {
        try withSystem { system in
            let name = "/var/lib/dpkg/info/taker.list"
            try system.put(name, Array("/.\nrelative\n\n/a\0b\n/usr/bin/tool\n/usr/cut".utf8))
            unlink(system.root + "/var/lib/dpkg/info/plain.list")
            unlink(system.root + "/var/lib/dpkg/info/gone.list")
            mkdir(system.root + "/var/lib/dpkg/info/gone.list", 0o700)
            let database = try system.open()
            #expect(
                database.damage.map { "\($0)" } == [
                    "\(name):2: not an absolute path (taker)", "\(name):3: not an absolute path (taker)",
                    "\(name):4: not an absolute path (taker)",
                    "\(name):6: the file ends in the middle of a line (taker)",
                    "/var/lib/dpkg/info/plain.list: the file list of the package is missing (plain)",
                    "/var/lib/dpkg/info/gone.list: the file cannot be read (gone)",
                ])
            #expect(database.ownerName("/usr/bin/tool") == "taker")
            #expect(database.sizes(of: database.present).withoutList == database.find("plain"))
        }
    }

    @Test func digestLists() throws {
        try withSystem { system in
            let name = "/var/lib/dpkg/info/taker.md5sums"
            try system.put(
                name,
                "short  x\n\(Fixture.digest("taker's"))  usr/bin/tool\n\(Fixture.digest(""))--no\n0".utf8)
            let database = try system.open()
            #expect(database.state("/usr/bin/tool") == .pristine)
            #expect(
                database.damage(inDigestsOf: try database.one("taker")).map { "\($0)" } == [
                    "\(name):1: not a digest and a path (taker)",
                    "\(name):3: not a digest and a path (taker)",
                    "\(name):4: the file ends in the middle of a line (taker)",
                    "\(name):4: not a digest and a path (taker)",
                ])
            #expect(database.damage(inDigestsOf: try database.one("base")) == [])
            #expect(database.damage(inDigestsOf: try database.one("plain")) == [])
        }
    }

    @Test(arguments: [("/a\n", 1), ("/a\n/b\n", 1), ("/a\n/b\n:\na\nb\nc\n/usr/x\n/y\ntaker\n", 4)])
    func brokenDiversions(text: String, line: Int) throws {
        try withSystem { system in
            try system.put("/var/lib/dpkg/diversions", text.utf8)
            #expect(
                try system.open().damage.map { "\($0.file):\($0.line) \($0.kind)" }
                    == ["/var/lib/dpkg/diversions:\(line) noDiversion"])
        }
    }

    /// However much is wrong, what is said of it stays short.
    @Test func muchDamage() throws {
        try withSystem { system in
            try system.put("/var/lib/dpkg/info/taker.list", String(repeating: "x\n", count: 5000).utf8)
            let database = try system.open()
            #expect(database.damage.count == 1000)
            #expect(database.damageCount == 5000)
        }
    }
}
