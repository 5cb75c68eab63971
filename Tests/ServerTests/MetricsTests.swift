import ArgumentParser
import Foundation
import MoveGroup
import Records
import RetinueCommands
import TestSupport
import Testing

@testable import RetinueServer

/// What Prometheus is given, by what Prometheus itself says of it.
@Suite("Metrics")
struct MetricsTests {
    /// promtool's findings; empty if there are none. What it is given must not be empty: of nothing it finds nothing.
    private func findings(_ text: String) throws -> String {
        try withTemporaryFolder { folder in
            try write(text, to: folder + "/metrics")
            let child = try Child(["sh", "-c", "promtool check metrics < metrics"], folder: folder)
            let ending = try child.wait(within: 60)
            return ending == .exited(0) ? child.outputText + child.errorText : "\(ending) \(child.errorText)"
        }
    }

    private func text(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families { family.append(to: &text) }
        return text
    }

    private static let status = """
        {"ready":true,"state":"ready","version":"1.0","pid":23,"time":"2025-11-21T02:00:00.500Z",
        "started":"2025-11-21T01:53:20.000Z","state_dir":"/var/lib/retinue","records":1,"programs":2,"paths":3,"gaps":4,
        "memory":{"resident":5000000,"ledger":5},
        "store":{"path":"/var/lib/retinue/retinue.db","pending":6,"last_written":"2025-11-21T01:59:58.000Z","error":null},
        "longest_pause_us":7500,"clients":{"served":1,"refused":2,"dropped":3},
        "blocking_calls":{"outstanding":4,"expired":5,"refused":6,"delayed":7},
        "sources":{"fanotify":{"mode":"on","received":100,"lost":31,"unattributed":3},"proc":{"mode":"on","received":7,"lost":0}},
        "losses":[{"source":"fanotify","cause":"queue \\"overflow\\"\\n\\\\","lost":23},
        {"source":"fanotify","cause":"open: /srv/secret","lost":5},{"source":"fanotify","cause":"open: /srv/other","lost":3}],
        "degraded":["no tracefs"]}
        """

    private static func families(_ status: JSONValue?) -> [MetricFamily] {
        MetricsPage.daemon(status, lag: status.flatMap { StoreLag().seconds($0) })
    }

