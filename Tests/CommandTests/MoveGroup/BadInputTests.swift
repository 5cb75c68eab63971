import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What cannot be read is named and ends it all: there is never an answer from a part of the inputs.
@Suite("Inputs of a move group that cannot be read")
struct BadGroupInputTests {
    /// An input beside one that is whole, in either order: the sentence, status 2, and no answer.
    private func refused(
        _ folder: CommandFolder, _ file: String, _ sentence: String, options: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for files in [["web.ndjson", file], [file, "web.ndjson"]] {
            for command in [
                ["group", "shop.py"], ["why", "shop.py", "/etc/shop.conf"], ["transfer", "shop.py"],
            ] {
                let outcome = try folder.retinue(command + ["--from"] + files + options)
                #expect(outcome.status == 2, sourceLocation: sourceLocation)
                #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
                #expect(outcome.errors.hasPrefix("retinue: \(sentence)"), sourceLocation: sourceLocation)
            }
        }
    }

    @Test func foreignFilesEvenIfLenient() throws {
        try CommandFolder.with { folder throws in
            try folder.write([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d], "a.png")
            try folder.write("", "empty")
            try folder.write([0x1f, 0x8b, 8, 1], "a.gz")
            try folder.write([0x28, 0xb5, 0x2f, 0xfd, 4], "a.zst")
            try folder.write("open,1,/etc/passwd,r\n", "open.csv")
            try folder.write("fork,1,2\n", "fork.csv")
            try folder.write("accept,10.0.0.1,80,7,10.0.0.2,4000\n", "accept.csv")
            try makeFolder(folder.path + "/folder")
            var generator = SeededGenerator(seed: 7)
            let noise: [UInt8] = (0..<70_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
            try folder.write(noise, "noise")
            for options in [[], ["--lenient"]] {
                func check(_ file: String, _ sentence: String) throws {
                    try refused(folder, file, sentence, options: options)
                }
                try check("/dev/null", "/dev/null is empty")
                try check("empty", "empty is empty")
                try check("a.png", "a.png is no dump, no store and no dependency list")
                try check("/bin/ls", "/bin/ls is no dump, no store and no dependency list")
                try check("noise", "noise is no dump, no store and no dependency list")
                try check("folder", "cannot read folder: Is a directory")
                try check("missing", "cannot open missing: No such file or directory")
                try check("a.gz", "a.gz is compressed; decompress it first: gzip -dc")
                try check("a.zst", "a.zst is compressed; decompress it first: zstd -dc")
                for name in ["open.csv", "fork.csv", "accept.csv"] {
                    try check(name, "\(name) has records of calls, of which a dependency list must be made")
                }
            }
        }
    }

    /// Of a dump that was cut off anywhere there is no answer, and without strictness one that says so.
    @Test func aDumpThatWasCutOff() throws {
        try CommandFolder.with { folder throws in
            let whole = Shop.db.ndjson
            let header = try #require(whole.firstIndex(of: 0x0a))
            var generator = SeededGenerator(seed: 5)
            let places = [1, 7, header - 1, header, header + 1, header + 2, whole.count - 2]
            for place in places
                + (0..<8).map({ _ in Int.random(in: 1..<(whole.count - 1), using: &generator) })
            {
                try folder.write(Array(whole[..<place]), "cut.ndjson")
                let strict = try folder.retinue("group", "shop.py", "--from", "web.ndjson", "cut.ndjson")
                #expect(strict.status == 2)
                #expect(strict.output.isEmpty)
                #expect(strict.errors.hasPrefix("retinue: cut.ndjson: line "), "\(place): \(strict.errors)")
                // Without its header nothing can be made of it.
                let lenient = try folder.retinue(
                    "group", "shop.py", "--from", "web.ndjson", "cut.ndjson", "--lenient")
                #expect(lenient.status == (place < header ? 2 : 0), "\(place): \(lenient.errors)")
                #expect(lenient.output.isEmpty == (place < header))
                #expect(lenient.errors.hasPrefix("retinue: cut.ndjson: "))
            }
        }
    }

    @Test func howManyLinesAreMissingIsSaid() throws {
        try CommandFolder.with { folder throws in
            let lines = Shop.db.lines
            func errors(_ lines: [String], end: String = "\n") throws -> String {
                try folder.write(lines.joined(separator: "\n") + end, "cut.ndjson")
                let outcome = try folder.retinue("group", "postgres", "--from", "cut.ndjson", "--lenient")
                #expect(outcome.status == 0)
                return outcome.errors
            }
            let prefix = "retinue: cut.ndjson: "
            #expect(try errors(lines) == "")
            // No newline at the end, and nothing lost by that.
            #expect(try errors(lines, end: "") == "")
            #expect(try errors(Array(lines.dropLast())) == prefix + "cut off, 1 line missing\n")
            #expect(try errors(Array(lines.dropLast(3)), end: "") == prefix + "cut off, 3 lines missing\n")
            let half = Array(lines.dropLast()) + [String(lines[lines.count - 1].dropLast(5))]
            let skipped = "skipped 1 line that cannot be read; the first: line \(lines.count): "
            #expect(try errors(half, end: "").hasPrefix(prefix + skipped))
            #expect(try !errors(half, end: "").contains("missing\n"))
            // A line that cannot be read is there, whatever it was.
            var noise = lines
            noise[2] = "noise"
            #expect(
                try errors(noise).hasPrefix(prefix + "skipped 1 line that cannot be read; the first: line 3"))
            #expect(try !errors(noise).contains("cut off"))
        }
    }

