import Foundation
import TestSupport
import Testing

@testable import RetinueCommands

/// Records that were made to mislead whoever reads what comes out of them.
@Suite("Hostile records and what is made of them")
struct HostileExportTests {
    private static let time = "2026-11-21T02:00:00.000Z"
    /// The largest that 64 bits hold.
    private static let late = "2554-07-21T23:34:33.709Z"

    private static func header(_ host: String, _ addresses: String = "") -> String {
        """
        {"type":"header","schema":"retinue/2","time":"\(time)","host":"\(host)","machine":{"name":"\(host)",\
        "addresses":[\(addresses)],"kernel":"6.18","boot":"b"},"daemon":{"version":"1","started":"\(time)"},\
        "sources":{}}

        """
    }

    private static func line(_ host: String, _ rest: String, count: String = "1", last: String = time)
        -> String
    {
        """
        {"type":"dependency","host":"\(host)","program":{"executable":"/usr/bin/app"},\(rest),"count":\(count),\
        "first":"\(time)","last":"\(last)","evidence":"exact"}

        """
    }

    private static func file(_ path: String, count: String = "1", last: String = time) -> String {
        line(
            "h", #""relation":"file","path":"\#(path)","kind":"regular","access":"rw""#, count: count,
            last: last)
    }

    /// Runs with a dump of files at these paths.
    private func withFiles(_ paths: [String], _ body: (CommandFolder) throws -> Void) throws {
        try CommandFolder.with { folder in
            try folder.write(Self.header("h") + paths.map { Self.file($0) }.joined(), "h.ndjson")
            try body(folder)
        }
    }

    @Test(arguments: [
        "/srv/../../etc/shadow", "/srv/..", "/./x", #"/srv/a\u0000/etc/shadow"#, "etc/passwd", "-rf", "",
    ])
    func aPathThatMeansAnotherIsNotCopied(path: String) throws {
        try withFiles(["/srv/plain", path]) { folder in
            let outcome = try folder.retinue("transfer", "app", "--from", "h.ndjson", "--format", "paths0")
            #expect(outcome.status == 2)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.contains("1 path that no kernel reports"))
            // The table shows it.
            #expect(try folder.retinue("transfer", "app", "--from", "h.ndjson").status == 0)
        }
    }

    @Test func strangeNamesAreCopiedAsTheyAre() throws {
        let names = ["-rf", "#comment", ";comment", "[a]*?", "..x", "x..", "a b", " ", "\\n", "é"]
        try withFiles(names.map { "/srv/\($0)" }) { folder in
            let outcome = try folder.retinue("transfer", "app", "--from", "h.ndjson", "--format", "paths0")
            #expect(outcome.status == 0)
            let expected = names.map { "/srv/" + ($0 == "\\n" ? "\n" : $0) }
            #expect(outcome.output.split(separator: "\0").map(String.init).sorted() == expected.sorted())
        }
    }

