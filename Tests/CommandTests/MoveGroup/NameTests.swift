import Foundation
import MoveGroup
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What is typed for a program, and what is answered where it may be several.
@Suite("Names of programs")
struct GroupNameTests {
    @Test(arguments: [
        ("/srv/shop.py", 1), ("shop.py", 1), ("web1:shop.py", 1), ("10.0.0.1:/srv/shop.py", 1),
        ("[fd00::1]:/srv/shop.py", 1), (Shop.webID + ":shop.py", 1), ("[web1]:shop.py", 1),
        ("shop.py@shop.service", 1), ("shop.py@system.slice/shop.service", 1), ("shop.py@*.service", 1),
        ("shop.service", 2), ("system.slice/shop.service", 2), ("web1:shop.service", 2), ("/srv/*.py", 2),
        ("**/*.py", 2), ("*.py", 2), ("s?op.py", 1), ("python3.11@shop.service", 0),
        ("/usr/bin/python3.11 /srv/shop.py", 1), ("/usr/bin/python3.11 /srv/*", 2), ("/usr/sbin/nginx@", -2),
        ("web1:/usr/sbin/nginx@", 1), ("web1:nginx@nginx.service", 1), ("nginx@nginx.service", 1),
        ("nginx", -3), ("web1:nginx", -2), ("web1:/usr/sbin/nginx", -2), ("/usr/bin/python3.11", -2),
        ("*:nginx", 0), ("web2:nginx", 0), ("ngimx", 0), ("unix:/run/shop.sock", -2),
        ("web1:unix:/run/shop.sock", 1), ("unix:/run/*", 2), ("tcp:192.0.2.9:443", 1), ("tcp:192.0.2.9:*", 1),
        ("/etc/shop.conf", 1), ("web1:/etc/shop.conf", 1), ("\\/srv/\\x73hop.py", 1), ("/srv/shop\\.py", 1),
        ("/srv/\\*.py", 0), ("web1\\:shop.py", 0),
    ])
    func whatANameStandsFor(name: String, count: Int) throws {
        var builder = GraphBuilder()
        try Shop.web.add(to: &builder)
        try Shop.db.add(to: &builder)
        let graph = builder.finish()
        switch graph.select(NodePattern(name)) {
        case .found(let nodes): #expect(nodes.count == count)
        case .ambiguous(let nodes): #expect(-nodes.count == count)
        case .nothing: #expect(count == 0)
        }
    }

