import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("What a move group is joined from")
struct GroupInputTests {
    /// The shop's group, of whichever of its inputs.
    private static let members = [
        "db1 /etc/postgresql.conf", "db1 /usr/lib/postgresql/postgres", "db1 /var/lib/postgresql/base",
        "web1 /etc/nginx/nginx.conf", "web1 /etc/shop.conf", "web1 /srv/report.py", "web1 /srv/shop.py",
        "web1 /usr/sbin/nginx", "web1 /var/lib/shop/state", "web1 unix:/run/shop.sock",
    ]

    private func check(_ folder: CommandFolder, _ files: String..., comment: Comment? = nil) throws {
        let start = "web1:/srv/shop.py"
        #expect(try folder.members([start, "--from"] + files).sorted() == Self.members, comment)
    }

    @Test func dumpsAndStoresInAnyOrder() throws {
        try CommandFolder.with { folder throws in
            try Shop.web.writeStore(to: folder.path + "/web.db")
            try Shop.db.writeStore(to: folder.path + "/db #?.db")
            try check(folder, "web.ndjson", "db.ndjson")
            try check(folder, "db.ndjson", "web.ndjson")
            try check(folder, "web.db", "db.ndjson")
            try check(folder, "db #?.db", "web.ndjson")
            try check(folder, "web.db", "db #?.db", "web.ndjson", "db.ndjson")
        }
    }

    @Test func theSameBytesWhateverTheOrder() throws {
        try CommandFolder.with { folder throws in
            var older = Shop.web
            older.header.time -= 7_000_000_000_000
            try folder.write(older.ndjson, "older.ndjson")
            for format in ["table", "json", "csv", "list", "records", "dot", "mermaid", "prov"] {
                let one = try folder.retinue(
                    "group", "shop.service", "--format", format, "--from", "web.ndjson", "db.ndjson",
                    "older.ndjson")
                let other = try folder.retinue(
                    "group", "shop.service", "--format", format, "--from", "older.ndjson", "db.ndjson",
                    "web.ndjson", "db.ndjson")
                #expect(one.status == 0)
                #expect(!one.output.isEmpty)
                #expect(one == other)
            }
        }
    }

    @Test func listsNameHostsByIdOrAddressWhateverTheOrder() throws {
        try CommandFolder.with { folder throws in
            for name in ["10.0.0.2", "fd00::2", Shop.dbID] {
                try folder.write(Shop.db.csv(host: name), "db.csv")
                // What only the list has: another program of the database's state.
                try folder.write(
                    "\(name),/usr/bin/vacuum,file,rw,\(name),/var/lib/postgresql/base,1,,\n", "more.csv")
                let wanted = (Self.members + ["db1 /usr/bin/vacuum"]).sorted()
                for files in [
                    ["more.csv", "web.ndjson", "db.ndjson"],
                    ["web.ndjson", "db.csv", "more.csv", "db.ndjson"],
                ] {
                    // A list has no workloads: the program is there as well without its own.
                    let found = try folder.members(["/srv/shop.py", "--from"] + files)
                    #expect(Set(found).sorted() == wanted)
                }
            }
        }
    }

    @Test func fourColumns() throws {
        try CommandFolder.with { folder throws in
            try folder.write(
                "10.0.0.2,/usr/lib/postgresql/postgres,10.0.0.2,/opt/x\n10.0.0.3,/y,10.0.0.2,/opt/x\n",
                "list.csv")
            let members = try folder.members("/y", "--from", "list.csv")
            #expect(members == ["10.0.0.2 /opt/x", "10.0.0.2 /usr/lib/postgresql/postgres", "10.0.0.3 /y"])
            // With a dump of the host the host has its name.
            let named = try folder.members("/y", "--from", "list.csv", "db.ndjson")
            #expect(named.contains("db1 /opt/x"))
        }
    }

    @Test func standardInputAndPipes() throws {
        try CommandFolder.with { folder throws in
            let wanted = try folder.retinue(
                "group", "/srv/shop.py", "--from", "web.ndjson", "db.ndjson", "--format", "csv")
            #expect(wanted.status == 0)
            for line in [
                "retinue group /srv/shop.py --format csv --from - db.ndjson < web.ndjson",
                "cat web.ndjson | retinue group /srv/shop.py --from db.ndjson - --format csv",
                "retinue group /srv/shop.py --format csv --from <(cat web.ndjson) <(cat db.ndjson)",
                "for c in 1 9 400 100000; do head -c $c; sleep 0.02; done < web.ndjson"
                    + " | retinue group /srv/shop.py --format csv --from - db.ndjson",
            ] {
                #expect(try folder.shell(line) == wanted, "\(line)")
            }
        }
    }

    /// As spreadsheets write it.
    @Test func aByteOrderMarkIsNoPartOfTheFirstField() throws {
        try CommandFolder.with { folder throws in
            try folder.write("\u{feff}10.0.0.3,/a,10.0.0.3,/b\n", "list.csv")
            #expect(try folder.members("/a", "--from", "list.csv") == ["10.0.0.3 /a", "10.0.0.3 /b"])
        }
    }

    @Test func cyclesEnd() throws {
        try CommandFolder.with { folder throws in
            var host = HostDump("ring", id: "r", "10.0.0.3")
            let programs = (0..<23).map { host.program("/bin/p\($0)") }
            for number in 0..<23 { host.spawn(programs[number], programs[(number + 1) % 23]) }
            host.spawn(programs[5], programs[5])
            try folder.write(host.ndjson, "ring.ndjson")
            #expect(try folder.members("p7", "--from", "ring.ndjson").count == 23)
            #expect(try folder.members("p7", "--symmetric", "--from", "ring.ndjson").count == 23)
        }
    }
}
