import Testing

@testable import MoveGroup

/// Files as rows of folders.
@Suite("Files by folder")
struct FolderFoldTests {
    private func rows(_ paths: [String], limit: Int) -> [String] {
        let sorted = paths.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        return FolderFold(sorted, limit: limit).rows.map {
            "\(String(decoding: $0.path, as: UTF8.self)) \($0.files.count)"
        }
    }

    private static let many =
        (0..<23).map { "/usr/lib/python3/m\($0).py" } + (0..<3).map { "/usr/lib/ssl/\($0)" }

    @Test func aFolderOfManyIsOneRow() {
        #expect(rows([], limit: 3) == [])
        #expect(rows(["/a"], limit: 3) == ["/a 1"])
        #expect(rows(Self.many, limit: 1) == ["/usr/lib/ 26"])
        #expect(rows(Self.many, limit: 2) == ["/usr/lib/python3/ 23", "/usr/lib/ssl/ 3"])
        // The larger one has too many parts, the smaller one has not.
        #expect(
            rows(Self.many, limit: 4)
                == ["/usr/lib/python3/ 23", "/usr/lib/ssl/0 1", "/usr/lib/ssl/1 1", "/usr/lib/ssl/2 1"])
        #expect(rows(Self.many, limit: 26).count == 26)
        // The largest is taken apart first.
        #expect(
            rows(["/a/1", "/a/2", "/a/3", "/b/1", "/b/2"], limit: 4) == [
                "/a/1 1", "/a/2 1", "/a/3 1", "/b/ 2",
            ])
    }

    /// A name that another one begins with, a slash that sorts behind a hyphen, a file beside a folder of its name.
    @Test func namesThatAreAlikeAreNotMixed() {
        let paths = ["/a-b", "/a/b", "/a/c", "/ab/x", "/ab/y", "/a.d/z", "rel/x", "rel/y"]
        let folded = rows(paths, limit: 6)
        #expect(folded == ["/a-b 1", "/a.d/z 1", "/a/b 1", "/a/c 1", "/ab/ 2", "rel/ 2"])
        #expect(rows(["/", "/x"], limit: 9) == ["/ 1", "/x 1"])
        #expect(rows(["/x", "/x/", "/x/y"], limit: 9) == ["/x 1", "/x/ 1", "/x/y 1"])
    }

    /// Every file is in one row, below its folder, and the rows are no more than were asked for.
    @Test func everyFileIsInOneRow() {
        var state: UInt64 = 23
        func next(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % Int(bound)
        }
        for limit in [1, 2, 5, 12, 100] {
            let names = Set(
                (0..<300).map { _ in
                    "/"
                        + (0...next(4)).map { _ in ["a", "b", "a-", "ab", ""][next(5)] }.joined(
                            separator: "/")
                })
            let paths = names.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
            let rows = FolderFold(paths, limit: limit).rows
            #expect(rows.count <= limit)
            #expect(rows.flatMap { Array($0.files) } == Array(paths.indices))
            for row in rows { #expect(row.files.allSatisfy { paths[$0].starts(with: row.path) }) }
        }
    }
}
