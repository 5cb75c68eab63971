import DebianPackages
import Foundation
import PackageFiles
import TestSupport
import Testing

@Suite struct SizesTests {
    @Test func kindsAndLinks() throws {
        try withTemporaryFolder { folder in
            let system = Fixture(root: folder)
            try system.put("/d/a", [UInt8](repeating: 1, count: 10_000))
            try system.put("/d/b", [UInt8](repeating: 1, count: 23))
            link(folder + "/d/a", folder + "/d/second")
            try system.link("/d/link", to: "a")
            try system.link("/d/dangling", to: "nowhere")
            mkfifo(folder + "/d/pipe", 0o600)
            // A hole takes no room, and is read all the same.
            try system.put("/d/hole", [])
            truncate(folder + "/d/hole", 5_000_000)
            let names = [
                "/d", "/d/a", "/d/b", "/d/second", "/d/a", "/d/link", "/d/dangling", "/d/pipe", "/d/hole",
                "/d/none", "/d/a/none", "/d/x\0",
            ]
            let sizes = FileMeter.measure(names.map { Array($0.utf8) }, root: folder)
            #expect(sizes.regular.count == 3)
            #expect(sizes.regular.apparent == 10_000 + 23 + 5_000_000)
            #expect(sizes.regular.allocated >= 10_000 && sizes.regular.allocated < 1_000_000)
            #expect(sizes.regular.allocated % 512 == 0)
            #expect(sizes.symbolicLinks.count == 2)
            #expect(sizes.symbolicLinks.apparent == 1 + 7)
            #expect(sizes.directories.count == 1)
            #expect(sizes.others.count == 1)
            #expect(sizes.repeated == 2)
            #expect(sizes.missing == names.suffix(3).map { Array($0.utf8) })
            #expect(sizes.unreadable == [])
            #expect(sizes.total.count == 7)
            #expect(sizes.total.apparent >= 5_010_031)
            let allocated = try allocatedByDu(folder + "/d")
            #expect(sizes.total.allocated == allocated)
        }
    }

    @Test func packages() throws {
        try withSystem { system in
            let database = try system.open()
            let both = database.sizes(of: database.find("libs"))
            // Two libraries, and a document that both have.
            #expect(both.files.regular.count == 3)
            #expect(both.files.regular.apparent == 5 + 9 + 7)
            #expect(both.withoutList == [])
            // Measured where it lies: the diverted file, and what is missing.
            let base = database.sizes(of: database.find("base")).files
            #expect(base.regular.apparent == UInt64(Fixture.shell.count + 6 + 7))
            let conf = database.sizes(of: database.find("conf")).files
            #expect(conf.missing == [Array("/etc/lost.conf".utf8)])
            let none = database.sizes(of: database.find("never"))
            #expect(none.files == FileSizes() && none.withoutList == database.find("never"))
        }
    }

    @Test func minimalBase() throws {
        try withSystem { system in
            let database = try system.open()
            let names = { (ids: [PackageID]) in ids.map { database.package($0).qualifiedName } }
            #expect(names(database.essential) == ["base"])
            let base = database.minimalBase()
            // Of what it needs: the own architecture of each that asks, the provider of a virtual one, and of two
            // that are there the first.
            #expect(names(base.packages) == ["base", "libs:x", "libs:y", "conf", "provider"])
            #expect(base.unmet == [])
            #expect(database.sizes(of: base.packages).files.regular.count == 9)
            let more = database.minimalBase(adding: ["taker", "gone", "nothing"])
            #expect(names(more.packages) == ["base", "libs:x", "libs:y", "taker", "conf", "provider"])
            #expect(more.unmet.map(\.alternatives) == [["nowhere"]])
            #expect(names(more.unmet.map(\.package)) == ["taker"])
            #expect(names(database.closure(of: []).packages) == [])
        }
    }

    @Test func usedBytesOfAFilesystem() throws {
        let usage = try FilesystemUsage(of: "/")
        #expect(usage.used > 0 && usage.used <= usage.size)
        // df(1) reads the same call; files come and go between the two.
        let line = try run(["df", "-B1", "--output=used,size", "/"]).split(separator: "\n").last ?? ""
        let numbers = line.split(separator: " ").compactMap { UInt64($0) }
        #expect(numbers.count == 2 && numbers[1] == usage.size)
        let difference = max(numbers[0], usage.used) - min(numbers[0], usage.used)
        #expect(difference < max(1 << 30, usage.size / 10))
        #expect(throws: (any Error).self) { try FilesystemUsage(of: "/none/such") }
    }
}

func allocatedByDu(_ folder: String) throws -> UInt64 {
    guard
        let bytes = try run(["du", "-s", "-B1", folder]).split(separator: "\t").first.flatMap({ UInt64($0) })
    else { throw Failure("du gave no number") }
    return bytes
}
