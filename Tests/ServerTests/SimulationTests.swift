import ArgumentParser
import Foundation
import Glibc
import Records
import RetinueCommands
import TestSupport
import Testing
import WebServer

@testable import RetinueServer

/// `plan` and `simulate`, of the API and of the Model Context Protocol.
@Suite("Plan and simulate")
struct SimulationTests {
    /// What a hostile program calls itself, and its host.
    private static let hostile = "/srv/\"}]\\n</script>\u{202e}\u{1b}[31m{\u{7f}é'"

    private static func quoted(_ text: String) -> String {
        (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func dump(_ host: String, _ name: String, _ address: String, _ lines: [String]) -> String {
        let header =
            #"{"type":"header","schema":"retinue/2","time":"2026-11-21T03:00:00.000Z","host":\#(quoted(host)),"#
            + #""machine":{"name":\#(quoted(name)),"addresses":["\#(address)"],"kernel":"6.1","boot":"b"},"#
            + #""daemon":{"version":"1","started":"2026-11-21T02:00:00.000Z"},"sources":{}}"#
        return ([header] + lines.map { $0.replacing("HOST", with: quoted(host)) }).map { $0 + "\n" }.joined()
    }

    private static func line(
        _ program: String, _ relation: String, change: Int, _ evidence: String = "exact"
    ) -> String {
        #"{"type":"dependency","host":HOST,"program":{"executable":\#(quoted(program))},"relation":\#(relation),"#
            + #""change":\#(change),"count":3,"first":"2026-11-21T02:00:00.000Z","last":"2026-11-21T02:50:00.000Z","#
            + #""evidence":"\#(evidence)"}"#
    }

    private static func file(_ program: String, _ path: String, _ access: String, change: Int) -> String {
        line(
            program, #""file","path":\#(quoted(path)),"kind":"regular","access":"\#(access)""#, change: change
        )
    }

    private static let gap =
        #"{"type":"gap","host":HOST,"source":"fanotify","cause":"queue overflow","from":"2026-11-21T02:10:00.000Z","to":"2026-11-21T02:11:00.000Z","lost":23}"#

    /// nginx on h1; on h2 the shop that it asks, with a state that a reporter reads; a database that nobody observes.
    private static let web = dump(
        "h1", "web", "10.0.0.1",
        [
            file("/usr/sbin/nginx", "/var/log/access", "rw", change: 6),
            line(
                "/usr/sbin/nginx",
                #""connect","transport":"tcp","remote":{"address":"10.0.0.2","port":8080},"sent":1000,"received":3000"#,
                change: 5),
        ])
    private static let app = dump(
        "h2", "app", "10.0.0.2",
        [
            line(
                "/usr/bin/shop",
                #""listen","transport":"tcp","local":{"address":"10.0.0.2","port":8080}"#, change: 1),
            line(
                "/usr/bin/shop",
                #""accept","transport":"tcp","local":{"address":"10.0.0.2","port":8080},"remote":{"address":"10.0.0.1"},"sent":3000,"received":1001"#,
                change: 2),
            file("/usr/bin/shop", "/srv/state", "rw", change: 3),
            file("/usr/bin/reporter", "/srv/state", "r", change: 4),
            line(
                "/usr/bin/shop",
                #""connect","transport":"tcp","remote":{"address":"10.0.0.9","port":5432},"sent":10,"received":20"#,
                change: 7, "inferred"),
            gap,
        ])

    private func withSnapshots(
        _ dumps: [String] = [web, app], roots: [String] = [], _ body: (Snapshots, String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            var words = ["--from"]
            for (number, dump) in dumps.enumerated() {
                try write(dump, to: "\(folder)/\(number).ndjson")
                words.append("\(folder)/\(number).ndjson")
            }
            for root in roots { words += ["--root", "\(root)=\(folder)"] }
            try body(Snapshots(try ServedRecords.parse(words), refresh: 60, watches: []), folder)
        }
    }

    private func ask(
        _ snapshots: Snapshots, _ path: String, _ query: [(String, String)], status: Int = 200
    ) throws -> JSONValue {
        let answer = API(snapshots).answer("/api/v1/" + path, query.map { (Array($0.utf8), Array($1.utf8)) })
        #expect(answer.status == status, "\(query): \(String(decoding: answer.body, as: UTF8.self))")
        return try JSONValue(parsing: answer.body)
    }

    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    // MARK: What a move would break

    @Test func aProgramThatMovesAlone() throws {
        try withSnapshots { snapshots, _ throws in
            let answer = try ask(snapshots, "simulate", [("program", "shop"), ("to", "*")])
            #expect(
                try answer
                    == json(
                        #"""
                        {"schema":"retinue-simulation/1","program":"shop","scope":"program","to":null,
                        "moved":{"total":1,"programs":["h2:/usr/bin/shop@"]},
                        "reconnects":{"total":2,"bytes":4031,"connections":[
                        {"client":"h1:/usr/sbin/nginx@","server":"h2:/usr/bin/shop@","at":"h2:tcp:10.0.0.2:8080",
                        "moves":"server","bytes":4001,"evidence":"exact","records":[{"host":"h1","change":5},{"host":"h2","change":2}]},
                        {"client":"h2:/usr/bin/shop@","server":"tcp:10.0.0.9:5432","moves":"client","bytes":30,
                        "evidence":"inferred","records":[{"host":"h2","change":7}]}]},
                        "become_local":0,"inside":0,
                        "torn":{"total":1,"shared":[{"moved":"h2:/usr/bin/shop@","stays":"h2:/usr/bin/reporter@",
                        "over":"h2:/srv/state","relation":"file","records":[{"host":"h2","change":3},{"host":"h2","change":4}]}]},
                        "copy":{"files":2,"final_copy":2,"bytes":0,"unmeasured":2},"downtime_ms":null,"needed":6,
                        "hosts":[
                        {"host":"web","from":"2026-11-21T02:00:00.000Z","to":"2026-11-21T03:00:00.000Z","gap_count":0,"gaps":[]},
                        {"host":"app","from":"2026-11-21T02:00:00.000Z","to":"2026-11-21T03:00:00.000Z","gap_count":1,"gaps":[
                        {"source":"fanotify","cause":"queue overflow","from":"2026-11-21T02:10:00.000Z",
                        "to":"2026-11-21T02:11:00.000Z","lost":23}]}]}
                        """#))
        }
    }

    @Test(arguments: [
        // To where its client is, by each name of that host: the connection, which both ends recorded, becomes one that is local.
        ("program", "h1", ["h2:/usr/bin/shop@"], 1, 30, 1, 0, 1),
        ("program", "web", ["h2:/usr/bin/shop@"], 1, 30, 1, 0, 1),
        ("program", "10.0.0.1", ["h2:/usr/bin/shop@"], 1, 30, 1, 0, 1),
        // Where it is already nothing moves.
        ("program", "h2", [], 0, 0, 0, 0, 0),
        // The whole group; nginx is at home there.
        ("group", "h1", ["h2:/usr/bin/reporter@", "h2:/usr/bin/shop@"], 1, 30, 1, 0, 0),
        (
            "group", "*", ["h2:/usr/bin/reporter@", "h2:/usr/bin/shop@", "h1:/usr/sbin/nginx@"], 1, 30, 0, 1,
            0
        ),
    ])
    func whatMovesWhere(
        _ scope: String, _ to: String, _ moved: [String], _ reconnects: Int, _ bytes: Int, _ local: Int,
        _ inside: Int, _ torn: Int
    ) throws {
        try withSnapshots { snapshots, _ throws in
            let answer = try ask(
                snapshots, "simulate", [("program", "shop"), ("to", to), ("scope", scope)])
            #expect(answer["moved"]?["programs"]?.array == moved.map { .string($0) })
            #expect(answer["reconnects"]?["total"]?.integer == Int128(reconnects))
            #expect(answer["reconnects"]?["bytes"]?.integer == Int128(bytes))
            #expect(answer["become_local"]?.integer == Int128(local))
            #expect(answer["inside"]?.integer == Int128(inside))
            #expect(answer["torn"]?["total"]?.integer == Int128(torn))
            #expect(answer["to"] == (to == "*" ? .null : answer["to"]))
        }
    }

    /// Sizes are looked at only where that was said, and then say how long it would stand still.
    @Test func theStop() throws {
        for roots in [["h1", "h2"], ["h2"], []] {
            try withSnapshots(roots: roots) { snapshots, folder throws in
                for (path, bytes) in [("/srv/state", 100 << 20), ("/var/log/access", 1 << 20)] {
                    try FileManager.default.createDirectory(
                        atPath: folder + (path as NSString).deletingLastPathComponent,
                        withIntermediateDirectories: true)
                    #expect(FileManager.default.createFile(atPath: folder + path, contents: nil))
                    #expect(truncate(folder + path, bytes) == 0)
                }
                let answer = try ask(snapshots, "simulate", [("program", "shop"), ("to", "*")])
                #expect(answer["downtime_ms"] == (roots.count == 2 ? .integer(1010) : .null))
                let (bytes, unmeasured) =
                    [(0, 2), (100 << 20, 1), (101 << 20, 0)][roots.count]
                #expect(answer["copy"]?["bytes"] == .integer(Int128(bytes)))
                #expect(answer["copy"]?["unmeasured"] == .integer(Int128(unmeasured)))
            }
        }
    }

    @Test func whatHasNoAnswer() throws {
        let twin = Self.dump("h3", "web", "10.0.0.3", [Self.file("/usr/bin/x", "/etc/x", "r", change: 1)])
        try withSnapshots([Self.web, Self.app, twin]) { snapshots, _ throws in
            let many = (0..<65).map { ("exclude", "/p\($0)") }
            let long = String(repeating: "x", count: Parameters.longestValue + 1)
            for (path, query, status) in [
                ("simulate", [("program", "shop")], 400), ("simulate", [("to", "h1")], 400),
                ("simulate", [("program", "shop"), ("to", "h1"), ("to", "h2")], 400),
                ("simulate", [("program", "shop"), ("to", "")], 400),
                ("simulate", [("program", "shop"), ("to", long)], 400),
                ("simulate", [("program", "shop"), ("to", "h1"), ("scope", "all")], 400),
                ("simulate", [("program", "shop"), ("to", "h1"), ("limit", "0")], 400),
                ("simulate", [("program", "shop"), ("to", "h1"), ("limit", "5001")], 400),
                ("simulate", [("program", "shop"), ("to", "h1"), ("quiet", "1")], 400),
                ("simulate", [("program", "shop"), ("to", "h1")] + many, 400),
                ("simulate", [("program", "shop"), ("to", "h7")], 404),
                ("simulate", [("program", "shop"), ("to", "10.0.0.9")], 404),
                ("simulate", [("program", "shop"), ("to", "web")], 409),
                ("simulate", [("program", "shpo"), ("to", "h1")], 404),
                ("simulate", [("program", "/usr/**"), ("to", "h1")], 200),
                ("simulate", [("program", "/srv/state"), ("to", "h1")], 404),
                ("simulate", [("program", "/srv/state"), ("to", "h1"), ("scope", "group")], 200),
                ("plan", [], 400), ("plan", [("program", "shop"), ("to", "h1")], 400),
                ("plan", [("program", "shop"), ("quiet", "-1")], 400),
                ("plan", [("program", "shop"), ("quiet", "1000000000")], 400),
                ("plan", [("program", "shop"), ("require", "all")], 400),
                ("plan", [("program", "shop")] + many, 400), ("plan", [("program", "shpo")], 404),
                ("plan", [("program", "tcp:10.0.0.9:5432"), ("exclude", "shop")], 404),
            ] as [(String, [(String, String)], Int)] {
                let answer = try ask(snapshots, path, query, status: status)
                if status != 200 { #expect(answer["status"] == .integer(Int128(status))) }
            }
            let near = try ask(snapshots, "simulate", [("program", "shop"), ("to", "web")], status: 409)
            #expect(near["choices"]?.array == [.string("h1"), .string("h3")])
        }
    }

    /// Lists are cut where they are long, and say how much there is.
    @Test func noListIsLongerThanAsked() throws {
        let clients = (0..<300).map { number in
            Self.line(
                "/usr/bin/client\(number)",
                #""connect","transport":"tcp","remote":{"address":"10.0.0.2","port":8080},"sent":1,"received":1"#,
                change: 100 + number)
        }
        try withSnapshots([Self.dump("h1", "web", "10.0.0.1", clients), Self.app]) { snapshots, _ throws in
            for (limit, count) in [(nil, 200), ("1", 1), ("5000", 300)] as [(String?, Int)] {
                let query = [("program", "shop"), ("to", "*"), ("exclude", "tcp:10.0.0.9:5432")]
                let answer = try ask(
                    snapshots, "simulate", query + (limit.map { [("limit", $0)] } ?? []))
                let connections = answer["reconnects"]?["connections"]?.array
                let total = answer["reconnects"]?["total"]?.integer ?? 0
                #expect(total >= 300 && connections?.count == (limit == "5000" ? Int(total) : count))
                #expect(answer["moved"]?["total"] == .integer(1))
            }
        }
    }

    // MARK: Plans

    @Test func thePlan() throws {
        try withSnapshots { snapshots, _ throws in
            let plan = try ask(snapshots, "plan", [("program", "shop")])
            #expect(plan["schema"]?.string == "retinue-plan/1")
            #expect(plan["hosts"]?.array?.compactMap { $0["host"]?.string } == ["h1", "h2"])
            func entries(_ plan: JSONValue) -> [String] {
                (plan["hosts"]?.array ?? []).flatMap { $0["entries"]?.array ?? [] }.compactMap { entry in
                    (entry["path"]?.string ?? "") + " " + (entry["treatment"]?.string ?? "")
                }
            }
            #expect(entries(plan) == ["/var/log/access final-copy", "/srv/state final-copy"])
            let quiet = try ask(snapshots, "plan", [("program", "shop"), ("quiet", "599")])
            #expect(entries(quiet) == ["/var/log/access pre-copy", "/srv/state pre-copy"])
            let exact = try ask(snapshots, "plan", [("program", "shop"), ("require", "exact")])
            #expect(entries(exact) == entries(plan))
            // No file of a host is looked at unless that was said.
            #expect(
                plan["hosts"]?.array?.allSatisfy { host in
                    host["unknown"]?.array?.contains {
                        $0.string?.contains("the files of this host are not here") == true
                    } == true
                } == true)
            let alone = try ask(
                snapshots, "plan", [("program", "shop"), ("exclude", "nginx"), ("exclude", "reporter")])
            #expect(entries(alone) == ["/srv/state final-copy"])
        }
    }

    /// The reasons of a group have the change numbers of their records.
    @Test func changeNumbers() throws {
        try withSnapshots { snapshots, _ throws in
            let group = try ask(snapshots, "group", [("program", "shop")])
            let programs = group["members"]?["programs"]?.array ?? []
            // Of the two records of the connection, the one by which it joined.
            let reasons = programs.map { $0["reason"]?["change"]?.integer }
            #expect(reasons == [4, nil, 5] || reasons == [4, nil, 2], "\(reasons)")
            let why = try ask(snapshots, "why", [("program", "shop"), ("member", "reporter")])
            #expect(
                why["chains"]?.array?.first?.array?.map { $0["reason"]?["change"]?.integer } == [nil, 3, 4])
        }
    }

    // MARK: By the Model Context Protocol

    private func call(_ snapshots: Snapshots, _ name: String, _ arguments: String) throws -> JSONValue {
        let server = ModelContextServer(ModelContextTools(snapshots))
        let message =
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(name)","arguments":\#(arguments)}}"#
        let answer = try #require(server.answer(Array(message.utf8)))
        #expect(!answer.contains(0x0a))
        return try JSONValue(parsing: answer)
    }

    @Test func theTools() throws {
        try withSnapshots { snapshots, _ throws in
            let simulation = try call(
                snapshots, "simulate", #"{"program":"shop","to":"*"}"#)["result"]
            #expect(
                try simulation?["structuredContent"]
                    == ask(snapshots, "simulate", [("program", "shop"), ("to", "*")]))
            let result = try call(snapshots, "plan", #"{"program":"shop"}"#)["result"]
            let plan = try #require(result?["structuredContent"])
            #expect(plan["plan"]?["hosts"] == (try ask(snapshots, "plan", [("program", "shop")]))["hosts"])
            #expect(plan["entries"] == .integer(2) && plan["whole"] == .boolean(true))
            #expect(plan["hosts"]?.array?.last?["gaps"]?.array?.count == 1)
            let records = plan["records"]?.array ?? []
            #expect(plan["dependencies"] == .integer(Int128(records.count)))
            #expect(
                Set(records.compactMap { "\($0["host"]?.string ?? "")\($0["change"]?.integer ?? 0)" })
                    == ["h16", "h15", "h21", "h22", "h23", "h24", "h27"])
            let cut = try call(snapshots, "plan", #"{"program":"shop","limit":1,"exact":true}"#)["result"]?[
                "structuredContent"]
            #expect(cut?["entries"] == .integer(2) && cut?["whole"] == .boolean(false))
            #expect(
                cut?["plan"]?["hosts"]?.array?.map { $0["entries"]?.array?.count } == [1, 0]
                    && cut?["records"]?.array?.count == 1)
            // Where the records of a group's reasons are, and of a chain's steps.
            let group = try call(snapshots, "group", #"{"program":"shop"}"#)["result"]?["structuredContent"]
            let members = group?["members"]?.array ?? []
            #expect(members.first?["record"] == nil && members.count == 6)
            #expect(members.dropFirst().allSatisfy { $0["record"]?["change"]?.integer ?? 0 > 0 })
            let why = try call(snapshots, "why", #"{"program":"shop","member":"reporter"}"#)["result"]?[
                "structuredContent"]
            let chain = why?["chains"]?.array?.first
            #expect(
                chain?["records"]?.array == [
                    try json(#"{"host":"h2","change":3}"#), try json(#"{"host":"h2","change":4}"#),
                ])
            #expect(chain?["steps"]?.array?.count == 3)
        }
    }

    @Test func wrongArguments() throws {
        try withSnapshots { snapshots, _ throws in
            for (name, arguments) in [
                ("plan", "{}"), ("plan", #"{"program":1}"#), ("plan", #"{"program":"shop","exact":"yes"}"#),
                ("plan", #"{"program":"shop","limit":5001}"#), ("plan", #"{"program":"shop","to":"h1"}"#),
                ("simulate", #"{"program":"shop"}"#), ("simulate", #"{"program":"shop","to":""}"#),
                ("simulate", #"{"program":"shop","to":["h1"]}"#),
                ("simulate", #"{"program":"shop","to":"h1","scope":"host"}"#),
                ("simulate", #"{"program":"shop","to":"h1","scope":1}"#),
                ("simulate", #"{"program":"shop","to":"h1","limit":-1}"#),
            ] {
                #expect(
                    try call(snapshots, name, arguments)["error"]?["code"] == .integer(-32602),
                    "\(name) \(arguments)")
            }
            for (name, arguments) in [
                ("plan", #"{"program":"shpo"}"#), ("simulate", #"{"program":"shpo","to":"h1"}"#),
                ("simulate", #"{"program":"shop","to":"h7"}"#),
                ("simulate", #"{"program":"shop","to":"\u0000\u001b"}"#),
            ] {
                let result = try call(snapshots, name, arguments)["result"]
                #expect(result?["isError"] == .boolean(true), "\(name) \(arguments)")
                #expect(result?["structuredContent"]?["choices"]?.array?.isEmpty == false)
            }
        }
    }

    /// Whatever programs and hosts are called, an answer is JSON, and its names mean what they are of.
    @Test func hostileNames() throws {
        let bad = Self.hostile
        let dump = Self.dump(
            bad, bad, "10.0.0.1",
            [
                Self.file(bad, bad + "file", "rw", change: 1),
                Self.file(bad + "other", bad + "file", "r", change: 2),
                Self.line(
                    bad,
                    #""connect","transport":"tcp","remote":{"address":"10.0.0.9","port":1},"sent":1,"received":1"#,
                    change: 3),
                Self.line(
                    bad,
                    #""ipc","mechanism":"unix","name":\#(Self.quoted(bad)),"peer":{"executable":\#(Self.quoted(bad + "third"))}"#,
                    change: 4),
            ])
        try withSnapshots([dump, Self.app]) { snapshots, _ throws in
            let found = try ask(snapshots, "programs", [("q", "srv")])
            let names = found["programs"]?.array?.compactMap { $0["name"]?.string } ?? []
            #expect(names.count == 3)
            for name in names {
                for scope in ["program", "group"] {
                    let answer = try ask(
                        snapshots, "simulate", [("program", name), ("to", "*"), ("scope", scope)])
                    #expect(answer["moved"]?["programs"]?.array?.contains(.string(name)) == true)
                    #expect(answer["reconnects"]?["bytes"]?.integer ?? -1 >= 0)
                }
                let alone = try ask(snapshots, "simulate", [("program", name), ("to", "h2")])
                #expect(alone["torn"]?["total"]?.integer ?? 0 >= 1)
                let plan = try ask(snapshots, "plan", [("program", name)])
                #expect(plan["program"] == .string(name))
                let arguments = "{\"program\":\(Self.quoted(name)),\"to\":\(Self.quoted(bad))}"
                #expect(try call(snapshots, "simulate", arguments)["result"]?["isError"] == .boolean(false))
            }
        }
    }
}
