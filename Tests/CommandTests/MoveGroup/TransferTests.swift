import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("retinue transfer")
struct TransferCommandTests {
    private static let files = ["--from", "web.ndjson", "db.ndjson"]

    private func transfer(_ folder: CommandFolder, _ words: String...) throws -> ProgramTests.Outcome {
        try folder.retinue(["transfer", "shop.service"] + words + Self.files)
    }

    @Test func tableAndSizes() throws {
        try CommandFolder.with { folder throws in
            try makeFolder(folder.path + "/a=b/etc")
            try folder.write([UInt8](repeating: 7, count: 4_099), "a=b/etc/shop.conf")
            let outcome = try transfer(folder, "--root", "web1=a=b")
            #expect(outcome.status == 0)
            #expect(outcome.output.hasPrefix("PHASE"))
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
            let conf = outcome.output.split(separator: "\n").first { $0.hasSuffix("/etc/shop.conf") }
            #expect(conf?.contains("4.0 KiB") == true)
            #expect(
                outcome.errors.contains(
                    "files of db1 could not be measured: run there, or give --root db1=FOLDER"))
            #expect(outcome.errors.contains("are not there any more, and count as nothing"))
            #expect(!outcome.errors.contains("files of web1"))
        }
    }

    @Test func csvAndPhases() throws {
        try CommandFolder.with { folder throws in
            try folder.write("x", "shop.conf")
            let all = try transfer(folder, "--format", "csv")
            #expect(all.output.hasPrefix("phase,host,path,bytes,last write,rewrite\n"))
            #expect(all.output.contains("\npre-copy,\(Shop.webID),/etc/shop.conf,,,0e-3\n"))
            let first = try transfer(folder, "--format", "csv", "--phase", "pre-copy")
            let last = try transfer(folder, "--format", "csv", "--phase", "final-copy", "--quiet", "36000")
            #expect(!first.output.contains("final-copy"))
            #expect(last.output.contains("/var/lib/shop/state"))
            #expect(!last.output.contains("pre-copy,"))
        }
    }

    /// Paths do not say whose they are: of two hosts' files in one stream one host would copy the other's.
    @Test func pathsAreOfOneHost() throws {
        try CommandFolder.with { folder throws in
            let several = try transfer(folder, "--format", "paths0")
            #expect(several.status == 2)
            #expect(several.output.isEmpty)
            #expect(
                several.errors.hasPrefix(
                    "retinue: paths0 is of one host, and the files are on several: name one by --host\n"
                        + "  db1\n  web1\n"))
            let one = try transfer(folder, "--format", "paths0", "--host", "10.0.0.2")
            #expect(one.status == 0)
            #expect(
                one.output.split(separator: "\0").sorted() == [
                    "/etc/postgresql.conf", "/var/lib/postgresql/base",
                ])
            let other = try transfer(folder, "--format", "csv", "--host", "web1")
            #expect(!other.output.contains(Shop.dbID))
            let nobody = try transfer(folder, "--host", "web9")
            #expect(nobody.status == 2)
            #expect(nobody.errors == "retinue: no record is of a host \"web9\"\n")
        }
    }

    @Test func hostileNames() throws {
        try CommandFolder.with { folder throws in
            var host = HostDump("h", id: "i", "10.0.0.3")
            let app = host.program("/app")
            let names = ["/a\nb", "/it's", "/\u{1b}[2J", "/a,\"b\""]
            for name in names { host.file(app, name, .opened) }
            try folder.write(host.ndjson, "h.ndjson")
            let paths = try folder.retinue("transfer", "/app", "--from", "h.ndjson", "--format", "paths0")
            #expect(paths.output == names.sorted().map { $0 + "\0" }.joined())
            let table = try folder.retinue("transfer", "/app", "--from", "h.ndjson")
            #expect(table.output.contains("/\\x1b[2J"))
            #expect(!table.output.contains("\u{1b}"))
            let csv = try folder.retinue("transfer", "/app", "--from", "h.ndjson", "--format", "csv")
            #expect(csv.output.contains(",\"/a,\"\"b\"\"\","))
        }
    }

    /// A list of four columns does not say which paths are files.
    @Test func whatMayBeAFileIsSaid() throws {
        try CommandFolder.with { folder throws in
            try folder.write("10.0.0.3,/a,10.0.0.3,/b\n", "list.csv")
            let outcome = try folder.retinue("transfer", "/a", "--from", "list.csv", "--format", "csv")
            #expect(outcome.status == 0)
            #expect(outcome.output.split(separator: "\n").count == 1)
            #expect(outcome.errors.contains("lists do not distinguish programs from files: 2 members"))
        }
    }

    @Test func wrongCommandLines() throws {
        try CommandFolder.with { folder throws in
            for words in [
                ["--bandwidth", "0"], ["--bandwidth", "nan"], ["--quiet", "-1"], ["--phase", "later"],
                ["--root", "web1"], ["--root", "=x"], ["--root", "web1="], ["--format", "xml"],
            ] {
                let outcome = try folder.retinue(["transfer", "shop.service"] + words + Self.files)
                #expect(outcome.status == 1)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("Error: "))
            }
            let nobody = try transfer(folder, "--root", "web9=/mnt")
            #expect(nobody.status == 2)
            #expect(nobody.output.isEmpty)
        }
    }

    /// Plain `rsync -a` loses links that are hard, owners that differ by number, attributes and writes within a second.
    @Test func helpSaysHowToFeedRsync() throws {
        try CommandFolder.with { folder throws in
            for words in [["transfer"], ["plan"]] {
                let help = try folder.retinue(words + ["--help"]).output.replacing("\\\n", with: " ")
                let line = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(line.contains("rsync -aHAXS --numeric-ids --modify-window=-1 --from0 --files-from="))
                #expect(!line.contains("rsync -a "))
            }
        }
    }
}
