import KernelProbe
import Records
import Testing

@testable import RetinueCommands

@Suite("What a probe prints")
struct ProbeTests {
    private func report(needsTracefs: Bool) -> ProbeReport {
        ProbeReport(
            KernelProbe(
                findings: [
                    .init(
                        name: "fanotify", isAvailable: true, isNeeded: true, detail: "file handles and names",
                        remedy: ""),
                    .init(
                        name: "tracefs", isAvailable: false, isNeeded: needsTracefs, detail: "not mounted",
                        remedy: "mount -t tracefs tracefs /sys/kernel/tracing"),
                ], kernel: "6.1.0"))
    }

    @Test func table() {
        let report = report(needsTracefs: false)
        #expect(report.isSufficient)
        #expect(
            report.table(width: 80) == """
                kernel 6.1.0

                FEATURE   STATE  DETAIL
                fanotify  yes    file handles and names
                tracefs   no     not mounted

                tracefs:
                  mount -t tracefs tracefs /sys/kernel/tracing

                retinued can run here.

                """)
    }

    @Test func aNeededThingThatIsMissing() {
        let report = report(needsTracefs: true)
        #expect(!report.isSufficient)
        #expect(report.table(width: 80).contains("tracefs   MISSING  not mounted"))
        #expect(report.table(width: 80).hasSuffix("retinued cannot run here as it is.\n"))
    }

    @Test func json() throws {
        let value = try JSONValue(parsing: report(needsTracefs: true).json)
        #expect(value["sufficient"] == .boolean(false))
        #expect(value["kernel"]?.string == "6.1.0")
        let second = try #require(value["findings"]?.array?.last)
        #expect(second["name"]?.string == "tracefs")
        #expect(second["needed"] == .boolean(true))
        #expect(second["available"] == .boolean(false))
        #expect(second["remedy"]?.string == "mount -t tracefs tracefs /sys/kernel/tracing")
    }
}