    @Test func severalAreListedAndNothingHasNearestNames() throws {
        try CommandFolder.with { folder throws in
            let files = ["--from", "web.ndjson", "db.ndjson"]
            for command in [["group", "nginx"], ["transfer", "nginx"], ["why", "nginx", "/etc/shop.conf"]] {
                let outcome = try folder.retinue(command + files)
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                #expect(
                    outcome.errors == """
                        retinue: "nginx" may be any of these; name one, or all by a pattern with *:
                          db1:/usr/sbin/nginx
                          web1:/usr/sbin/nginx@
                          web1:/usr/sbin/nginx@system.slice/nginx.service

                        """)
            }
            #expect(
                try folder.retinue(["group", "ngimx"] + files)
                    == .init(
                        status: 2, output: "",
                        errors: """
                            retinue: "ngimx" is in none of the records; the nearest names are:
                              web1:/usr/sbin/nginx@system.slice/nginx.service
                              web1:/usr/sbin/nginx@
                              db1:/usr/sbin/nginx

                            """))
            let far = try folder.retinue(["group", "somethingelsealtogether"] + files)
            #expect(far.errors == "retinue: \"somethingelsealtogether\" is in none of the records\n")
            #expect(far.status == 2)
        }
    }

    /// What is typed for a unit, a container or all that is in one.
    @Test func workloadsAsTheyAreTyped() throws {
        var host = HostDump("db1", id: "f0", "10.0.0.9")
        for workload in [
            "system.slice/system-postgresql.slice/postgresql@15-main.service", "lxc.payload.web",
            "lxc.payload.web/system.slice/nginx.service", "lxc.payload.web/init.scope", "lxc.payload.webs",
            "system.slice/docker-shop.scope", "machine.slice/libpod-db.scope/container",
        ] { host.file(host.program("/usr/bin/x", workload: workload), "/etc/passwd", .opened) }
        var builder = GraphBuilder()
        try host.add(to: &builder)
        let graph = builder.finish()
        func count(_ name: String) -> Int {
            if case .found(let nodes) = graph.select(NodePattern(name)) { return nodes.count }
            return 0
        }
        #expect(count("postgresql@15-main.service") == 1)
        #expect(count("x@postgresql@15-main.service") == 0)
        #expect(count("lxc.payload.web") == 3)
        #expect(count("nginx.service") == 1)
        #expect(count("shop") == 1 && count("db") == 1 && count("docker-shop.scope") == 1)
        #expect(count("lxc.payload.web/system.slice") == 1)
        #expect(count("web") == 0)
    }

    /// `redis-server` is a link to `redis-check-rdb`: the name that is typed is not that of the file.
    @Test func aProgramIsFoundByTheNameUnderWhichItIsExecuted() throws {
        var host = HostDump("db1", id: "f0", "10.0.0.9")
        let redis = host.program("/usr/bin/redis-check-rdb", workload: "system.slice/redis.service")
        let check = host.program("/usr/bin/redis-check-rdb")
        let shell = host.program("/usr/bin/dash", workload: "a.service")
        let other = host.program("/usr/bin/dash", workload: "b.service")
        let real = host.program("/opt/bin/sh.real")
        for program in [redis, check, shell, other, real] { host.file(program, "/etc/passwd", .opened) }
        host.ledger.note(name: Array("redis-server".utf8), of: redis)
        for name in ["redis-check-rdb", "a/b", "a\nb", String(repeating: "x", count: 65), ""] {
            host.ledger.note(name: Array(name.utf8), of: redis)
        }
        host.ledger.note(name: [0xff], of: redis)
        for number in 0..<9 { host.ledger.note(name: Array("title\(number)".utf8), of: check) }
        for program in [shell, other] { host.ledger.note(name: Array("sh".utf8), of: program) }
        #expect(host.ledger.names(of: redis) == [Array("redis-server".utf8)])
        #expect(host.ledger.names(of: check).count == 4)
        // Through a dump and back.
        let dump = try DumpContents(ndjson: host.ndjson)
        var builder = GraphBuilder()
        builder.add(dump, from: "db1")
        let graph = builder.finish()
        func answer(_ name: String) -> [String] {
            switch graph.select(NodePattern(name)) {
            case .found(let nodes): nodes.map { NodeName(graph, $0).long }
            case .ambiguous(let nodes): ["?"] + nodes.map { NodeName(graph, $0).long }
            case .nothing: []
            }
        }
        #expect(
            answer("redis-server") == ["db1:/usr/bin/redis-check-rdb@system.slice/redis.service"])
        #expect(answer("db1:redis-server@redis.service").count == 1)
        #expect(answer("redis-server@b.service").isEmpty)
        #expect(answer("/usr/bin/redis-server").isEmpty)
        #expect(answer("sh") == ["?", "db1:/usr/bin/dash@a.service", "db1:/usr/bin/dash@b.service"])
        #expect(answer("title3").count == 1 && answer("title4").isEmpty)
        // A file of that name goes before.
        #expect(answer("sh.real") == ["db1:/opt/bin/sh.real@"])
        var filter = RecordFilter(program: Records.NamePattern("redis-server"))
        #expect(filter.positions(in: dump.ledger).isEmpty)
        filter.takesNames = true
        #expect(filter.positions(in: dump.ledger).count == 1)
    }

    /// Names that are patterns, hosts, workloads and channels by their looks, on hosts whose names are no better.
    static let hostileNames: [[UInt8]] =
        [
            "/opt/a", "/opt/a:b", "/opt/a@b", "/opt/a@", "/opt/*", "/opt/?", "/opt/**/a", "/opt/a b",
            "/opt/a /b", "/opt/ /b",
            "/opt/\\*", "/opt/\\x41", "/opt/A", "/opt/\\", "/opt/\\\\", "/opt/a\nb", "/opt/a\\nb",
            "/opt/\u{1b}[2J", "/opt/it's",
            "/opt/'\u{301}x", "/opt/\u{202e}cod", "/opt/$(id)", "/opt/\"q\"", "/opt/`id`", "/opt/a;b",
            "/opt/[x]:y", "/opt/é",
            "/opt/e\u{301}", "/opt/ \u{301}/b", "/opt//\u{301}", "a", "opt/a", "host:a", "tcp:10.0.0.1:80",
            "unix:/run/x",
            "[a]:b", "@a", "a@", "(unknown program)", "pid:7", "-x", "--from", "~", "#a", "!a", "{a,b}",
            "\u{feff}a", " a", "a ",
        ].map { Array($0.utf8) } + [
            [0x2f, 0xff], [0x2f, 0xc3], [0x2f, 0xc3, 0xa9, 0x80], [0x2f, 0xf0, 0x9f],
        ]

    static func hostileGraph() throws -> DependencyGraph {
        var builder = GraphBuilder()
        let hosts = [
            ("same", "one"), ("same", "two"), ("tcp", "id/a:b"), ("a:b/c", "x]y"), ("", "[z"),
            ("it's *", "q"),
        ]
        for (title, id) in hosts {
            var host = HostDump(title, id: id)
            var first: ProgramID?
            func note(_ program: ProgramID, _ host: inout HostDump) {
                host.spawn(first ?? program, program)
                first = first ?? program
            }
            let names = title == "same" ? hostileNames[...] : hostileNames.prefix(7)
            for name in names {
                note(host.program(name), &host)
                note(host.program(name, workload: Array("getty@tty1.service".utf8)), &host)
                note(host.program(name, workload: Array("x/getty@tty1.service".utf8)), &host)
                note(host.program(Array("/bin/sh".utf8), script: name), &host)
                note(host.program(Array("/bin/bash".utf8), script: name), &host)
            }
            for name in names {
                note(host.program(Array("/bin/sh".utf8), workload: name), &host)
                let key = RecordKey.ipc(first!, .unix, name: host.ledger.texts.intern(name), peer: .unknown)
                host.ledger.note(key, evidence: .exact, time: HostDump.time)
            }
            host.connect(first!, "127.0.0.1", 80)
            host.connect(first!, "192.0.2.1", 80)
            host.connect(first!, "2001:db8::1", 80)
            try host.add(to: &builder)
        }
        return builder.finish()
    }

    /// Every choice that is listed can be typed, and means just that.
    @Test func everyNameThatIsListedMeansJustThat() throws {
        let graph = try Self.hostileGraph()
        let choice = NodeChoice(graph)
        var wrong: [String] = []
        var count = 0
        var seen = Set<[UInt8]>()
        for number in 0..<UInt32(graph.nodeCount) {
            let node = NodeID(rawValue: number)
            // A script has a whole path; what has none is known by its executable alone.
            if case .program(let name) = graph[node], !name.script.isEmpty, name.script.first != 0x2f {
                continue
            }
            if case .channel(_, let name) = graph[node], name.isEmpty { continue }
            count += 1
            let text = choice.text(node)
            if graph.select(NodePattern(text)) != .found([node]) || !seen.insert(Array(text.utf8)).inserted {
                wrong.append("\(graph[graph.host(node)].id) \(graph[node]) \(text)")
            }
            #expect(text == text.replacing("\u{1b}", with: ""))
        }
        #expect(count > 500)
        #expect(wrong.prefix(5) == [])
    }

    /// As it is listed it is a word for a shell.
    @Test func whatIsListedCanBePastedIntoAShell() throws {
        try CommandFolder.with { folder throws in
            var host = HostDump("h", id: "i", "10.0.0.3")
            let root = host.program("/sbin/root")
            for name in Self.hostileNames where name.starts(with: "/opt/".utf8) {
                host.spawn(root, host.program(name))
                host.spawn(root, host.program(name, workload: Array("w".utf8)))
            }
            try folder.write(host.ndjson, "h.ndjson")
            var tried = 0
            for name in [
                "/opt/it's", "/opt/a\nb", "/opt/$(id)", "/opt/'\u{301}x", "/opt/\\*", "/opt/`id`", "/opt/*",
            ] {
                var typed = ""
                for scalar in name.unicodeScalars {
                    typed += "\\*?".unicodeScalars.contains(scalar) ? "\\\(scalar)" : "\(scalar)"
                }
                let outcome = try folder.retinue("group", typed, "--from", "h.ndjson", "--format", "csv")
                #expect(outcome.status == 2)
                for line in outcome.errors.split(separator: "\n").dropFirst().filter({ $0.hasPrefix("  ") }) {
                    let again = try folder.shell(
                        "retinue group\(line.dropFirst()) --from h.ndjson --format json")
                    #expect(again.status == 0, "\(line): \(again.errors)")
                    let start = try JSONValue(parsing: again.output)["start"]?.array ?? []
                    #expect(start.count == 1)
                    #expect(start.first?["executable"]?.string == name)
                    tried += 1
                }
            }
            #expect(tried == 14)
        }
    }

    @Test func noMoreThanTwentyAreListed() throws {
        try CommandFolder.with { folder throws in
            let rows = (0..<1_023).map { "10.0.0.\($0 % 250),/bin/\($0)/x,10.0.0.1,/y\n" }.joined()
            try folder.write(rows, "list.csv")
            let lines = try folder.retinue("group", "x", "--from", "list.csv").errors.split(separator: "\n")
            #expect(lines.count == 22)
            #expect(lines.last == "  and 1,003 more")
        }
    }
}
