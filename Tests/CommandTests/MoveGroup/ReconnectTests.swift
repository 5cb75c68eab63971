import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What was left out, or is followed no more, keeps its address.
@Suite("To be reconnected")
struct ReconnectTests {
    private static let files = ["--from", "web.ndjson", "db.ndjson"]

    /// The rows under the heading.
    private func rows(_ outcome: ProgramTests.Outcome) -> [String] {
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
        let start = lines.firstIndex(of: "To be reconnected") ?? lines.endIndex
        return lines[start...].dropFirst(2).prefix { !$0.isEmpty }.map {
            $0.split(separator: " ").joined(separator: " ")
        }
    }

    @Test func whatIsExcludedKeepsItsAddress() throws {
        try CommandFolder.with { folder throws in
            let all = try folder.retinue(["group", "shop.service"] + Self.files)
            #expect(rows(all) == ["to tcp:192.0.2.9:443 0 0 /srv/shop.py (web1)"])
            let without = try folder.retinue(["group", "shop.service", "--exclude", "postgres"] + Self.files)
            #expect(
                rows(without) == [
                    "to tcp:10.0.0.2:5432 (--exclude postgres) 0 0 /srv/shop.py (web1)",
                    "to tcp:192.0.2.9:443 0 0 /srv/shop.py (web1)",
                ])
            // It was observed: nothing is said to be missing for it.
            #expect(without.output.contains("note: 1 address was not observed"))
            // From the other side: a client that does not move comes from its host's address.
            let server = try folder.retinue(["group", "postgres", "--exclude", "shop.py"] + Self.files)
            #expect(
                rows(server) == [
                    "from tcp:10.0.0.1 at port 5432 (--exclude shop.py) 0 0 /usr/lib/postgresql/postgres (db1)"
                ])
            let json = try JSONValue(
                parsing: folder.retinue(
                    ["group", "shop.service", "--exclude", "postgres", "--json"] + Self.files
                ).output)
            let schema = try JSONSchema(
                json: JSONValue(parsing: bytes(ofFile: packageFolder + "/docs/group-format.schema.json")))
            #expect(schema.validate(json) == [])
            let ends = json["boundary"]?["endpoints"]?.array ?? []
            #expect(ends.map { $0["obstacle"] } == [.string("exclude"), nil])
            #expect(ends.first?["host"] == .string(Shop.dbID))
        }
    }

    @Test func beyondAStopWhatItTalksToIsReconnected() throws {
        try CommandFolder.with { folder throws in
            let outcome = try folder.retinue(
                ["group", "nginx@nginx.service", "--stop-at", "shop.py"] + Self.files)
            #expect(
                rows(outcome) == [
                    "to tcp:10.0.0.2:5432 (--stop-at shop.py) 0 0 /srv/shop.py (web1)",
                    "to tcp:192.0.2.9:443 (--stop-at shop.py) 0 0 /srv/shop.py (web1)",
                ])
        }
    }

    /// Both hosts have counted the same bytes: they stand once.
    @Test func bytesOfBothSidesAreCountedOnce() throws {
        try CommandFolder.with { folder throws in
            let web = Shop.web.lines.map { line in
                line.contains("\"connect\"") && line.contains("10.0.0.2")
                    ? line.replacing("\"sent\":0,\"received\":0", with: "\"sent\":23,\"received\":101") : line
            }
            let db = Shop.db.lines.map { line in
                line.contains("\"accept\"")
                    ? line.replacing("\"sent\":0,\"received\":0", with: "\"sent\":101,\"received\":23") : line
            }
            try folder.write(web.joined(separator: "\n") + "\n", "web.ndjson")
            try folder.write(db.joined(separator: "\n") + "\n", "db.ndjson")
            let outcome = try folder.retinue(["group", "shop.service", "--exclude", "postgres"] + Self.files)
            #expect(
                rows(outcome).first == "to tcp:10.0.0.2:5432 (--exclude postgres) 23 101 /srv/shop.py (web1)")
            let drawn = try folder.retinue(["group", "shop.service", "--format", "dot"] + Self.files)
            #expect(drawn.output.contains("label=\"connects to tcp:5432, 23 B out, 101 B in\""))
        }
    }

    /// A client that a person starts in a session is a tool there; in a service it is the service's.
    @Test func clientsInASessionAreTools() throws {
        for (workload, takesDatabase) in [
            ("user.slice/user-0.slice/session-3.scope", false),
            ("user.slice/user-1000.slice/session-c1.scope", false),
            ("system.slice/ssh.service", false), ("system.slice/backup.service", true), ("", true),
            ("user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", true),
        ] {
            try CommandFolder.with { folder throws in
                var host = HostDump("web1", id: Shop.webID, "10.0.0.1")
                let psql = host.program("/usr/lib/postgresql/15/bin/psql", workload: workload)
                let tool = host.program("/usr/bin/report", workload: "system.slice/report.service")
                host.share(tool, unix: "/run/report.sock")
                host.share(psql, unix: "/run/report.sock")
                host.connect(psql, "10.0.0.2", 5432)
                try folder.write(host.ndjson, "web.ndjson")
                let members = try folder.members(["report.service"] + Self.files)
                #expect(members.contains("web1 /usr/lib/postgresql/15/bin/psql"))
                #expect(members.contains("db1 /usr/lib/postgresql/postgres") == takesDatabase, "\(workload)")
            }
        }
    }
}
