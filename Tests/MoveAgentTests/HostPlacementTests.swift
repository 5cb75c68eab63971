import CLinux
import Glibc
import Records
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Files at the host's own root")
struct HostPlacementTests {
    /// A part of the host's own root for itself, and where what was brought for it lies.
    private struct Place {
        let host: String
        let staged: String

        init(_ folder: String) {
            host = folder + "/host"
            staged = folder + "/state/cells/one/root"
            var path = ""
            for part in (staged + host).split(separator: "/") {
                path += "/" + part
                mkdir(path, 0o755)
            }
            mkdir(host, 0o755)
        }

        func bring(_ path: String, _ text: String) throws { try write(text, to: staged + host + path) }

        func picture() -> [String: String] {
            var found: [String: String] = [:]
            for name in ["/new", "/new/in", "/kept", "/other", "/made"] where access(host + name, F_OK) == 0 {
                let bytes = (try? FileDescriptor.open(host + name, O_RDONLY))?.all
                found[name] = bytes.map { String(decoding: $0, as: UTF8.self) } ?? "folder"
            }
            return found
        }
    }

    private func with(_ body: (Place) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let place = Place(folder)
            mkdir(place.staged + place.host + "/new", 0o750)
            try place.bring("/new/in", "new")
            try write("host's", to: place.host + "/kept")
            try body(place)
        }
    }

    @Test func aWholeFolderGoesAndComesBack() throws {
        try with { place in
            let before = place.picture()
            let placement = try HostPlacement(of: place.staged, for: "one", replaces: false)
            #expect(placement.items.map(\.path) == [Array((place.host + "/new").utf8)])
            try placement.put()
            #expect(place.picture()["/new/in"] == "new")
            // What a program has made in it goes with it.
            try write("by a program", to: place.host + "/new/made")
            let read = try #require(HostPlacement(placement.value, staged: place.staged))
            #expect(read == placement)
            try read.takeBack()
            try read.takeBack()
            #expect(place.picture() == before)
            #expect(access(place.staged + place.host + "/new/made", F_OK) == 0)
        }
    }

    @Test func whatDiffersIsNamedOrGivesWay() throws {
        try with { place in
            try place.bring("/kept", "brought")
            #expect(throws: MoveError("\(place.host)/kept is here already, and differs")) {
                _ = try HostPlacement(of: place.staged, for: "one", replaces: false)
            }
            let before = place.picture()
            let placement = try HostPlacement(of: place.staged, for: "one", replaces: true)
            // Not begun: nothing is exchanged by mistake.
            try placement.takeBack()
            #expect(place.picture() == before)
            try placement.put()
            #expect(place.picture()["/kept"] == "brought")
            try placement.takeBack()
            try placement.takeBack()
            #expect(place.picture() == before)
            // A program may have removed it.
            try placement.put()
            unlink(place.host + "/kept")
            try placement.takeBack()
            #expect(place.picture() == before)
        }
    }

    @Test func aFolderNeverGivesWay() throws {
        try with { place in
            mkdir(place.host + "/other", 0o755)
            try place.bring("/other", "a file")
            #expect(throws: MoveError("\(place.host)/other is a folder here")) {
                _ = try HostPlacement(of: place.staged, for: "one", replaces: true)
            }
        }
    }

    @Test func whatComesInBetweenIsNotOverwritten() throws {
        try with { place in
            try place.bring("/other", "brought")
            let placement = try HostPlacement(of: place.staged, for: "one", replaces: false)
            try write("somebody else's", to: place.host + "/other")
            #expect(throws: MoveError.self) { try placement.put() }
            try placement.takeBack()
            #expect(place.picture() == ["/kept": "host's", "/other": "somebody else's"])
        }
    }

    /// As on another filesystem.
    private func copied(_ place: Place, _ name: String) throws -> HostPlacement {
        let path = place.host + name
        let value = JSONValue.object([
            .init(
                "items",
                .array([
                    .array([.string(path), .integer(0), .string("\(place.host)/.retinue-one-0")])
                ])), .init("copied", .boolean(false)),
        ])
        return try #require(HostPlacement(value, staged: place.staged))
    }

    @Test func aCopyIsMadeAndTakenBack() throws {
        try with { place in
            // What it is called inside is nothing that a copy could be taken for.
            try place.bring("/new/content", "in it")
            let before = place.picture()
            var placement = try copied(place, "/new")
            try placement.copy()
            placement.isCopied = true
            #expect(place.picture() == before)
            #expect(mode(of: place.host + "/.retinue-one-0") == 0o700)
            try placement.put()
            #expect(place.picture()["/new/in"] == "new")
            #expect(mode(of: place.host + "/new") == 0o750)
            #expect(access(place.host + "/.retinue-one-0", F_OK) != 0)
            try placement.takeBack()
            #expect(place.picture() == before)
            #expect(access(place.host + "/.retinue-one-0", F_OK) != 0)
            #expect(access(place.staged + place.host + "/new/in", F_OK) == 0)
        }
    }

    @Test(arguments: ["copied", "put", "empty"]) func aCopyIsTakenBackWhereverItStopped(_ moment: String)
        throws
    {
        try with { place in
            let before = place.picture()
            var placement = try copied(place, "/new")
            try placement.copy()
            if moment != "copied" { placement.isCopied = true }
            if moment == "put" { try placement.put() }
            if moment == "empty" {
                try #require(rename(place.host + "/.retinue-one-0/content", place.host + "/new") == 0)
            }
            try placement.takeBack()
            #expect(place.picture() == before)
            #expect(access(place.host + "/.retinue-one-0", F_OK) != 0)
        }
    }

    /// Who may write in the folder puts a link to another one in its place, or makes the copy's folder first.
    @Test func aCopyIsNotLedElsewhere() throws {
        try with { place in
            mkdir(place.host + "/kept-folder", 0o755)
            mkdir(place.staged + place.host + "/kept-folder", 0o755)
            try place.bring("/kept-folder/file", "secret")
            let value = JSONValue.object([
                .init(
                    "items",
                    .array([
                        .array([
                            .string(place.host + "/kept-folder/file"), .integer(0),
                            .string(place.host + "/kept-folder/.retinue-one-0"),
                        ])
                    ])), .init("copied", .boolean(false)),
            ])
            let placement = try #require(HostPlacement(value, staged: place.staged))
            let elsewhere = place.host + "/elsewhere"
            mkdir(elsewhere, 0o755)
            try #require(
                rename(place.host + "/kept-folder", place.host + "/away") == 0
                    && symlink(elsewhere, place.host + "/kept-folder") == 0)
            #expect(throws: MoveError.self) { try placement.copy() }
            #expect(access(elsewhere + "/.retinue-one-0", F_OK) != 0)
            try #require(
                unlink(place.host + "/kept-folder") == 0
                    && rename(place.host + "/away", place.host + "/kept-folder") == 0
                    && symlink(elsewhere, place.host + "/kept-folder/.retinue-one-0") == 0)
            #expect(throws: MoveError.self) { try placement.copy() }
            #expect(access(elsewhere + "/content", F_OK) != 0)
        }
    }

    private func mode(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    @Test func theAgentsOwnFolderIsRefused() throws {
        try withTemporaryFolder { folder in
            let staged = folder + "/state/cells/one/root"
            var path = ""
            for part in (staged + folder + "/state").split(separator: "/") {
                path += "/" + part
                mkdir(path, 0o755)
            }
            try write("x", to: path + "/journal")
            #expect(throws: MoveError("\(folder)/state/journal is the agent's own")) {
                _ = try HostPlacement(of: staged, for: "one", replaces: true)
            }
        }
    }

    @Test(arguments: ["a.service", "a@b-c.socket", "dbus-org.x\\x2d.service"])
    func namesOfUnits(_ name: String) { #expect(SystemdUnits.isName(name)) }

    @Test(arguments: [
        "", "-a.service", "a.timer", "a b.service", "../a.service", "a;b.service", "--root=x.service",
    ])
    func whatIsNoNameOfAUnit(_ name: String) { #expect(!SystemdUnits.isName(name)) }
}
