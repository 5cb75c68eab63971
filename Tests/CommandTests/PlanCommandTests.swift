import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What commands make of a plan, and JSON of each.
@Suite("retinue plan")
struct PlanCommandTests {
    @Test func answersForPrograms() throws {
        try PlanFolder.with { folder in
            #expect(
                try folder.retinue("plan", "check", "plan.yaml", "--against", "plan.yaml", "--json").output
                    == #"{"schema":"retinue-plan-check/1","hosts":["# + "\n"
                    + #"{"host":"h1","name":"web1","programs":1,"packages":2,"copied":2,"bytes":5,"others":1}"#
                    + #"],"changes":[]}"# + "\n")
            #expect(
                try folder.retinue("plan", "files", "plan.yaml", "--root", "root", "--json").output
                    == #"{"schema":"retinue-plan-files/1","host":"h1","paths":["/srv/shop","/srv/shop/a\\nb"]}"#
                    + "\n")
            #expect(
                try PlanFolder.export(folder, "--apt", "--exact-versions", "--json").output
                    == #"{"schema":"retinue-plan-export/1","host":"h1","form":"apt","text":"apt-get install "#
                    + #"--no-install-recommends python3=3.11.2-1 'lib:amd64=1:2~b'\n"}"# + "\n")
            #expect(
                try PlanFolder.export(folder, "--tar", "files.tar", "--json").output
                    == #"{"schema":"retinue-plan-export/1","host":"h1","form":"tar","file":"files.tar"}"#
                    + "\n")
            // Whom the shop connects to is there before it; nginx finds it by a Unix socket, of which no record says who listens.
            let both = try folder.retinue(
                "plan", "web1:/srv/shop.py", "--from", "web.ndjson", "db.ndjson", "--json")
            let programs = try JSONValue(parsing: both.output)["hosts"]?.array?.flatMap {
                $0["programs"]?.array ?? []
            }
            let orders = Dictionary(
                (programs ?? []).map {
                    (($0["script"] ?? $0["executable"])?.string ?? "", $0["order"]?.integer)
                }
            ) { first, _ in first }
            #expect(orders["/usr/lib/postgresql/postgres"] == 1)
            #expect(orders["/srv/shop.py"] == 2)
            #expect(orders["/usr/sbin/nginx"] == 1)
            let made = try folder.retinue("plan", "shop.service", "--from", "web.ndjson", "--json")
            #expect(made.output.hasPrefix(#"{"schema":"retinue-plan/1""#))
        }
    }

    @Test func badInput() throws {
        try PlanFolder.with { folder in
            for words in [
                ["--apt", "--containerfile"], [], ["--tar", "-", "--json"],
                ["--tar", "x", "--exact-versions"],
            ] {
                let outcome = try folder.retinue(["plan", "export", "plan.yaml"] + words)
                #expect(outcome.status == 1 && outcome.output.isEmpty && outcome.errors.contains("--"))
            }
            let outcome = try folder.retinue("plan", "export", "plan.yaml", "--apt", "--root", "none")
            #expect(outcome.status == 2 && outcome.errors == "retinue: --root none: no such directory\n")
        }
    }

    /// A program of the host goes before one of another mount namespace, which goes by its whole name.
    @Test func namesOfOtherNamespaces() throws {
        try CommandFolder.with { folder in
            var host = Shop.web
            for path in ["/usr/sbin/thing", "/mnt:box.service/usr/sbin/thing"] {
                let program = host.program(path)
                host.file(program, "/etc/thing", .opened)
            }
            try folder.write(host.ndjson, "web.ndjson")
            for (name, other) in [("thing", false), ("/mnt:box.service/usr/sbin/thing", true)] {
                let members = try folder.members(name, "--from", "web.ndjson")
                #expect(members.contains("web1 /usr/sbin/thing") == !other, "\(members)")
                #expect(members.contains("web1 /mnt:box.service/usr/sbin/thing") == other, "\(members)")
            }
        }
    }

    /// A plan in place of records: what it copies, in order, and what that takes.
    @Test func otherCommandsReadIt() throws {
        try PlanFolder.with { folder in
            try folder.write("four", "root/srv/shop/larger")
            let words = ["transfer", "--plan", "plan.yaml", "--root", "web1=root"]
            #expect(
                try folder.retinue(words + ["--format", "paths0"]).output
                    == "/srv/shop/larger\0/srv/shop/a\nb\0/srv/shop\0")
            #expect(
                try folder.retinue(words).output == """
                    PHASE     SIZE  HOST  FILE
                    pre-copy   4 B  web1  /srv/shop/larger
                    pre-copy   1 B  web1  /srv/shop/a\\nb
                    pre-copy     -  web1  /srv/shop

                    pre-copy: 3 paths, 5 B, 0.0 s
                    final copy: 0 paths, 0 B

                    """)
            #expect(
                try folder.retinue(words + ["--json", "--phase", "final-copy"]).output
                    == #"{"schema":"retinue-transfer/1","files":[],"# + "\n"
                    + #""totals":{"pre_copy":{"files":0,"bytes":0},"final_copy":{"files":0,"bytes":0},"#
                    + #""pre_copy_milliseconds":0}}"# + "\n")
            #expect(
                try folder.retinue(words + ["--format", "csv"]).output.hasPrefix(
                    "phase,host,path,bytes,last write,rewrite\npre-copy,h1,/srv/shop/larger,4,,\n"))
            let advice = try folder.retinue("advise", "--plan", "plan.yaml", "--root", "web1=root")
            #expect(advice.status == 0 && advice.output.hasPrefix("web1 (h1)\n"), "\(advice)")
            #expect(advice.output.contains("chroot             5 B  2 files of the group"), "\(advice)")
            let json = try folder.retinue("advise", "--plan", "plan.yaml", "--root", "web1=root", "--json")
            #expect(json.output.hasPrefix(#"{"schema":"retinue-advice/1","mode":"plan","hosts":["#))
            #expect(json.output.contains(#""chroot":{"bytes":5,"#))
            // Of a host that is elsewhere, what the plan itself has.
            let elsewhere = try folder.retinue("transfer", "--plan", "plan.yaml", "--format", "paths0")
            #expect(elsewhere.output == "/srv/shop\0/srv/gone\0")
            #expect(elsewhere.errors.hasPrefix("retinue: the files of web1 are not here"))
            for words in [
                ["transfer"], ["advise", "x", "--plan", "plan.yaml"],
                ["transfer", "--plan", "plan.yaml", "--from", "web.ndjson"],
            ] {
                let outcome = try folder.retinue(words)
                #expect(outcome.status == 1 && outcome.output.isEmpty, "\(words)")
            }
            #expect(try folder.retinue("advise", "--plan", "web.ndjson").status == 2)
        }
    }

    @Test func noTableIsCutWhereNoTerminalShowsIt() throws {
        try CommandFolder.with { folder in
            let page = try folder.retinue("probe").output
            #expect(page.hasPrefix("kernel ") && !page.contains("…"), "\(page)")
        }
    }

    /// Both ends recorded one connection; so it is one endpoint, counted once.
    @Test func endpointsOfBothEnds() throws {
        try CommandFolder.with { folder in
            let made = try folder.retinue(
                "plan", "shop.service", "--from", "web.ndjson", "db.ndjson", "--exclude",
                "/usr/lib/postgresql/postgres", "--json")
            let hosts = try JSONValue(parsing: made.output)["hosts"]?.array ?? []
            let endpoints = hosts.flatMap { $0["endpoints"]?.array ?? [] }.filter {
                $0["address"] == .string("tcp:10.0.0.2:5432")
            }
            #expect(endpoints.count == 1, "\(made)")
            #expect(
                endpoints.first?["direction"] == .string("out") && endpoints.first?["count"] == .integer(1))
        }
    }

    /// What a program of another host runs with is what its latest dump says; `records` keeps the line with its program.
    @Test func whatRemoteProgramsRunWith() throws {
        try CommandFolder.with { folder in
            func dump(_ second: UInt64, user: UInt32, name: String) -> [UInt8] {
                var ledger = Ledger()
                let shop = ledger.intern(
                    Program(
                        executable: ledger.texts.intern("/usr/bin/shop"),
                        workload: ledger.texts.intern("shop.service")))
                let other = ledger.intern(Program(executable: ledger.texts.intern("/usr/bin/other")))
                for (program, path) in [(shop, "/srv/shop"), (other, "/srv/other")] {
                    ledger.note(
                        .file(program, path: ledger.texts.intern(path)), access: .opened, evidence: .exact,
                        time: 1)
                }
                for name in ["shop", "other"] {
                    var process = ProcessDescription(
                        executable: Array("/usr/bin/\(name)".utf8),
                        workload: name == "shop" ? Array("shop.service".utf8) : [], pid: 7, start: 0,
                        observed: 0,
                        isStartObserved: true)
                    process.settings.arguments = [Array(name.utf8), Array("--port=80".utf8)]
                    process.settings.folder = Array("/srv".utf8)
                    process.settings.user = .init(user, name: "web")
                    process.settings.group = .init(user + 1)
                    process.settings.groups = [.init(5, name: "tty")]
                    process.settings.capabilities = "0000000000000400"
                    process.settings.limits = [.init("nofile", soft: 1024, hard: nil)]
                    ledger.processes.append(process)
                }
                var header = DumpHeader()
                header.hostID = "remote"
                header.hostName = name
                header.time = second * 1_000_000_000
                return ledger.ndjson(header)
            }
            try folder.write(dump(20, user: 33, name: "far"), "late.ndjson")
            try folder.write(dump(10, user: 44, name: "far"), "early.ndjson")
            for files in [["late.ndjson", "early.ndjson"], ["early.ndjson", "late.ndjson"]] {
                let made = try folder.retinue(["plan", "/usr/bin/shop", "--json", "--from"] + files)
                #expect(made.status == 0, "\(made)")
                let host = try #require(try JSONValue(parsing: made.output)["hosts"]?.array?.first)
                #expect(
                    host["programs"]?.array?.first?["process"]
                        == (try JSONValue(
                            parsing: """
                                {"arguments":["shop","--port=80"],"folder":"/srv","user":33,"group":34,"groups":[5],
                                "capabilities":"0000000000000400","environment":[],
                                "limits":[{"resource":"nofile","soft":1024}]}
                                """)),
                    "\(made)")
                #expect(
                    host["accounts"]
                        == (try JSONValue(
                            parsing: """
                                [{"kind":"user","name":"web","number":33,"group":34},
                                {"kind":"group","name":"tty","number":5},{"kind":"group","name":"","number":34}]
                                """)),
                    "\(made)")
            }
            let records = try folder.retinue(
                "records", "/usr/bin/other", "--from", "late.ndjson", "--format", "ndjson")
            let lines = records.output.split(separator: "\n").filter { $0.hasPrefix(#"{"type":"process""#) }
            #expect(lines.count == 1 && lines[0].contains("/usr/bin/other"), "\(records)")
            let again = try DumpContents(ndjson: Array(records.output.utf8))
            #expect(again.ledger.processes.count == 1)
            let table = try folder.retinue("records", "--from", "late.ndjson", "--format", "csv")
            #expect(table.output.split(separator: "\n").count == 3, "\(table)")
        }
    }
}
