import MoveGroup
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// `--since` and `--until`: what was seen, at the bounds and beyond.
@Suite("When something was seen")
struct TimeWindowTests {
    private static let now: UInt64 = HostDump.time + 7_200_000_000_000

    @Test(arguments: [
        ("2026-11-21T02:00:00Z", HostDump.time),
        ("2026-11-21T02:00:00.123456789Z", HostDump.time + 123_456_789),
        ("2026-11-21", HostDump.time - 7_200_000_000_000), ("-2h", HostDump.time), ("2h", HostDump.time),
        ("120m", HostDump.time), ("7200s", HostDump.time), ("-0s", HostDump.time + 7_200_000_000_000),
        ("1d", HostDump.time - 79_200_000_000_000),
    ])
    func momentsAsTheyAreTyped(text: String, time: UInt64) {
        #expect(Moment(text, now: Self.now)?.time == time)
    }

    @Test(arguments: [
        "", "-", "yesterday", "2h30m", "--2h", "2026-11-31", "2026-13-01", "2026-11-21T02:00:00",
        "2026-11-21 02:00:00Z",
        "2026-11-21T02:00:00+01:00", "1.5h", "h", "99999999999d", "1969-01-01",
    ])
    func whatIsNoMoment(text: String) { #expect(Moment(text, now: Self.now) == nil) }

    /// Seen from second 10 to 20; another file at second 15 alone.
    private static var host: HostDump {
        var host = HostDump("web1", id: "f1", "10.0.0.5")
        let program = host.program("/usr/bin/worker")
        for (path, second) in [("/srv/span", 10), ("/srv/span", 20), ("/srv/point", 15)] {
            host.ledger.note(
                .file(program, path: host.ledger.texts.intern(path)), access: .opened, evidence: .exact,
                time: HostDump.time + UInt64(second) * 1_000_000_000)
        }
        return host
    }

    private static let spans: [(words: [String], wanted: [String])] = [
        ([], ["/srv/point", "/srv/span"]),
        (["--since", "2026-11-21T02:00:20Z"], ["/srv/span"]),
        (["--since", "2026-11-21T02:00:20.001Z"], []),
        (["--since", "2026-11-21T02:00:15Z"], ["/srv/point", "/srv/span"]),
        (["--since", "2026-11-21T02:00:15.001Z"], ["/srv/span"]),
        (["--until", "2026-11-21T02:00:10Z"], ["/srv/span"]),
        (["--until", "2026-11-21T02:00:09.999Z"], []),
        (["--until", "2026-11-21T02:00:15Z"], ["/srv/point", "/srv/span"]),
        (["--since", "2026-11-21T02:00:16Z", "--until", "2026-11-21T02:00:17Z"], ["/srv/span"]),
        (
            ["--since", "2026-11-21T02:00:15Z", "--until", "2026-11-21T02:00:15Z"],
            ["/srv/point", "/srv/span"]
        ),
    ]

    @Test func boundsAreIncluded() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.host.ndjson, "host.ndjson")
            try folder.write(Self.host.csv(), "host.csv")
            for (words, wanted) in Self.spans {
                for file in ["host.ndjson", "host.csv"] {
                    let members = try folder.members(["/usr/bin/worker", "--from", file] + words)
                    #expect(
                        members.compactMap { $0.split(separator: " ").last.map(String.init) }.filter {
                            $0.hasPrefix("/srv")
                        } == wanted)
                }
                let records = try folder.retinue(
                    ["records", "--from", "host.ndjson", "--format", "csv"] + words)
                #expect(
                    records.output.split(separator: "\n").count == (wanted.isEmpty ? 0 : wanted.count + 1),
                    "\(words)")
                #expect(records.status == (wanted.isEmpty ? 1 : 0))
                let why = try folder.retinue(
                    ["why", "worker", "/srv/point", "--from", "host.ndjson"] + words)
                #expect((why.status == 0) == wanted.contains("/srv/point"), "\(words)")
            }
            let table = try folder.retinue(
                "group", "worker", "--from", "host.ndjson", "--since", "2026-11-21T02:00:15Z")
            #expect(table.output.contains("\nonly what was seen since 2026-11-21T02:00:15.000Z\n"))
        }
    }

    /// Rows of four columns have no times, and nothing says that they were not seen.
    @Test func rowsWithoutTimesStay() throws {
        try CommandFolder.with { folder throws in
            try folder.write("10.0.0.3,/a,10.0.0.3,/b\n", "list.csv")
            #expect(
                try folder.members("/a", "--from", "list.csv", "--since", "-1h") == [
                    "10.0.0.3 /a", "10.0.0.3 /b",
                ])
        }
    }

    @Test func wrongTimesAreErrors() throws {
        try CommandFolder.with { folder throws in
            for words in [["--since", "yesterday"], ["--until", ""], ["--since", "-1h", "--until", "-2h"]] {
                for command in [
                    ["group", "shop.py"], ["records"], ["why", "shop.py", "shop.py"],
                    ["transfer", "shop.py"],
                ] {
                    let outcome = try folder.retinue(command + words + ["--from", "web.ndjson"])
                    #expect(
                        outcome.status == 1 && outcome.output.isEmpty && outcome.errors.hasPrefix("Error: "),
                        "\(words)")
                }
            }
        }
    }
}