    @Test(arguments: ["csv", "list", "records", "dot"])
    func aTerminalIsNotSteered(format: String) throws {
        try withFiles([#"/srv/\u001b]0;title\u0007\u202e\u009b2J"#]) { folder in
            let retinue = try Products.path("retinue")
            let command = "'\(retinue)' group app --from h.ndjson --format \(format)"
            let shown = try folder.shell("script -qec \"\(command)\" /dev/null < /dev/null")
            // DOT shortens names, and doubles backslashes.
            let escaped = format == "dot" ? #"\\x1b]0;title"# : #"\x1b]0;title\x07\u{202e}\u{9b}2J"#
            #expect(shown.output.contains(escaped))
            let scalars = shown.output.unicodeScalars.map(\.value)
            #expect(!scalars.contains { $0 == 0x1b || $0 == 7 || $0 == 0x202e || $0 == 0x9b })
            guard format != "dot" else { return }
            // A program gets the name.
            let piped = try folder.retinue("group", "app", "--from", "h.ndjson", "--format", format)
            #expect(piped.output.contains("/srv/\u{1b}]0;title\u{7}\u{202e}\u{9b}2J"))
        }
    }

    @Test func noCellIsAFormula() throws {
        try CommandFolder.with { folder in
            try folder.write("h,/app,h,\"=cmd|'/C calc'!A0\"\nh,/app,h,@SUM(1)\nh,/app,-1+1,+2\n", "list.csv")
            let words = ["group", "h:/app", "--from", "list.csv", "--format"]
            let cells = try folder.retinue(words + ["csv"]).output
            #expect(cells.contains("\nh,entry,\\x3dcmd|'/C calc'!A0,\n"))
            #expect(cells.contains("\nh,entry,\\x40SUM(1),\n"))
            #expect(cells.contains("\n\\x2d1+1,entry,\\x2b2,\n"))
            // What is read again is exact.
            #expect(try folder.retinue(words + ["list"]).output.contains("h,/app,h,@SUM(1)\n"))
        }
    }

    @Test func aDeviceIsNoInput() throws {
        try CommandFolder.with { folder in
            for command in ["group", "records", "advise"] {
                let outcome = try folder.retinue(command, "app", "--from", "/dev/zero")
                #expect(outcome.status == 2)
                #expect(outcome.errors == "retinue: /dev/zero is a device; give a file or a pipe\n")
            }
            // A pipe may be endless: what has no lines is given up within the memory of one.
            let limit = "ulimit -v 600000; "
            let zeroes = try folder.shell(limit + "cat /dev/zero | retinue group app --from -")
            #expect(zeroes.status == 2)
            #expect(zeroes.errors.contains("is no dump, no store and no dependency list"))
            let letters = try folder.shell(limit + "tr '\\0' x < /dev/zero | retinue group app --from -")
            #expect(letters.status == 2)
            #expect(letters.errors.contains("longer than 16777216 bytes"))
            let braces = try folder.shell(limit + "tr '\\0' '{' < /dev/zero | retinue group app --from -")
            #expect(braces.status == 2)
            #expect(braces.errors.contains("longer than"))
        }
    }

    /// Counts and times at the ends of what 64 bits hold, in two inputs, in every form.
    @Test func extremesDoNotTrap() throws {
        let most = "18446744073709551615"
        try CommandFolder.with { folder in
            var dumps = ""
            for (name, time) in [("a", Self.late), ("b", "1970-01-01T00:00:00.000Z")] {
                var text = Self.header("h", #""10.0.0.1""#).replacing(Self.time, with: time)
                for path in ["/srv/x", "/srv/y"] { text += Self.file(path, count: most, last: Self.late) }
                let connect =
                    #""relation":"connect","transport":"tcp","remote":{"address":"10.0.0.9","port":65535},"#
                text += Self.line(
                    "h", connect + "\"sent\":\(most),\"received\":\(most)", count: most, last: Self.late)
                text +=
                    #"{"type":"gap","source":"fanotify","cause":"x","from":"1970-01-01T00:00:00.000Z","to":"\#(Self.late)","lost":\#(most)}"#
                    + "\n"
                try folder.write(text, "\(name).ndjson")
                dumps += " \(name).ndjson"
            }
            let from = ["--from", "a.ndjson", "b.ndjson"]
            for format in ["table", "json", "csv", "list", "records", "dot", "mermaid", "svg", "prov"] {
                for mode in [[], ["--symmetric"]] {
                    let outcome = try folder.retinue(["group", "app", "--format", format] + mode + from)
                    #expect(outcome.status == 0, "\(format): \(outcome.errors)")
                }
            }
            for words in [
                ["why", "app", "/srv/x"], ["transfer", "app"], ["transfer", "app", "--format", "csv"],
            ] {
                let outcome = try folder.retinue(words + from)
                #expect(outcome.status == 0, "\(words): \(outcome.errors)")
            }
            #expect(try folder.retinue("records", "--from", "a.ndjson", "--wide").status == 0)
        }
    }
}
