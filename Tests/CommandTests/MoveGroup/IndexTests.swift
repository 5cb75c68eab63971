import Glibc
import TestSupport
import Testing

/// `retinue index`, and `retinue group` with what it made.
@Suite("Indexes of lists")
struct IndexTests {
    private static let rows = (0..<600).map { "10.0.0.1,/a\($0 / 3),10.0.0.2,/b\($0)\n" }.joined()
    private static let group = [
        "group", "10.0.0.1:/a7", "--from", "list.csv", "--symmetric", "--format", "csv",
    ]

    @Test func theAnswerIsTheSameWithAnIndexAndWithout() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.rows, "list.csv")
            let plain = try folder.retinue(Self.group)
            let made = try folder.retinue("index", "list.csv")
            #expect(
                made
                    == .init(
                        status: 0,
                        output: "list.csv.retinue-index: 600 rows, 800 names, 200 components\n",
                        errors: ""))
            #expect(try folder.retinue(Self.group) == plain)
            #expect(try folder.retinue(Self.group + ["--no-index"]) == plain)
            let stats = try folder.retinue(Self.group + ["--stats"])
            #expect(stats.errors.contains("3 dependencies of 4 nodes"))
            // What is no whole path, or in no row, is answered by all rows.
            for name in ["a7", "10.0.0.1:/a77777", "/b*"] {
                let other = ["group", name, "--from", "list.csv", "--symmetric", "--format", "csv"]
                #expect(try folder.retinue(other) == (try folder.retinue(other + ["--no-index"])))
            }
        }
    }

    @Test func aStaleIndexIsNotUsedAndSaidToBe() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.rows, "list.csv")
            _ = try folder.retinue("index", "list.csv")
            try folder.write(Self.rows + "10.0.0.1,/a7,10.0.0.3,/new\n", "list.csv")
            let outcome = try folder.retinue(Self.group)
            #expect(outcome.status == 0 && outcome.output.contains("10.0.0.3,entry,/new,"))
            #expect(outcome.errors.contains("list.csv.retinue-index is of another state of the list"))
        }
    }

    @Test func aDamagedIndexIsAnError() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.rows, "list.csv")
            _ = try folder.retinue("index", "list.csv")
            #expect(truncate(folder.path + "/list.csv.retinue-index", 5000) == 0)
            let outcome = try folder.retinue(Self.group)
            #expect(outcome.status == 2 && outcome.output.isEmpty && outcome.errors.contains("is damaged"))
            #expect(try folder.retinue(Self.group + ["--no-index"]).status == 0)
        }
    }

    @Test func anIndexThatOthersCanWriteIsNotUsed() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.rows, "list.csv")
            _ = try folder.retinue("index", "list.csv")
            let index = folder.path + "/list.csv.retinue-index"
            #expect(chmod(index, 0o666) == 0)
            #expect(chmod(folder.path + "/list.csv", 0o644) == 0)
            let outcome = try folder.retinue(Self.group)
            #expect(outcome.status == 0 && outcome.errors.contains("is not used"))
        }
    }

    @Test func nothingButAnIndexIsWrittenOver() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.rows, "list.csv")
            try folder.write("mine", "list.csv.retinue-index")
            let outcome = try folder.retinue("index", "list.csv")
            #expect(outcome.status == 1 && outcome.errors.contains("is no index"))
        }
    }

    @Test(arguments: ["h,\"/a\",h,/b\nh,/a,h,/b\n", "h,/a,h\n", ""]) func aListWithoutIndexIsRefused(
        list: String
    ) throws {
        try CommandFolder.with { folder throws in
            try folder.write(list, "list.csv")
            #expect(try folder.retinue("index", "list.csv").status == 2)
        }
    }
}
