import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("Formats of a move group")
struct GroupFormatTests {
    private static let files = ["--from", "web.ndjson", "db.ndjson"]

    private func group(_ folder: CommandFolder, _ words: String...) throws -> ProgramTests.Outcome {
        try folder.retinue(["group", "shop.service"] + words + Self.files)
    }

    @Test func eachIsWhatItIsCalled() throws {
        try CommandFolder.with { folder throws in
            func output(_ format: String, _ words: String...) throws -> String {
                let outcome = try folder.retinue(
                    ["group", "shop.service", "--format", format] + words + Self.files)
                #expect(outcome.status == 0)
                return outcome.output
            }
            let table = try group(folder)
            #expect(table.status == 0)
            #expect(table.output.hasPrefix("Move group of "))
            #expect(table.output.contains("takes connections of /srv/shop.py (web1)"))
            #expect(try output("csv").hasPrefix("host,kind,path,workload\n"))
            #expect(
                try output("csv", "--explain").hasPrefix("host,kind,path,workload,distance,reason,via host"))
            #expect(try output("csv", "--explain").contains(",server,web1,program,/srv/shop.py,exact,1,"))
            #expect(try output("list").hasPrefix("host A,path A,host B,path B\n"))
            #expect(try output("records").hasPrefix("host A,path A,relation,access,host B"))
            #expect(try output("dot").hasPrefix("digraph "))
            #expect(try output("mermaid").hasPrefix("---\ntitle: \"Move group of "))
            let provenance = try JSONValue(parsing: output("prov"))
            #expect(provenance["activity"]?.members?.isEmpty == false)
            let json = try JSONValue(parsing: output("json"))
            let schema = try JSONSchema(
                json: JSONValue(parsing: bytes(ofFile: packageFolder + "/docs/group-format.schema.json")))
            #expect(schema.validate(json) == [])
            #expect(json["start"]?.array?.count == 2)
            let explained = try group(folder, "--explain")
            #expect(explained.output.contains("postgres"))
        }
    }

    /// Nothing else is needed to draw.
    @Test func svgWithoutAnyOtherProgram() throws {
        try CommandFolder.with { folder throws in
            let line = "retinue group shop.py --from web.ndjson --format svg -o out.svg"
            #expect(try folder.shell("PATH=/nonexistent; \(line)").status == 0)
            let text = try folder.text("out.svg")
            #expect(text.hasPrefix("<svg xmlns=") && text.contains(">Move group of /srv/shop.py</text>"))
            let reader = "import sys,xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])"
            #expect(try folder.shell("python3 -c '\(reader)' out.svg").status == 0)
            let programs = try folder.shell("\(line) --only programs && ! grep /etc/shop.conf out.svg")
            #expect(programs.status == 0)
        }
    }

    /// What nobody could look at is refused with its size, and nothing is made.
    @Test func tooLargeForAPicture() throws {
        try CommandFolder.with { folder throws in
            let rows = (0..<5_001).map { "10.0.0.3,/a,10.0.0.3,/b/\($0)\n" }.joined()
            try folder.write(rows, "list.csv")
            let outcome = try folder.retinue(
                "group", "/a", "--from", "list.csv", "--format", "svg", "--all", "-o", "out.svg")
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("5,002 boxes and 5,001 arrows, of at most 5,000"))
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/out.svg"))
        }
    }

    @Test func intoAFile() throws {
        try CommandFolder.with { folder throws in
            let wanted = try group(folder, "--format", "json").output
            try folder.write("before", "out.json")
            let outcome = try group(folder, "--format", "json", "-o", "out.json")
            #expect(outcome.status == 0)
            #expect(outcome.output.isEmpty)
            #expect(try folder.text("out.json") == wanted)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 3)
            let full = try group(folder, "--format", "json", "-o", "/dev/full")
            #expect(full.status == 1)
            let failed = try folder.retinue("group", "shop.py", "--from", "missing", "-o", "out.json")
            #expect(failed.status == 2)
            #expect(try folder.text("out.json") == wanted)
        }
    }

    /// What two threads read, order and write is what one does, and says so if it cannot be written.
    @Test func aGroupForTwoThreads() throws {
        try CommandFolder.with { folder throws in
            var (rows, members) = ("", Set(["10.0.0.1 /ap0"]))
            for set in 0..<20_000 {
                let host = "10.0.0.\(1 + set % 3)"
                let (next, name) = ("10.0.0.\(1 + (set + 1) % 3)", "/srv/f\(set * 7_919 % 20_000)")
                rows += "\(host),/ap\(set),\(host),\(name)\n\(host),/ap\(set),\(next),/ap\(set + 1)\n"
                members.formUnion(["\(host) \(name)", "\(next) /ap\(set + 1)"])
            }
            // More than one thread orders and writes alone, more of them on one host than on the others.
            rows += (0..<20_000).map { "10.0.0.2,/ap7,10.0.0.2,/other/\($0)\n" }.joined()
            members.formUnion((0..<20_000).map { "10.0.0.2 /other/\($0)" })
            try folder.write(rows, "list.csv")
            let words = ["10.0.0.1:/ap0", "--from", "list.csv", "--symmetric", "--no-index"]
            let found = try folder.members(words)
            #expect(found.count == members.count)
            // Not compared in the expectation, which would print both.
            let ordered = members.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
            let isInOrder = found == ordered
            #expect(isInOrder)
            for output in [[], ["-o", "/dev/full"]] {
                let line = (["group"] + words + ["--format", "csv"] + output).joined(separator: " ")
                let full = try folder.shell("retinue \(line) > /dev/full")
                #expect(full.status == 1)
                #expect(full.errors.contains("No space left on device"), "\(full.errors)")
            }
        }
    }

    /// A list of a group is a dependency list, of which the symmetric group is the group.
    @Test func aListThatWasWrittenIsReadAgain() throws {
        try CommandFolder.with { folder throws in
            for format in ["list", "records"] {
                let line = "retinue group /srv/shop.py \(Self.files.joined(separator: " ")) --format"
                let again = try folder.shell(
                    "\(line) \(format) | retinue group /srv/shop.py --from - --symmetric --format csv")
                let wanted = try folder.shell("\(line) csv")
                func paths(_ text: String) -> [String] {
                    text.split(separator: "\n").dropFirst().map { String($0.split(separator: ",")[2]) }
                        .sorted()
                }
                #expect(again.status == 0)
                #expect(Set(paths(again.output)) == Set(paths(wanted.output)), "\(format)")
            }
        }
    }

    /// What a list of four columns has is written again, in four columns and in nine.
    @Test func whatDoesNotSayHowIsReadAgain() throws {
        try CommandFolder.with { folder throws in
            try folder.write("10.0.0.3,/a,10.0.0.3,/b\n10.0.0.3,/a,10.0.0.4,\"/c,d\"\n", "list.csv")
            let wanted = try folder.retinue("group", "/a", "--from", "list.csv", "--format", "json")
            #expect(wanted.status == 0)
            for format in ["list", "records"] {
                let line = "retinue group /a --from list.csv --format \(format) | "
                let again = try folder.shell(line + "retinue group /a --from - --format json")
                #expect(again.output == wanted.output, "\(format)")
            }
        }
    }
}