    /// After a quiet hour a change that waits is not an hour old: it came after the last moment at which nothing waited.
    @Test func theLagOfTheStore() throws {
        func status(_ time: String, pending: Int, started: String = "01:00:00") throws -> JSONValue {
            try JSONValue(
                parsing: #"{"time":"2025-11-21T\#(time).000Z","started":"2025-11-21T\#(started).000Z","#
                    + #""store":{"pending":\#(pending),"last_written":"2025-11-21T01:00:05.000Z"}}"#)
        }
        let lag = StoreLag()
        #expect(lag.seconds(try status("02:00:00", pending: 3)) == 3595)
        #expect(lag.seconds(try status("02:00:05", pending: 0)) == 0)
        #expect(lag.seconds(try status("02:00:20", pending: 1)) == 15)
        #expect(lag.seconds(try status("02:00:35", pending: 9)) == 30)
        // Of another daemon nothing is known from this one.
        #expect(lag.seconds(try status("02:00:50", pending: 1, started: "00:59:00")) == 3645)
    }

    @Test func aDaemon() throws {
        let text = text(Self.families(try JSONValue(parsing: Self.status)))
        #expect(try findings(text) == "")
        for line in [
            "retinue_daemon_up 1", "retinue_daemon_ready 1", "retinue_records 1",
            "retinue_resident_memory_bytes 5000000", "retinue_store_lag_seconds 2.5",
            "retinue_store_pending_records 6", "retinue_store_failed 0", "retinue_degraded_modes 1",
            "retinue_longest_drain_pause_seconds 0.0075", "retinue_clients_refused_total 2",
            "retinue_received_events_total{source=\"fanotify\"} 100",
            "retinue_lost_events_total{source=\"fanotify\",cause=\"\"} 0",
            #"retinue_lost_events_total{source="fanotify",cause="queue \"overflow\"\n\\"} 23"#,
            "retinue_lost_events_total{source=\"fanotify\",cause=\"open\"} 8",
            "retinue_lost_events_total{source=\"proc\",cause=\"\"} 0",
            "retinue_source_detail{source=\"fanotify\",detail=\"unattributed\"} 3",
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
        #expect(!text.contains("/srv") && !text.contains("/var"))
    }

    /// One that is not there, and one that says less than today's.
    @Test func otherDaemons() throws {
        #expect(text(Self.families(nil)).hasSuffix("\nretinue_daemon_up 0\n"))
        let little = text(
            Self.families(try JSONValue(parsing: #"{"ready":false,"store":{"pending":0}}"#)))
        #expect(
            little.contains("\nretinue_daemon_ready 0\n")
                && little.contains("\nretinue_store_lag_seconds 0\n"))
        #expect(try findings(little) == "")
        _ = text(
            Self.families(
                try JSONValue(parsing: #"{"sources":[1],"losses":{"a":2},"store":3,"memory":null}"#)))
    }

    private func snapshot(_ lines: [String], host: String, watch: String) throws -> Snapshot {
        try withTemporaryFolder { folder in
            let header = """
                {"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"h","machine":{"name":"\(host)",\
                "addresses":["10.0.0.1"],"kernel":"6.1","boot":"b"},"daemon":{"version":"1",\
                "started":"2026-11-21T01:00:00.123Z"},"sources":{}}
                """
            let ends =
                #""count":1,"first":"2026-11-21T01:30:00.123Z","last":"2026-11-21T01:30:00.123Z","evidence":"exact"}"#
            let text = ([header] + lines.map { "{\"type\":\"dependency\",\"host\":\"h\",\($0),\(ends)" })
                .map { $0 + "\n" }.joined()
            try write(text, to: folder + "/dump.ndjson")
            let records = try ServedRecords.parse(["--from", folder + "/dump.ndjson"])
            return Snapshot(
                try records.read(), time: 1_795_226_400_000_000_000, duration: 1_500_000,
                watches: [
                    try #require(Watch("db=\(watch)")), try #require(Watch("gone=nothing-of-that-name")),
                ])
        }
    }

    @Test func recordsAndWhatIsWatched() throws {
        func connect(_ program: String) -> String {
            #""program":{"executable":"\#(program)"},"relation":"connect","transport":"tcp","#
                + #""remote":{"address":"10.0.0.1","port":5432},"sent":1,"received":2"#
        }
        let server = #""program":{"executable":"/usr/bin/db"},"relation":"#
        let lines = [
            server + #""listen","transport":"tcp","local":{"address":"10.0.0.1","port":5432}"#,
            server + #""file","path":"/var/lib/db","kind":"regular","access":"rw""#,
            server
                + #""accept","transport":"tcp","local":{"address":"10.0.0.1","port":5432},"#
                + #""remote":{"address":"192.0.2.7","port":0},"sent":1,"received":2"#,
        ]
        let clients = ["/usr/bin/a", "/usr/bin/b"]
        let snapshot = try snapshot(
            lines + clients.map(connect) + clients.map(connect), host: #"web\"1\n\\ "#, watch: "/usr/bin/db")
        let text = text(MetricsPage.server(snapshot, .init(problem: nil, failures: 2, reads: 3)))
        #expect(try findings(text) == "")
        for line in [
            "retinue_server_records_up 1", "retinue_server_read_failures_total 2",
            "retinue_server_reads_total 3",
            "retinue_server_read_duration_seconds 0.0015", "retinue_server_read_timestamp_seconds 1795226400",
            "retinue_watch_found{watch=\"db\"} 1", "retinue_watch_found{watch=\"gone\"} 0",
            "retinue_watch_members{watch=\"db\",kind=\"program\"} 3",
            "retinue_watch_clients{watch=\"db\",kind=\"program\"} 2",
            "retinue_watch_clients{watch=\"db\",kind=\"address\"} 1",
            #"retinue_host_gaps{host="h",name="web\"1\n\\ "} 0"#,
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)\n\(text)")
        }
        #expect(!text.contains("watch=\"gone\",kind") && !text.contains("/usr") && !text.contains("/var"))
    }

    @Test func searchInNames() throws {
        let lines = (0..<30).map {
            "\"program\":{\"executable\":\"/usr/bin/App\($0)\",\"workload\":\"a.service\"},\"relation\":\"file\",\"path\":\"/x\","
                + "\"kind\":\"regular\",\"access\":\"r\""
        }
        let snapshot = try snapshot(lines, host: "web", watch: "a")
        #expect(snapshot.search("", offset: 0, limit: 10).total == 30)
        #expect(snapshot.search("aPP2 a.serv", offset: 0, limit: 100).found.count == 11)
        let some = snapshot.search("app", offset: 28, limit: 10)
        #expect(some.found.count == 2 && some.total == 30)
        // By what the host is called, where the name has its id.
        #expect(snapshot.search("web app7", offset: 0, limit: 10).total == 1)
        #expect(snapshot.search("app nothing", offset: 0, limit: 10).total == 0)
    }

    /// The example alerts, and that each comes when it should.
    @Test(arguments: [
        ["check", "rules", "packaging/prometheus/retinue.rules.yml"],
        ["test", "rules", "Tests/Serve/retinue.rules.test.yml"],
    ])
    func rules(_ words: [String]) throws {
        let child = try Child(["promtool"] + words, folder: Self.repository)
        #expect(try child.wait(within: 60) == .exited(0), "\(child.outputText)\(child.errorText)")
        #expect(child.outputText.contains("SUCCESS"))
    }

    private static let repository =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
}