    @Test func linesThatAreNone() throws {
        try CommandFolder.with { folder throws in
            var lines = Shop.db.lines
            try folder.write((lines + ["bla"]).joined(separator: "\n") + "\n", "more.ndjson")
            try refused(folder, "more.ndjson", "more.ndjson: line \(lines.count + 1): ")
            try folder.write((lines + lines).joined(separator: "\n") + "\n", "two.ndjson")
            try refused(folder, "two.ndjson", "two.ndjson: line \(lines.count + 1): a second header")
            lines[0] = lines[0].replacing("retinue/2", with: "retinue/9")
            try folder.write(lines.joined(separator: "\n") + "\n", "nine.ndjson")
            try refused(folder, "nine.ndjson", "nine.ndjson: line 1: unknown schema \"retinue/9\"")
            try folder.write("{\"a\":1}\n", "other.json")
            try refused(folder, "other.json", "other.json: line 1: ")
            try folder.write("a,/b,c,/d\na,/b,c\n", "three.csv")
            try refused(folder, "three.csv", "three.csv: line 2: 3 columns, where the lines before have 4")
            try folder.write("a,/b,c\n", "only.csv")
            try refused(folder, "only.csv", "only.csv: line 1: 3 columns; a dependency list has four or nine")
            try folder.write("a,/b,c,/d\na,/b,c,/e", "cut.csv")
            try refused(folder, "cut.csv", "cut.csv: line 2: the last line has no end")
            try folder.write("a,/b,friend,,c,/d,1,,\n", "word.csv")
            try refused(folder, "word.csv", "word.csv: line 1: relation cannot be \"friend\"")
            let lenient = try folder.retinue(
                "group", "/b", "--from", "three.csv", "--lenient", "--format", "csv")
            #expect(lenient.status == 0)
            #expect(lenient.output.hasSuffix("c,entry,/d,\n"))
            #expect(
                lenient.errors.hasPrefix(
                    "retinue: three.csv: skipped 1 line that cannot be read; the first: line 2: 3 columns"))
        }
    }

    @Test func storesThatAreNone() throws {
        try CommandFolder.with { folder throws in
            try Shop.db.writeStore(to: folder.path + "/db.db")
            var bytes = try bytes(ofFile: folder.path + "/db.db")
            try folder.write(Array(bytes[..<100]), "cut.db")
            try refused(folder, "cut.db", "cut.db: ")
            try folder.write(Array(bytes[..<(bytes.count / 2)]), "half.db")
            try refused(folder, "half.db", "half.db: ")
            bytes.replaceSubrange(68..<72, with: [0, 0, 0, 0])
            try folder.write(bytes, "other.db")
            try refused(folder, "other.db", "other.db: the store belongs to another application")
            let input = try folder.shell("retinue group shop.py --from web.ndjson - < db.db")
            #expect(input.status == 2)
            #expect(input.output.isEmpty)
            #expect(input.errors.hasPrefix("retinue: standard input is a store"))
        }
    }

    @Test func wrongCommandLines() throws {
        try CommandFolder.with { folder throws in
            for words in [
                ["shop.py", "--from", "-", "-"], ["shop.py", "--clock-skew", "-1"],
                ["shop.py", "--format", "xml"],
                ["shop.py", "--clock-skew", "nan"], ["shop.py", "--from", "web.ndjson", "--socket", "/a"], [],
                ["shop.py", "--explain", "--format", "json", "--from", "web.ndjson"],
            ] {
                let outcome = try folder.retinue(["group"] + words)
                #expect(outcome.status == 1)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("Error: "))
            }
        }
    }
}
