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
            report.table(width: 80).hasPrefix(
                """
                kernel 6.1.0

                FEATURE   STATE  DETAIL
                fanotify  yes    file handles and names
                tracefs   no     not mounted

                tracefs:
                  mount -t tracefs tracefs /sys/kernel/tracing

                KNOWN
                """))
        #expect(report.table(width: 80).hasSuffix("\n\nretinued can run here.\n"))
    }

    /// What a kernel lacks is what its records are known less well by.
    @Test func modes() throws {
        func modes(_ available: Set<String>) -> [String: KernelProbe.Mode] {
            let findings = ["tracepoint ring", "control group moves", "ring loss count", "fuse on /mnt"].map {
                KernelProbe.Finding(
                    name: $0, isAvailable: available.contains($0), isNeeded: false, detail: "", remedy: "")
            }
            let modes = KernelProbe(findings: findings, kernel: "6.1.0").modes
            return Dictionary(uniqueKeysWithValues: modes.map { ($0.what, $0) })
        }
        let all = modes(["tracepoint ring", "control group moves", "ring loss count", "fuse on /mnt"])
        let none = modes([])
        let old = modes(["tracepoint ring", "control group moves", "fuse on /mnt"])
        #expect(all["TCP connections"]?.evidence == "exact" && all["TCP connections"]?.cost == "")
        #expect(none["TCP connections"]?.evidence == "snapshot, inferred")
        #expect(none["workloads of processes that are moved"]?.evidence == "snapshot")
        #expect(all["workloads of processes that are moved"]?.evidence == "exact")
        #expect(
            none["files"]?.cost.hasPrefix("1 filesystem is not watched") == true && all["files"]?.cost == "")
        #expect(old["lost connection events"]?.cost.isEmpty == false)
        let json = try JSONValue(parsing: report(needsTracefs: false).json)
        #expect(json["modes"]?.array?.count == 6)
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
