import Foundation
import PackageFiles
import TestSupport
import Testing

@testable import RPMPackages

/// Databases that are of another form, or are not as rpm writes them.
@Suite struct DamageTests {
    private func error(_ files: [String: String]) throws -> RPMError? {
        try withTemporaryFolder { root in
            for (name, text) in files {
                try makeFolder(root + (name as NSString).deletingLastPathComponent)
                try write(text, to: root + name)
            }
            do throws(RPMError) { _ = try RPMDatabase(root: root) } catch { return error }
            return nil
        }
    }

    @Test func formsThatAreNotRead() throws {
        #expect(try error([:]) == .missing)
        #expect(
            try error(["/var/lib/rpm/Packages": "x"])
                == .otherForm(file: "/var/lib/rpm/Packages", "BerkeleyDB"))
        let newer = "/usr/lib/sysimage/rpm/Packages.db"
        #expect(try error([newer: "x"]) == .otherForm(file: newer, "ndb"))
        #expect("\(RPMError.otherForm(file: newer, "ndb"))".contains("ndb, which is not read"))
        // The one that rpm uses now goes before what it has left.
        let used = "/var/lib/rpm/rpmdb.sqlite"
        let garbage = try #require(
            try error([used: "no database at all, but text\n", "/var/lib/rpm/Packages": "x"]))
        guard case .unreadable(used, _) = garbage else {
            Issue.record("\(garbage)")
            return
        }
        #expect(try error([used: ""]).map { "\($0)" }?.contains("no such table") == true)
    }

    /// A header with one string and one list of numbers.
    static func header(
        _ entries: [(tag: UInt32, type: UInt32, offset: UInt32, count: UInt32)], _ data: [UInt8]
    ) -> [UInt8] {
        func words(_ values: [UInt32]) -> [UInt8] {
            values.flatMap { value in
                (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
            }
        }
        return words([UInt32(entries.count), UInt32(data.count)])
            + entries.flatMap { words([$0.tag, $0.type, $0.offset, $0.count]) } + data
    }

    @Test func boundsOfHeaders() throws {
        let name = (tag: UInt32(1000), type: UInt32(6), offset: UInt32(0), count: UInt32(1))
        let good = Self.header([name, (1003, 4, 4, 1)], Array("abc\0".utf8) + [0, 0, 0, 7])
        let header = try RPMHeader(good)
        #expect(try header.text(.name) == "abc")
        #expect(try header.numbers(.epoch) == [7])
        #expect(try header.numbers(.fileSizes) == [] && header.strings(.baseNames) == [])
        for count in good.indices {
            #expect(throws: RPMHeader.Flaw.self) { try RPMHeader(Array(good[..<count])) }
        }
        #expect(throws: RPMHeader.Flaw.size) { try RPMHeader(good + [0]) }
        #expect(throws: RPMHeader.Flaw.tooLarge) { try RPMHeader([0, 1, 0, 0, 0, 0, 0, 0]) }
        #expect(throws: RPMHeader.Flaw.tooLarge) { try RPMHeader([0, 0, 0, 0, 0, 0, 0, 0]) }
        // No NUL before the end, an offset behind it, more strings than bytes, a number that reaches past it, other types.
        func flaw(_ entry: (UInt32, UInt32, UInt32, UInt32)) throws {
            let header = try RPMHeader(
                Self.header([(entry.0, entry.1, entry.2, entry.3)], Array("abc\0def".utf8)))
            if entry.0 == 1000 {
                #expect(throws: RPMHeader.Flaw.value(1000)) { try header.strings(.name) }
            } else {
                #expect(throws: RPMHeader.Flaw.value(entry.0)) { try header.numbers(.epoch) }
            }
        }
        for entry: (UInt32, UInt32, UInt32, UInt32) in [
            (1000, 6, 4, 1), (1000, 6, 8, 1), (1000, 8, 0, 0xffff_ffff), (1000, 8, 0, 3), (1000, 6, 0, 2),
            (1000, 4, 0, 1),
            (1000, 6, 0xffff_fff0, 1), (1003, 4, 4, 1), (1003, 5, 0, 1), (1003, 4, 0, 0x4000_0000),
            (1003, 6, 0, 1),
        ] { try flaw(entry) }
        // What was added later counts.
        let twice = Self.header([name, (1000, 6, 4, 1)], Array("abc\0def\0".utf8))
        #expect(try RPMHeader(twice).text(.name) == "def")
    }

    @Test func listsOfFilesThatDoNotFit() throws {
        func files(_ folders: [UInt8], _ modes: Int) throws -> RPMFiles {
            let data =
                Array("/a/\0x\0y\0".utf8) + folders.flatMap { [0, 0, 0, $0] }
                + [UInt8](repeating: 1, count: 2 * modes)
            return try RPMFiles(
                RPMHeader(
                    Self.header(
                        [
                            (1118, 8, 0, 1), (1117, 8, 4, 2), (1116, 4, 8, UInt32(folders.count)),
                            (1030, 3, UInt32(8 + 4 * folders.count), UInt32(modes)),
                        ], data)))
        }
        let good = try files([0, 0], 2)
        #expect(good.count == 2 && good.path(1) == Array("/a/y".utf8) && good.record(1).mode == 0x101)
        for (folders, modes) in [([0], 2), ([0, 1], 2), ([0, 0], 1), ([0, 0, 0], 2)] as [([UInt8], Int)] {
            #expect(throws: RPMHeader.Flaw.files) { try files(folders, modes) }
        }
    }

    /// A mode of 64 bits that no `mode_t` holds.
    @Test func modesThatAreNone() throws {
        for (mode, isOne) in [([0, 0, 0, 0, 0, 0, 0x81, 0xa4], true), ([0, 0, 0, 1, 0, 0, 0, 0], false)]
            as [([UInt8], Bool)]
        {
            let header = try RPMHeader(
                Self.header([(1027, 8, 0, 1), (1030, 5, 4, 1)], Array("/ab\0".utf8) + mode))
            if isOne {
                #expect(try RPMFiles(header).record(0).mode == 0o100644)
            } else {
                #expect(throws: RPMHeader.Flaw.value(1030)) { try RPMFiles(header) }
            }
        }
    }

    /// Whole names, as of rpm before version 4, beside fewer numbers of folders.
    @Test func wholeNamesHaveNoFolder() throws {
        let header = try RPMHeader(
            Self.header(
                [(1027, 8, 0, 2), (1118, 8, 6, 1), (1116, 4, 10, 1)],
                Array("/x\0/y\0/a/\0".utf8) + [0, 0, 0, 0]))
        let files = try RPMFiles(header)
        #expect((0..<files.count).map(files.path) == [Array("/x".utf8), Array("/y".utf8)])
    }

    @Test func conditions() {
        #expect(RPMPackage.Requirement("rpmlib(PayloadIsZstd)") == nil)
        #expect(
            RPMPackage.Requirement("libc.so.6(GLIBC_2.34)(64bit)")?.alternatives == [
                "libc.so.6(GLIBC_2.34)(64bit)"
            ])
        let condition = RPMPackage.Requirement("((python3dist(x) < 2 or b) if (c(64bit) and d))")
        #expect(condition?.isCondition == true)
        #expect(
            condition?.alternatives.filter { !["<", "2", "or", "if", "and"].contains($0) } == [
                "python3dist(x)", "b", "c(64bit)", "d",
            ])
    }

    /// Single packages that are not as they should be do not hide the others.
    @Test(.enabled(if: RPMSystem.isThere, "rpmbuild is not here, or this is not root"))
    func damagedHeaders() throws {
        let system = try RPMSystem()
        try system.install([system.build(RPMSystem.base), system.build(RPMSystem.shop)])
        let rows = try RPMRows(system.database + "/rpmdb.sqlite")
        var headers: [[UInt8]] = []
        try rows.forEach { headers.append($1) }
        #expect(headers.count == 2)
        hostileInputs(from: headers, count: 4000, seed: 16) { bytes in
            guard let header = try? RPMHeader(bytes) else { return }
            _ = try? RPMPackage(header, 1)
            guard let files = try? RPMFiles(header) else { return }
            for index in 0..<min(files.count, 100) {
                _ = (files.path(index), files.digest(files.record(index)), files.target(files.record(index)))
            }
        }
        let script = """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1])
            c.execute("update Packages set blob = substr(blob, 1, length(blob) - 5) where hnum = 1")
            c.execute("insert into Packages(blob) values ('text')")
            c.commit()
            """
        _ = try run(["python3", "-c", script, system.database + "/rpmdb.sqlite"])
        let database = try RPMDatabase(root: system.root)
        #expect(database.present.map { database.label(of: $0).name } == ["shop"])
        #expect(database.flaws?.count == 2)
        #expect(database.flaws?.first == "package number 1: a header of another size than it says")
    }
}
