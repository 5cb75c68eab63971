import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// `retinue diff`: two inputs of one kind, and what they differ in.
@Suite("What two inputs differ in")
struct DiffTests {
    /// The same lines in another order, and the numbers that come with it.
    private static func reversed(_ bytes: [UInt8]) -> String {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return ([lines[0]] + lines.dropFirst().reversed()).map { $0 + "\n" }.joined()
    }

    @Test func theSameInAnotherOrderDiffersInNothing() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.reversed(Shop.web.ndjson), "reversed.ndjson")
            try Shop.web.writeStore(to: folder.path + "/web.db")
            for other in ["web.ndjson", "reversed.ndjson", "web.db"] {
                #expect(
                    try folder.retinue("diff", "web.ndjson", other)
                        == .init(status: 0, output: "", errors: ""))
            }
            try folder.write(Shop.web.csv(), "web.csv")
            let rows = String(decoding: Shop.web.csv(), as: UTF8.self).split(separator: "\n")
            try folder.write(
                (rows.prefix(1) + rows.dropFirst().reversed()).map { $0 + "\n" }.joined(), "reversed.csv")
            #expect(
                try folder.retinue("diff", "web.csv", "reversed.csv")
                    == .init(status: 0, output: "", errors: ""))
        }
    }

    /// One more file, one less, one that is written now, and one that was only used again.
    private static var later: HostDump {
        var host = Shop.web
        let nginx = host.program("/usr/sbin/nginx", workload: "system.slice/nginx.service")
        let shop = host.program(
            "/usr/bin/python3.11", script: "/srv/shop.py", workload: "system.slice/shop.service")
        host.file(nginx, "/etc/nginx/new\n.conf", .opened)
        host.file(shop, "/etc/shop.conf", .written)
        host.file(shop, "/var/lib/shop/state", .opened)
        host.connect(shop, "192.0.2.10", 443)
        host.ledger.gaps.append(
            Gap(
                source: "fanotify", cause: "overflow", from: HostDump.time, to: HostDump.time + 1_000_000_000,
                lost: 12))
        return host
    }

    private static let differences = """
        + gap of fanotify from 2026-11-21T02:00:00.000Z: overflow
        + /usr/sbin/nginx@system.slice/nginx.service file /etc/nginx/new\\n.conf (r, regular, exact, once, \
        2026-11-21T02:00:00.000Z to 2026-11-21T02:00:00.000Z)
        ~ /usr/bin/python3.11 /srv/shop.py@system.slice/shop.service file /etc/shop.conf: access r -> rw
        + /usr/bin/python3.11 /srv/shop.py@system.slice/shop.service connect tcp:192.0.2.10:443 (exact, once, \
        2026-11-21T02:00:00.000Z to 2026-11-21T02:00:00.000Z)
        3 added, 0 gone, 1 changed

        """

    @Test func eachDifferenceNamesItsRecord() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.later.ndjson, "later.ndjson")
            let outcome = try folder.retinue("diff", "web.ndjson", "later.ndjson")
            #expect(outcome.status == 1)
            #expect(
                outcome.output.split(separator: "\n").sorted()
                    == Self.differences.split(separator: "\n").sorted())
            #expect(
                outcome.errors
                    == "retinue: 1 record more differs in counts and times alone; --counts shows that\n")
            // The other way round what was added is gone.
            let back = try folder.retinue("diff", "later.ndjson", "web.ndjson")
            #expect(back.output.contains("\n0 added, 3 gone, 1 changed\n"))
            #expect(back.output.contains("file /etc/shop.conf: access rw -> r\n"))
            let counted = try folder.retinue("diff", "web.ndjson", "later.ndjson", "--counts")
            #expect(counted.output.contains("file /var/lib/shop/state: count 1 -> 2\n"))
            #expect(counted.output.hasSuffix("3 added, 0 gone, 2 changed\n"))
            #expect(counted.errors.isEmpty)
            let document = try JSONValue(
                parsing: folder.retinue("diff", "web.ndjson", "later.ndjson", "--format", "json").output)
            #expect(document["schema"] == .string("retinue-diff/1") && document["of"] == .string("dump"))
            let listed = document["differences"]?.array ?? []
            #expect(listed.count == 4 && document["totals"]?["added"] == .integer(3))
            let changed = listed.first { $0["change"] == .string("changed") }
            #expect(changed?["record"]?["path"] == .string("/etc/shop.conf"))
            #expect(changed?["record"]?["script"] == .string("/srv/shop.py"))
            #expect(changed?["changes"]?["access"]?["to"] == .string("rw"))
        }
    }

    @Test func aGroupGrowsForAReason() throws {
        try CommandFolder.with { folder throws in
            try folder.write(Self.later.ndjson, "later.ndjson")
            for format in ["json", "csv"] {
                for (name, file) in [("old", "web.ndjson"), ("new", "later.ndjson")] {
                    let outcome = try folder.retinue(
                        ["group", "nginx@nginx.service", "--from", file, "--format", format, "-o", name]
                            + (format == "csv" ? ["--explain"] : []))
                    #expect(outcome.status == 0)
                }
                #expect(try folder.retinue("diff", "old", "old") == .init(status: 0, output: "", errors: ""))
                let outcome = try folder.retinue("diff", "old", "new")
                #expect(outcome.status == 1)
                let reason =
                    format == "json"
                    ? "+ web1:/etc/nginx/new\\n.conf (used by web1:/usr/sbin/nginx@system.slice/nginx.service)"
                    : "+ web1:/etc/nginx/new\\n.conf (copied web1:/usr/sbin/nginx)"
                #expect(
                    outcome.output.split(separator: "\n").contains(Substring(reason)), "\(outcome.output)")
            }
        }
    }

    @Test func listsAndPlansAreCompared() throws {
        try CommandFolder.with { folder throws in
            try folder.write("10.0.0.1,/a,10.0.0.1,/b\n10.0.0.1,/a,10.0.0.2,\"/c,d\"\n", "old.csv")
            try folder.write("10.0.0.1,/a,10.0.0.2,\"/c,d\"\r\n10.0.0.1,/e,10.0.0.2,/f\r\n", "new.csv")
            #expect(
                try folder.retinue("diff", "old.csv", "new.csv")
                    == .init(
                        status: 1,
                        output: """
                            - 10.0.0.1:/a -> 10.0.0.1:/b
                            + 10.0.0.1:/e -> 10.0.0.2:/f
                            1 added, 1 gone, 0 changed

                            """, errors: ""))
            let made = try folder.retinue("plan", "shop.service", "--from", "web.ndjson", "-o", "plan.yaml")
            #expect(made.status == 0)
            #expect(
                try folder.retinue("diff", "plan.yaml", "plan.yaml")
                    == .init(status: 0, output: "", errors: ""))
            let edited = try folder.text("plan.yaml").replacing("/etc/shop.conf", with: "/etc/other.conf")
            try folder.write(edited, "edited.yaml")
            let outcome = try folder.retinue("diff", "plan.yaml", "edited.yaml")
            #expect(outcome.status == 1 && outcome.output.contains("/etc/other.conf: added"), "\(outcome)")
        }
    }

    @Test func whatCannotBeComparedIsAnError() throws {
        try CommandFolder.with { folder throws in
            try folder.write("", "empty")
            try folder.write("{\"schema\":\"retinue-group/1\",", "torn.json")
            try folder.write("a,b,c\n", "three.csv")
            try folder.write("10.0.0.1,/a,10.0.0.1,\"/b\n", "quote.csv")
            try folder.write("10.0.0.1,/a,10.0.0.1,/b\n", "list.csv")
            for (other, words) in [
                ("missing", "cannot open missing"), ("empty", "is empty"), ("torn.json", "torn.json"),
                ("three.csv", "3 columns"), ("quote.csv", "quote.csv, line 1"),
                (
                    "list.csv",
                    "web.ndjson is a dump, and list.csv is a dependency list: they cannot be compared"
                ),
            ] {
                let outcome = try folder.retinue("diff", "web.ndjson", other)
                #expect(outcome.status == 2 && outcome.output.isEmpty, "\(other)")
                #expect(outcome.errors.contains(words), "\(outcome.errors)")
            }
            let twice = try folder.retinue("diff", "-", "-")
            #expect(twice.status == 1 && twice.errors.contains("standard input can be read only once"))
        }
    }
}
