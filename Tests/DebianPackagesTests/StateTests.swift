import DebianPackages
import Foundation
import PackageFiles
import SystemCalls
import TestSupport
import Testing

@Suite struct StateTests {
    @Test func everyState() throws {
        try withSystem { system in
            let database = try system.open()
            let expected: [(String, FileState)] = [
                ("/usr/bin/sh.real", .pristine), ("/bin/sh.real", .pristine), (Fixture.awkward, .pristine),
                ("/usr/bin/tool", .pristine), ("/usr/bin/tool.base", .pristine),
                ("/lib/x/lib.so", .pristine), ("/usr/lib/y/lib.so", .modified),
                ("/etc/same.conf", .pristine), ("/etc/my own.conf", .modifiedConfiguration),
                ("/etc/new.conf", .unknown(.noDigest)), ("/etc/lost.conf", .missing),
                ("/etc/gone.conf", .missing), ("/usr/share/plain/data", .unknown(.noDigest)),
                ("/usr/share/plain/alias", .unknown(.symbolicLink)), ("/usr/share/plain/empty", .directory),
                ("/usr/share/plain", .directory), ("/usr/bin/none", .unpackaged),
                ("/var/lib/dpkg/status", .unpackaged), ("/usr/bin/x\0y", .unpackaged),
            ]
            for (path, state) in expected { #expect(database.state(path) == state, "\(path)") }
            #expect(database.states(of: expected.map { Array($0.0.utf8) }) == expected.map(\.1))
            #expect(database.states(of: []) == [])
        }
    }

    @Test func changesAreSeen() throws {
        try withSystem { system in
            let database = try system.open()
            let path = "/usr/bin/sh.real"
            // One bit, the length kept.
            var bytes = Fixture.shell
            bytes[3] ^= 1
            try system.put(path, bytes)
            #expect(database.state(path) == .modified)
            try system.put(path, Fixture.shell)
            #expect(database.state(path) == .pristine)
            // Another thing in its place; a pipe must not be waited for.
            unlink(system.root + path)
            #expect(database.state(path) == .missing)
            mkfifo(system.root + path, 0o600)
            #expect(database.state(path) == .modified)
            unlink(system.root + path)
            try system.put("/usr/bin/copy", Fixture.shell)
            try system.link(path, to: "copy")
            #expect(database.state(path) == .modified)
            unlink(system.root + path)
            mkdir(system.root + path, 0o700)
            #expect(database.state(path) == .modified)
        }
    }

    /// Larger than a buffer, so that reads meet in the middle.
    @Test func largeFile() throws {
        try withSystem { system in
            var generator = SeededGenerator(seed: 7)
            let bytes = (0..<600_001).map { _ in UInt8.random(in: 0...255, using: &generator) }
            try system.put("/usr/bin/tool", bytes)
            let digest = MD5.digest(of: bytes)
            try system.put("/var/lib/dpkg/info/taker.md5sums", "\(digest)  usr/bin/tool\n".utf8)
            #expect(try system.open().state("/usr/bin/tool") == .pristine)
            try system.put("/usr/bin/tool", bytes.dropLast())
            #expect(try system.open().state("/usr/bin/tool") == .modified)
        }
    }

    /// Forms of a line that are met beside the common one.
    @Test(arguments: ["%  usr/bin/tool", "% *usr/bin/tool", "%  ./usr/bin/tool", "\\%  usr/bin/tool"])
    func formsOfADigest(line: String) throws {
        try withSystem { system in
            let text = line.replacingOccurrences(of: "%", with: Fixture.digest("taker's"))
            try system.put("/var/lib/dpkg/info/taker.md5sums", "\n\(text)\n".utf8)
            #expect(try system.open().state("/usr/bin/tool") == .pristine)
        }
    }

    @Test func escapedNames() throws {
        try withSystem { system in
            try system.put(list: [#"/usr/a\b"#], of: "taker")
            try system.put(#"/usr/a\b"#, "x".utf8)
            try system.put("/var/lib/dpkg/info/taker.md5sums", "\\\(Fixture.digest("x"))  usr/a\\\\b\n".utf8)
            #expect(try system.open().state(#"/usr/a\b"#) == .pristine)
            // Without the mark the name is meant as it stands; so debhelper writes it.
            try system.put("/var/lib/dpkg/info/taker.md5sums", "\(Fixture.digest("x"))  usr/a\\b\n".utf8)
            #expect(try system.open().state(#"/usr/a\b"#) == .pristine)
        }
    }

    @Test func namesThatAreNotText() throws {
        try withSystem { system in
            let path: [UInt8] = Array("/usr/".utf8) + [0xff, 0xfe, 0x80]
            try system.put(path, "x".utf8)
            try system.put("/var/lib/dpkg/info/taker.list", path + [0x0a])
            try system.put(
                "/var/lib/dpkg/info/taker.md5sums",
                Array("\(Fixture.digest("x"))  ".utf8) + path.dropFirst() + [0x0a])
            let database = try system.open()
            #expect(database.owner(of: path).map { database.package($0).name } == "taker")
            #expect(database.state(of: path) == .pristine)
            #expect(database.state(of: path.dropLast() + [0x81]) == .unpackaged)
        }
    }

    @Test func wholePackages() throws {
        try withSystem { system in
            let database = try system.open()
            let base = try database.verify(try database.one("base"))
            #expect(
                base.map { String(decoding: $0.path, as: UTF8.self) }
                    == [
                        "/usr/bin", "/usr/bin/sh.real", "/usr", "/usr/bin", "/usr/bin/tool.base",
                        "/usr/share",
                        Fixture.awkward,
                    ])
            #expect(base.map(\.state).filter { $0 == .pristine }.count == 3)
            #expect(throws: DpkgError.self) { try database.verify(try database.one("never")) }
        }
    }

    @Test func digestsThatCannotBeRead() throws {
        try withSystem { system in
            let file = system.root + "/var/lib/dpkg/info/taker.md5sums"
            unlink(file)
            mkdir(file, 0o700)
            let state = try system.open().state("/usr/bin/tool")
            #expect(state == .unknown(.unreadable(SystemError("read", code: EISDIR))))
        }
    }
}
