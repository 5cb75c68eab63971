import ArgumentParser
import Foundation
import Records
import RetinueCommands
import TestSupport
import Testing
import WebServer

@testable import RetinueServer

/// Ten thousand programs, searched at once.
@Suite("Search")
struct SearchTests {
    private static let words = ["billing", "shop", "Search", "m\u{e4}il"]

    /// Hosts with 250 programs each; of one in four the name has each of the words.
    private static func dump(_ host: Int, programs: Int) -> String {
        let time = "2026-11-21T02:00:00.000Z"
        let id = "h\(host)"
        let header =
            #"{"type":"header","schema":"retinue/2","time":"\#(time)","host":"\#(id)","machine":{"name":"host\#(host)","#
            + #""addresses":["10.0.0.\#(host + 1)"],"kernel":"6.1","boot":"b"},"#
            + #""daemon":{"version":"1","started":"\#(time)"},"sources":{}}"#
        let lines = (0..<programs).map { number in
            #"{"type":"dependency","host":"\#(id)","program":{"executable":"/opt/\#(words[number % 4])/worker\#(number)","#
                + #""workload":"system.slice/unit\#(number).service"},"relation":"file","path":"/etc/a","kind":"regular","#
                + #""access":"r","count":1,"first":"\#(time)","last":"\#(time)","evidence":"exact"}"#
        }
        return ([header] + lines).map { $0 + "\n" }.joined()
    }

    private func ask(
        _ route: (String, [(name: [UInt8], value: [UInt8])]) -> WebAnswer, _ path: String,
        _ query: [(String, String)]
    )
        throws -> [UInt8]
    {
        let answer = route(path, query.map { (name: Array($0.utf8), value: Array($1.utf8)) })
        #expect(answer.status == 200, "\(query)")
        return answer.body
    }

    @Test func tenThousandPrograms() throws {
        try withTemporaryFolder { folder in
            var words = ["--from"]
            for host in 0..<40 {
                words.append("\(folder)/\(host).ndjson")
                try write(Self.dump(host, programs: 250), to: words[host + 1])
            }
            let snapshots = Snapshots(try ServedRecords.parse(words), refresh: 600, watches: [])
            let (api, map) = (API(snapshots), MapRoute(snapshots))
            for (query, total) in [
                ("worker", 10_000), ("billing", 2_520), ("SHOP", 2_520), ("search worker", 2_480),
                ("m\u{c4}IL", 2_480), ("host7", 250), ("host7 billing", 63), ("h39:/opt", 250),
                ("unit249.service host39", 1), ("worker249 unit248", 0), ("shop billing", 0),
            ] {
                let answer = try JSONValue(parsing: ask(api.answer, "/api/v1/programs", [("q", query)]))
                #expect(answer["total"] == .integer(Int128(total)), "\(query)")
                let found = answer["programs"]?.array?.compactMap { $0["name"]?.string } ?? []
                #expect(found.count == min(total, 50), "\(query)")
                // The page has as many, says how many there are, and leads to the rest.
                let page = String(decoding: try ask(map.answer, "/map", [("q", query)]), as: UTF8.self)
                #expect(page.components(separatedBy: "<li><a href=").count - 1 == found.count, "\(query)")
                #expect(
                    page.contains("<h1>\(Self.grouped(total)) program\(total == 1 ? "" : "s")</h1>"),
                    "\(query)")
                #expect(page.contains("rel=\"next\"") == (total > 50), "\(query)")
            }
            // All of them, piece by piece, each once and in order.
            var names: [String] = []
            for offset in stride(from: 0, through: 10_000, by: 1000) {
                let answer = try JSONValue(
                    parsing: ask(
                        api.answer, "/api/v1/programs", [("limit", "1000"), ("offset", "\(offset)")]))
                #expect(answer["total"] == .integer(10_000) && answer["offset"] == .integer(Int128(offset)))
                names += answer["programs"]?.array?.compactMap { $0["name"]?.string } ?? []
            }
            #expect(names.count == 10_000 && Set(names).count == 10_000 && names == names.sorted())
            let last = String(
                decoding: try ask(map.answer, "/map", [("q", "worker"), ("offset", "9990")]), as: UTF8.self)
            #expect(last.components(separatedBy: "<li><a href=").count - 1 == 10)
            #expect(last.contains("rel=\"prev\"") && !last.contains("rel=\"next\""))
        }
    }

    /// `10,000`
    private static func grouped(_ number: Int) -> String {
        let text = "\(number)"
        return text.count > 3 ? text.dropLast(3) + "," + text.suffix(3) : text
    }
}
