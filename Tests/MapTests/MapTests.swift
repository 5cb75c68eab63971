import Foundation
import Map
import MoveGroup
import Records
import TestSupport
import Testing

@Suite("Map")
struct MapTests {
    private static func count(_ part: String, in text: String) -> Int {
        text.components(separatedBy: part).count - 1
    }

    /// Keys of the boxes of a page.
    private static func boxes(_ page: String) -> [String] {
        page.components(separatedBy: "data-key=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }

    /// The second so many minutes after the start.
    private static func second(_ minute: Int) -> String { "\(1_795_226_400 + minute * 60)" }

    @Test func beginsWithASearchAndNeverWithEverything() throws {
        let maps = try Maps.shop()
        let empty = maps.text()
        #expect(empty.contains("Which program?"))
        #expect(Self.count("<li>", in: empty) == 0)
        #expect(!empty.contains("/usr/sbin/nginx"))
        let found = maps.text(("q", "nginx"))
        #expect(found.contains("1 program"))
        #expect(
            found.contains("href=\"?program=h1:/usr/sbin/nginx%40system.slice/nginx.service\"")
                || found.contains("href=\"?program=h1:/usr/sbin/nginx@system.slice/nginx.service\""))
        // Why there is no answer.
        let none = maps.text(("q", "nowhere"))
        #expect(none.contains("None of 6 programs"))
        #expect(
            none.contains("nothing after 2026-11-21 03:00:00 is in the records, which are 0 s old")
                || none.contains("old"))
    }

    @Test func emptyRecordsSayWhy() throws {
        var maps = try Maps([])
        maps.problem = "permission denied: be a member of the group retinue"
        let page = maps.text(("q", "x"))
        #expect(page.contains("no records have been read"))
        #expect(page.contains("permission denied"))
        let lost = try Maps([
            DumpText.host("h1", name: "web", "10.0.0.1", [])
                + #"{"type":"gap","host":"h1","source":"fanotify","cause":"overflow","from":"2026-11-21T02:00:00.000Z","to":"2026-11-21T02:01:00.000Z","lost":12,"resynchronised":"2026-11-21T02:01:01.000Z"}"#
                + "\n"
        ])
        #expect(lost.text(("q", "x")).contains("events were lost: 12 events in 1 span"))
    }

