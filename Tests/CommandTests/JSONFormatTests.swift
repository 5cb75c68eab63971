import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// Every command that prints prints JSON, by the same flag.
@Suite("--json")
struct JSONFormatTests {
    @Test func ofEveryCommandThatReadsFiles() throws {
        try CommandFolder.with { folder throws in
            try folder.write("exec,7,/bin/b\nopen,7,/etc/a,r\n", "calls.csv")
            let from = ["--from", "web.ndjson", "db.ndjson"]
            let commands: [(words: [String], key: String)] = [
                (["group", "shop.py"] + from, "members"),
                (["why", "shop.py", "/etc/shop.conf"] + from, "chains"),
                (["transfer", "shop.py"] + from, "files"), (["advise", "shop.py"] + from, "hosts"),
                (["policy"], "rules"), (["diff", "web.ndjson", "web.ndjson"], "differences"),
                (["probe"], "findings"),
            ]
            for (words, key) in commands {
                let outcome = try folder.retinue(words + ["--json"])
                let document = try JSONValue(parsing: outcome.output)
                #expect(document[key] != nil, "\(words)")
                // What a probe finds of memory and queues is another number each time.
                let long = try folder.retinue(words + ["--format", "json"]).output
                let isSame = words == ["probe"] ? long.hasPrefix("{\"kernel\":") : long == outcome.output
                #expect(isSame, "\(words)")
                // Another form at the same time is a contradiction.
                let other =
                    words[0] == "probe" || words[0] == "diff" || words[0] == "advise"
                    ? [] : ["--format", "csv"]
                if !other.isEmpty {
                    #expect(try folder.retinue(words + ["--json"] + other).status == 1, "\(words)")
                }
            }
            let list = try JSONValue(parsing: folder.retinue("list", "10.0.0.1=calls.csv", "--json").output)
            #expect(list.array?.isEmpty == false)
            #expect(list.array?.allSatisfy { $0["host_a"] == .string("10.0.0.1") } == true)
            let records = try folder.retinue("records", "nginx", "--from", "web.ndjson", "--json")
            let lines = try folder.retinue("records", "nginx", "--from", "web.ndjson", "--format", "ndjson")
            #expect(try Self.array(records.output) == Self.lines(lines.output))
            #expect(try Self.array(records.output).count == 4)
        }
    }

    @Test func ofWhatTheDaemonIsAskedFor() throws {
        try withTemporaryFolder { folder in
            let daemon = try FakeDaemon(
                path: folder + "/retinued.sock", status: StatusTests.ready, dump: SampleDump.ndjson)
            defer { daemon.stop() }
            func output(_ words: String...) throws -> String {
                let child = try Child(
                    [try Products.path("retinue")] + words + ["--state-dir", folder], folder: folder)
                _ = try child.wait(within: 60)
                return child.outputText
            }
            #expect(try JSONValue(parsing: output("status", "--json"))["ready"] == .boolean(true))
            let lines = String(decoding: SampleDump.ndjson, as: UTF8.self)
            #expect(try Self.array(output("dump", "--json")) == Self.lines(lines))
            let forgotten = try JSONValue(parsing: output("forget", "nginx", "--dry-run", "--json"))
            #expect(forgotten["records"] == .integer(24) && forgotten["dry_run"] == .boolean(true))
            #expect(forgotten["relations"]?["file"] == .integer(23))
        }
    }

    /// The steps of `why` are members, each with the reason that brought it in.
    @Test func whyHasTheChain() throws {
        try CommandFolder.with { folder throws in
            let outcome = try folder.retinue(
                "why", "shop.py", "postgres", "--from", "web.ndjson", "db.ndjson", "--json")
            #expect(outcome.status == 0)
            let chain = try JSONValue(parsing: outcome.output)["chains"]?.array?.first?.array ?? []
            #expect(chain.count == 2)
            #expect(chain.first?["script"] == .string("/srv/shop.py") && chain.first?["reason"] == nil)
            #expect(chain.last?["executable"] == .string("/usr/lib/postgresql/postgres"))
            #expect(chain.last?["reason"]?["follow"] == .string("server"))
            #expect(chain.last?["reason"]?["evidence"] == .string("exact"))
        }
    }

    @Test func linesThatComeInPiecesAreOneArray() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/out"
            for (text, wanted) in [
                ("", "[]\n"), ("{}\n", "[{}]\n"), ("{\"a\":\"\\n\"}\n{}\n", "[{\"a\":\"\\n\"},\n{}]\n"),
            ] {
                for size in 1...4 {
                    try OutputFile.write(to: path) { output in
                        var lines = JSONLines(to: output)
                        var rest = Array(text.utf8)[...]
                        while !rest.isEmpty {
                            try Array(rest.prefix(size)).withUnsafeBytes { try lines.write($0) }
                            rest = rest.dropFirst(size)
                        }
                        try lines.finish()
                    }
                    #expect(try String(decoding: bytes(ofFile: path), as: UTF8.self) == wanted)
                }
            }
        }
    }

    private static func array(_ text: String) throws -> [JSONValue] {
        try JSONValue(parsing: text).array ?? []
    }

    private static func lines(_ text: String) throws -> [JSONValue] {
        try text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    }
}
