import Testing

@testable import RetinueCommands

@Suite("The status as text")
struct StatusTests {
    static let ready = #"""
        {"ready":true,"state":"ready","version":"0.1.0","pid":4711,"time":"2026-11-21T03:00:10.000Z",
        "started":"2026-11-21T02:00:00.000Z","state_dir":"/var/lib/retinue","records":12345,"programs":12,
        "paths":99,"gaps":0,"memory":{"resident":12345678,"ledger":345},"store":{"path":
        "/var/lib/retinue/records.db","pending":0,"last_written":"2026-11-21T03:00:07.000Z","error":null},
        "sources":{"fanotify":{"mode":"fid","received":3610,"lost":0,"overflows":0,"unnamed":23},
        "tracepoint":{"mode":"off: no tracefs","received":0,"lost":0}},
        "degraded":["no tracefs: a connection that is too short for a scan is not seen, or inferred"]}
        """#

    @Test func namesWhatItIsRestrictedTo() throws {
        let restricted = Self.ready.replacing(
            "\"records\"", with: #""scope":{"netns":"web","cgroup":"a.slice/web"},"records""#)
        let text = StatusText(report: try report(restricted), earlier: nil, width: 80).text
        #expect(text.contains("\nnetns        web\ncgroup       a.slice/web\nrecords "))
    }

    @Test func isReadable() throws {
        let text = StatusText(report: try report(Self.ready), earlier: nil, width: 80).text
        #expect(
            text == """
                state        ready
                version      0.1.0
                pid          4711
                uptime       1 h, since 2026-11-21T02:00:00.000Z
                state dir    /var/lib/retinue
                records      12,345 (12 programs, 99 paths, 0 gaps)
                memory       11.8 MiB resident, 345 B in the ledger
                store        0 pending, last written 2026-11-21T03:00:07.000Z
                degraded     no tracefs: a connection that is too short for a scan is not seen,
                             or inferred

                SOURCE      MODE             RECEIVED  LOST  EVENTS/S
                fanotify    fid                 3,610     0       1.0
                tracepoint  off: no tracefs         0     0       0.0
                  fanotify: unnamed 23

                """)
    }

    @Test func ratesOverAnInterval() throws {
        let earlier = try report(
            Self.ready.replacing("03:00:10", with: "03:00:00").replacing("3610", with: "3010"))
        let text = StatusText(report: try report(Self.ready), earlier: earlier, width: 80).text
        #expect(text.contains("3,610     0      60.0\n"))
        // A daemon that was started anew in between has no rate.
        let other = try report(Self.ready.replacing("02:00:00", with: "01:00:00"))
        #expect(
            StatusText(report: try report(Self.ready), earlier: other, width: 80).text
                .contains("3,610     0         -\n"))
    }

    @Test func whyNotReady() throws {
        let report = try report(#"{"ready":false,"state":"scanning what was there before"}"#)
        #expect(!report.isReady)
        let text = StatusText(report: report, earlier: nil, width: 80).text
        #expect(text == "state        NOT READY: scanning what was there before\n")
    }

    @Test func nothingSteersTheTerminal() throws {
        let report = try report(
            #"{"ready":true,"version":"\u001b[31m","degraded":["\u001b"],"sources":{"\u009b":{"mode":"\u0007"}}}"#
        )
        let text = StatusText(report: report, earlier: nil, width: 80).text
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && $0.value < 0x7f })
    }

    @Test(arguments: ["", "{}", "[]", "nonsense", #"{"ready":1}x"#])
    func whatIsNoStatus(text: String) {
        #expect(throws: Failure.self) { _ = try report(text) }
    }

    @Test func typesThatAreNotExpectedAreLeftOut() throws {
        let report = try report(
            #"{"ready":"yes","pid":-1,"records":1e3,"sources":[],"memory":3,"store":"x","degraded":{}}"#)
        #expect(!report.isReady)
        let text = StatusText(report: report, earlier: nil, width: 80).text
        #expect(text == "state        NOT READY\npid          0\n")
    }

    private func report(_ text: String) throws -> DaemonStatus { try DaemonStatus(Array(text.utf8)) }
}