    @Test func drawsProgramsBoundFilesAndWhatMustBeReconnected() throws {
        let page = try Maps.shop().text(("program", "nginx"))
        let boxes = Set(Self.boxes(page))
        #expect(
            boxes == [
                "h1:/usr/sbin/nginx@system.slice/nginx.service", "h1:/var/log/shop/access",
                "h1:tcp:10.0.0.1:80",
                "h2:/usr/bin/shop@system.slice/shop.service", "h2:/usr/bin/helper@system.slice/shop.service",
                "h2:/usr/bin/reporter@system.slice/report.service", "h2:/srv/state", "h2:tcp:10.0.0.2:8080",
                "tcp:10.0.0.9:5432",
            ])
        #expect(page.contains("1 address must be reconnected"))
        #expect(page.contains("3 files only copied"))
        // Relation, traffic and evidence.
        #expect(page.contains("connects to tcp:8080</text>"))
        #expect(page.contains("1000 B out, 2.9 KiB in</text>"))
        #expect(page.contains("class=\"arrow inferred\""))
        #expect(page.contains("tcp:10.0.0.9:5432: connects; 1000 B out, 2.9 KiB in; inferred"))
    }

    @Test func groupsOpenAndClose() throws {
        let maps = try Maps.shop()
        let program = ("program", "nginx")
        #expect(maps.text(program, ("close", "unit=h2 system.slice/shop.service")).contains("2 programs"))
        let host = Self.boxes(maps.text(program, ("close", "host=h2")))
        #expect(host.contains("host=h2"))
        #expect(!host.contains { $0.hasPrefix("h2:") })
        let opened = Self.boxes(maps.text(program, ("open", "h2:/usr/bin/shop@system.slice/shop.service")))
        #expect(opened.contains("h2:/usr/lib/shop.so"))
        #expect(!opened.contains("h2:/usr/lib/helper.so"))
        #expect(Self.boxes(maps.text(program, ("files", "all"))).contains("h2:/usr/lib/helper.so"))
    }

    @Test func foldersOpenUntilTheirFilesAreSeen() throws {
        let shop = DumpText.program("/usr/bin/shop")
        let maps = try Maps([
            DumpText.host(
                "h1", name: "web", "10.0.0.1",
                (0..<100).map { DumpText.file(shop, "/srv/\($0 / 50)/\($0 % 50)", "rw") })
        ])
        var query = [("program", "shop")]
        var boxes: [String] = []
        for _ in 0..<6 {
            boxes = Self.boxes(String(decoding: maps.page(query).body, as: UTF8.self))
            guard let folder = boxes.first(where: { $0.hasPrefix("bound=") }) else { break }
            query.append(("open", folder))
        }
        #expect(boxes.count == 101)
        #expect(boxes.contains("h1:/srv/1/49"))
    }

    @Test func saysWhyAsTheCommandDoes() throws {
        let maps = try Maps.shop()
        let report = try maps.group(of: "nginx")
        let node = try #require(report.members.first { maps.name($0).contains("reporter") })
        let page = maps.text(("program", "nginx"), ("sel", maps.name(node)))
        let chain = report.reasonChain(of: node)
        #expect(chain.count == 4)
        for line in chain {
            #expect(page.contains("<li>\(line.replacing("&", with: "&amp;"))</li>"), "\(line)")
        }
        #expect(Self.count(" way\"", in: page) > 3)
        // What must be reconnected says that nobody was observed there.
        let outside = maps.text(("program", "nginx"), ("sel", "tcp:10.0.0.9:5432"))
        #expect(outside.contains("nobody was observed there"))
        #expect(maps.text(("program", "nginx"), ("sel", "x")).contains("x is not in the picture"))
    }

    @Test func findsAndHides() throws {
        let maps = try Maps.shop()
        let program = ("program", "nginx")
        #expect(maps.text(program, ("find", "~SHOP and kind=program")).contains("2 found and marked"))
        let hidden = maps.text(program, ("hide", "host=app"))
        #expect(!Self.boxes(hidden).contains { $0.hasPrefix("h2:") })
        #expect(hidden.contains("hidden by “host=app”"))
        let dependency = maps.text(program, ("hide", "evidence=inferred"))
        #expect(!dependency.contains("class=\"arrow inferred\""))
        #expect(Self.boxes(dependency).contains("tcp:10.0.0.9:5432"))
        #expect(
            maps.text(program, ("hide", "kind=(")).contains("no expression")
                || maps.text(program, ("hide", "(a")).contains("this ( has no end"))
        // Where the group begins is never hidden.
        #expect(Self.boxes(maps.text(program, ("hide", "kind=program"))).contains { $0.contains("nginx") })
    }

    @Test func historyShowsWhatWasKnown() throws {
        let maps = try Maps.shop()
        let program = ("program", "nginx")
        let early = maps.text(program, ("until", Self.second(30)))
        #expect(!Self.boxes(early).contains { $0.contains("reporter") })
        #expect(Self.boxes(early).contains { $0.contains("/usr/bin/shop") })
        #expect(
            Self.boxes(maps.text(program, ("until", Self.second(40)))).contains { $0.contains("reporter") })
        // Before anything was known only the start is there.
        #expect(
            Self.boxes(maps.text(program, ("until", "1"))) == [
                "h1:/usr/sbin/nginx@system.slice/nginx.service"
            ])
        let changed = maps.text(program, ("since", Self.second(30)), ("changed", "1"))
        #expect(
            Set(Self.boxes(changed)) == [
                "h1:/usr/sbin/nginx@system.slice/nginx.service", "h2:/srv/state",
                "h2:/usr/bin/reporter@system.slice/report.service",
            ])
        #expect(changed.contains("1 member new since 2026-11-21 02:30:00"))
    }

    /// The group of a part of the graph is the one of the inputs read with that window.
    @Test func historyIsWhatTheWindowGives() throws {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let lines = (0..<60).map { _ -> String in
                let program = DumpText.program("/usr/bin/p\(Int.random(in: 0..<12, using: &generator))")
                let first = Int.random(in: 0..<50, using: &generator)
                let path = "/srv/f\(Int.random(in: 0..<20, using: &generator))"
                return DumpText.file(
                    program, path, ["r", "rw", "x"].randomElement(using: &generator)!, first, first + 5)
            }
            let text = DumpText.host("h1", name: "web", "10.0.0.1", lines)
            let whole = try Maps([text])
            guard let report = try? whole.group(of: "/usr/bin/p0") else { continue }
            for minute in [0, 10, 25, 49] {
                let end = (UInt64(Self.second(minute)) ?? 0) * 1_000_000_000 + 999_999_999
                let (part, origins) = whole.graph.observed(in: 0...end, around: report.members)
                let start = origins.firstIndex(of: report.group.start[0]).map { NodeID(rawValue: UInt32($0)) }
                let group = part.moveGroup(of: [try #require(start)], report.group.options)
                let shown = Set(group.members.map { part[$0] })
                var builder = GraphBuilder()
                builder.window = 0...end
                builder.add(try DumpContents(ndjson: Array(text.utf8)), from: "dump")
                let graph = builder.finish()
                guard case .found(let nodes) = graph.select(NodePattern("/usr/bin/p0")) else {
                    #expect(shown.count == 1)
                    continue
                }
                let expected = graph.moveGroup(of: nodes, report.group.options)
                #expect(shown == Set(expected.members.map { graph[$0] }), "seed \(seed), minute \(minute)")
            }
        }
    }

    @Test func saysWhatAMoveWouldBreak() throws {
        let maps = try Maps.shop()
        let shop = "h2:/usr/bin/shop@system.slice/shop.service"
        let page = maps.text(("program", "nginx"), ("sel", shop), ("to", "*"))
        // nginx has to find it again, and it the database; the reporter and its state stay.
        #expect(page.contains("2, over which 7.8 KiB went"))
        #expect(page.contains("needs the new address"))
        #expect(page.contains("/usr/bin/shop (app) and /usr/bin/reporter (app) over /srv/state"))
        #expect(page.contains("the records have no sizes of files"))
        let near = maps.text(("program", "nginx"), ("sel", shop), ("to", "h1"))
        #expect(near.contains("1, over which 3.9 KiB went; 1 more become local"))
        #expect(
            maps.text(("program", "nginx"), ("sel", shop), ("to", "h7")).contains("No host has the id h7"))
    }

    @Test func theSameAddressGivesTheSamePage() throws {
        let query = [
            ("program", "nginx"), ("find", "~shop"), ("hide", "host=\"a b\""), ("close", "host=h2"),
            ("pin", "40,90,h1:/var/log/shop/access"), ("until", Self.second(45)), ("sel", "host=h2"),
        ]
        let one = try Maps.shop().page(query)
        #expect(one == (try Maps.shop().page(query)))
        let state = try MapState(query.map { (Array($0.utf8), Array($1.utf8)) })
        let again = try MapState(Self.parsed(state.address))
        #expect(again == state)
        #expect(
            String(decoding: one.body, as: UTF8.self).contains("x=\"40\" y=\"90\"")
                || String(decoding: one.body, as: UTF8.self).contains("M40 90"))
    }

    /// A query as a server reads it.
    private static func parsed(_ address: String) -> [(name: [UInt8], value: [UInt8])] {
        address.dropFirst().split(separator: "&").map { part in
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Array(sides[0].utf8), Array((String(sides[1]).removingPercentEncoding ?? "").utf8))
        }
    }

    @Test func refusesWhatItDoesNotKnow() throws {
        let maps = try Maps.shop()
        for (query, status) in [
            ([("x", "1")], 400), ([("q", "a"), ("q", "b")], 400), ([("pin", "a,b,c")], 400),
            ([("until", "soon")], 400), ([("offset", "-1")], 400), ([("program", "nothing like it")], 404),
        ] { #expect(maps.page(query).status == status, "\(query)") }
        #expect(maps.page([], path: "/nothing").status == 404)
        #expect(maps.page([], path: "/").fields["Location"] == "../map")
        #expect(MapPage.answer("", [(Array("q".utf8), [0xff])]) { maps }.status == 400)
        #expect(
            MapPage.answer("", []) { () throws(MapProblem) in throw MapProblem(503, "no daemon <b>") }.status
                == 503)
    }

    /// Nothing of a name or a query becomes markup, wherever it stands.
    @Test func hostileNamesStayText() throws {
        let bad = "/srv/\u{22}'><script>alert(1)</script>\n</title></svg>&amp;\u{1b}\u{202e}onload=x "
        let program = DumpText.program(bad + "p", bad + "unit")
        let other = DumpText.program(bad + "q", bad + "other")
        let maps = try Maps([
            DumpText.host(
                bad + "id", name: bad + "host", "10.0.0.1",
                [
                    DumpText.file(program, bad + "file", "rw"), DumpText.file(other, bad + "file", "r"),
                    DumpText.connect(program, "10.0.0.7", 1),
                ])
        ])
        let report = try maps.group(of: "**")
        let names = report.members.map(maps.name)
        var pages = [
            maps.text(), maps.text(("q", bad)), maps.text(("q", "srv")), maps.text(("program", bad)),
            maps.text(("program", "**"), ("find", bad), ("hide", "(" + bad)),
            maps.text(("program", "**"), ("hide", "~" + "</script><script>")),
            maps.text(("program", "**"), ("sel", bad), ("to", bad), ("open", bad), ("pin", "1,2,\(bad)")),
        ]
        for name in names { pages.append(maps.text(("program", "**"), ("sel", name), ("to", "*"))) }
        for page in pages {
            #expect(Self.count("<script", in: page) == 1)
            #expect(Self.count("</script>", in: page) == 1)
            #expect(Self.count("</title>", in: page) == Self.count("<title>", in: page))
            #expect(!page.contains("\u{1b}"))
            // Names are shown escaped; what is in an address is encoded.
            #expect(!page.contains("onload=\"") && !page.contains("style=\"") && !page.contains("onclick"))
            let parser = XMLProbe(page)
            #expect(parser.fault == nil, "\(parser.fault ?? "")")
            #expect(
                parser.attributes.isSubset(of: XMLProbe.known),
                "\(parser.attributes.subtracting(XMLProbe.known))")
        }
    }

    /// Few origins, and no style or script in pages.
    @Test func policyAllowsOwnFilesOnly() throws {
        let answer = try Maps.shop().page([("program", "nginx")])
        #expect(answer.fields["Content-Security-Policy"] == MapPage.policy)
        #expect(!MapPage.policy.contains("unsafe"))
        for path in ["/map.css", "/map.js", "/icon.svg"] {
            let asset = try Maps.shop().page([], path: path)
            #expect(asset.status == 200 && !asset.body.isEmpty)
            let text = String(decoding: asset.body, as: UTF8.self)
            #expect(!text.contains("http://") || path == "/icon.svg")
            #expect(!text.contains("https://") && !text.contains("innerHTML") && !text.contains("eval("))
        }
    }

    /// A figure, printed; that all is drawn is what is held.
    @Test func drawsFourHundredNodes() throws {
        var lines: [String] = []
        for number in 0..<200 {
            let program = DumpText.program("/usr/bin/app\(number)", "system.slice/app\(number / 4).service")
            lines.append(DumpText.listen(program, "10.0.0.1", 1000 + number))
            if number > 0 { lines.append(DumpText.connect(program, "10.0.0.1", 1000 + number / 2)) }
            if number > 3 { lines.append(DumpText.connect(program, "10.0.0.1", 1000 + number / 3)) }
        }
        let maps = try Maps([DumpText.host("h1", name: "one", "10.0.0.1", lines)])
        var query = [("program", "app0")]
        for unit in 0..<50 { query.append(("open", "unit=h1 system.slice/app\(unit).service")) }
        let clock = ContinuousClock()
        var page = maps.page(query)
        let duration = clock.measure { page = maps.page(query) }
        let boxes = Self.boxes(String(decoding: page.body, as: UTF8.self))
        #expect(boxes.count == 400)
        print("a page of \(boxes.count) boxes: \(duration), \(page.body.count) bytes")
    }
}
