import Observation
import Records
import TestSupport
import Testing

@testable import Daemon

/// What would end a string, a line or a terminal's patience.
private let hostile = [
    "", "\"", "\\", "\\\"", "a\nb\r\tc", "\0", "\u{1b}[31m", "\u{7f}", "\u{85}", "\u{2028}", "ä€🎉", "\u{1f}",
    "</script>", "{\"a\":1}", "\\u0041", String(repeating: "\"\\\u{0}", count: 300),
]

@Suite struct StatusReportTests {
    private func report(_ text: String, sources: [DumpHeader.Source] = []) -> StatusReport {
        var header = DumpHeader()
        header.version = text
        header.time = 1_763_690_400_123_000_000
        header.started = 1_763_690_000_000_000_000
        header.sources = sources
        return StatusReport(
            isReady: true, header: header, pid: 23, stateFolder: text, records: 1, programs: 2, paths: 3,
            gaps: 4,
            resident: .max, ledger: 5, storePath: text, storePending: 6, storeWritten: nil, storeError: text,
            longestPause: 7_000, degraded: [text, text])
    }

    @Test(arguments: hostile)
    func hostileStringsComeBack(text: String) throws {
        let source = DumpHeader.Source(
            name: "a" + text, mode: text, received: .max, counters: [("b" + text, 1)])
        let bytes = report(text, sources: [source]).json
        // One line, so that it can stand in a stream.
        #expect(!bytes.contains { $0 < 0x20 })
        let value = try JSONValue(parsing: bytes)
        #expect(value["version"]?.string == text)
        #expect(value["state_dir"]?.string == text)
        #expect(value["store"]?["path"]?.string == text)
        #expect(value["store"]?["error"]?.string == text)
        #expect(value["degraded"] == .array([.string(text), .string(text)]))
        let reported = try #require(value["sources"]?["a" + text])
        #expect(reported["mode"]?.string == text)
        #expect(reported["received"]?.integer == Int128(UInt64.max))
        #expect(reported["lost"]?.integer == 0)
        #expect(reported["b" + text]?.integer == 1)
    }

    /// docs/answers.schema.json, which holds for `retinue status --json`.
    @Test func holdsTheSchema() throws {
        let schema = try JSONSchema.answer("status")
        let source = DumpHeader.Source(name: "fanotify", mode: "fid", received: 3, counters: [("unnamed", 1)])
        var status = report("1.0", sources: [source])
        status.storeWritten = 1_763_690_399_000_000_000
        for text in [nil, "full"] {
            status.storeError = text
            let json = String(decoding: status.json, as: UTF8.self)
            #expect(schema.problems(in: json) == [])
            for (part, other) in [
                (#""ready":true"#, #""ready":1"#), (#""mode":"#, #""way":"#),
                (#""unnamed":1"#, #""unnamed":"1""#),
                (#""expired":"#, #""late":"#), (".000Z", "Z"), (#""state":"ready""#, #""state":"well""#),
            ] {
                #expect(schema.problems(in: json.replacing(part, with: other)) != [], "\(part)")
            }
        }
    }

    @Test func everyField() throws {
        var status = report("1.0")
        status.storeWritten = 1_763_690_399_000_000_000
        status.storeError = nil
        status.degraded = []
        status.clients = .init(served: 1, refused: 2, dropped: 3)
        status.calls = .init(outstanding: 4, expired: 5, refused: 6, delayed: 7)
        status.losses = [
            LossCause(source: "b", cause: "c"): 9, LossCause(source: "a", cause: "ring full"): 8,
        ]
        let expected = """
            {"ready":true,"state":"ready","version":"1.0","pid":23,"time":"2025-11-21T02:00:00.123Z",
            "started":"2025-11-21T01:53:20.000Z","state_dir":"1.0","records":1,"programs":2,"paths":3,"gaps":4,
            "memory":{"resident":18446744073709551615,"ledger":5},
            "store":{"path":"1.0","pending":6,"last_written":"2025-11-21T01:59:59.000Z","error":null},
            "longest_pause_us":7,"clients":{"served":1,"refused":2,"dropped":3},
            "blocking_calls":{"outstanding":4,"expired":5,"refused":6,"delayed":7},
            "sources":{},
            "losses":[{"source":"a","cause":"ring full","lost":8},{"source":"b","cause":"c","lost":9}],
            "degraded":[]}
            """
        #expect(!status.json.contains { $0 < 0x20 })
        #expect(try JSONValue(parsing: status.json) == JSONValue(parsing: expected))
        status.header.scope = .init(netns: "web", cgroup: "a.slice")
        #expect(
            try JSONValue(parsing: status.json)["scope"]
                == JSONValue(parsing: #"{"netns":"web","cgroup":"a.slice"}"#))
        status.isReady = false
        let value = try JSONValue(parsing: status.json)
        #expect(value["ready"] == .boolean(false))
        #expect(value["state"]?.string == "starting")
    }
}
