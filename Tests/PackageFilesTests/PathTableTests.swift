@testable import PackageFiles
import TestSupport
import Testing

@Suite struct PathTableTests {
    private func insert(_ path: String, _ owner: Int, _ table: inout PathTable) throws {
        var failure: TooManyPaths?
        Array(path.utf8).withUnsafeBytes { bytes in
            do throws(TooManyPaths) {
                try table.insert(bytes, owner: owner, links: TopLevelLinks([]))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// As many paths as make it grow several times, against a dictionary.
    @Test func agreesWithADictionary() throws {
        var generator = SeededGenerator(seed: 9)
        var table = PathTable()
        var expected: [String: Int] = [:]
        for _ in 0..<20_000 {
            let path = "/" + String(Int.random(in: 0..<15_000, using: &generator), radix: 3)
            let owner = Int.random(in: 0..<50, using: &generator)
            try insert(path, owner, &table)
            if expected[path] == nil { expected[path] = owner }
        }
        #expect(table.count == expected.count)
        let wrong = expected.filter { path, owner in
            table.find(Array(path.utf8)).flatMap { table.owner($0) } != owner
        }
        #expect(wrong.isEmpty)
        #expect(table.find(Array("/none".utf8)) == nil)
        #expect(table.find([]) == nil)
    }

    /// A directory is one whichever order the paths come in, and whoever else lists it.
    @Test func directories() throws {
        var table = PathTable()
        for (path, owner) in [
            ("/a", 1), ("/a/b", 1), ("/c", 2), ("/d", 1), ("/c/e/f", 1), ("/c/e", 3), ("/c/x", 1),
        ] {
            try insert(path, owner, &table)
        }
        try insert("/a", 2, &table)
        let owners = ["/a", "/a/b", "/c", "/d", "/c/x"].map { table.owners(table.find(Array($0.utf8))!) }
        #expect(owners == [[], [1], [], [1], [1]])
    }

    @Test func severalOwners() throws {
        var table = PathTable()
        for owner in [3, 1, 3, 2, 1] { try insert("/x", owner, &table) }
        let index = try #require(table.find(Array("/x".utf8)))
        #expect(table.owners(index) == [3, 1, 2])
        table.set(owners: [7], of: index)
        #expect(table.owners(index) == [7])
        table.set(owners: [], of: index)
        #expect(table.owners(index) == [] && table.owner(index) == nil)
    }
}
