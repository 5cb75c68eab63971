import Records
import Testing

@testable import MoveAgent

@Suite("Settings and clocks of two hosts")
struct HostSettingsTests {
    private func settings(_ values: [String: String]) -> HostSettings {
        var settings = HostSettings()
        settings.values = values
        return settings
    }

    @Test func thisHostsAreRead() {
        let here = HostSettings.here()
        #expect(here.values["vm.max_map_count"].flatMap(Int.init) != nil)
        #expect(here.values["kernel.sem"]?.split(separator: " ").count == 4)
        #expect(here.clock > 1_700_000_000_000_000_000)
        #expect(here.differences(from: here) == [])
        #expect(HostSettings(here.value) == here)
    }

    @Test func aLowerLimitIsNamedAndAHigherOneIsNot() {
        let here = settings(["vm.max_map_count": "262144", "kernel.sem": "250 32000 32 128"])
        #expect(here.differences(from: settings(["vm.max_map_count": "262144"])) == [])
        #expect(
            here.differences(
                from: settings(["vm.max_map_count": "300000", "kernel.sem": "250 64000 32 128"])) == [])
        #expect(
            here.differences(from: settings(["vm.max_map_count": "65530", "kernel.sem": "250 32000 32 100"]))
                == [
                    "kernel.sem is 250 32000 32 100 there, 250 32000 32 128 here",
                    "vm.max_map_count is 65530 there, 262144 here",
                ])
        // Beyond what a signed number has, as kernel.shmmax is.
        #expect(
            settings(["kernel.shmmax": "18446744073692774399"]).differences(
                from: settings(["kernel.shmmax": "33554432"])
            ).count == 1)
    }

    @Test func aModeThatDiffersIsNamedEitherWay() {
        let (one, other) = (settings(["vm.overcommit_memory": "0"]), settings(["vm.overcommit_memory": "2"]))
        #expect(one.differences(from: other) == ["vm.overcommit_memory is 2 there, 0 here"])
        #expect(other.differences(from: one) == ["vm.overcommit_memory is 0 there, 2 here"])
    }

    @Test(arguments: ["", "a\u{1b}[2J", "1; reboot", "1 2 x", String(repeating: "1 ", count: 100)])
    func wordsOfAnotherHostAreNumbersOrNothing(_ text: String) {
        let value = JSONValue.object([
            .init("sysctls", .object([.init("vm.max_map_count", .string(text))])),
            .init("clock_ns", .integer(-1)),
        ])
        #expect(HostSettings(value) == HostSettings())
        #expect(HostSettings(.null) == HostSettings())
    }

    @Test(arguments: [
        (10_000, 10_000, 10_000, nil), (11_999, 10_000, 12_000, nil), (12_100, 10_000, 10_000, "2.1 s ahead"),
        // The question took 4 s: the answer is of some moment of them.
        (14_500, 10_000, 14_000, nil), (15_200, 10_000, 14_000, "1.2 s ahead"),
        (7_000, 10_000, 10_000, "3.0 s behind"), (0, 10_000, 10_000, nil), (20_000, 10_000, 9_000, nil),
    ]) func clocks(_ there: UInt64, _ before: UInt64, _ after: UInt64, _ words: String?) {
        let million: UInt64 = 1_000_000
        let found = HostSettings.clockDifference(
            there: there * million, before: before * million, after: after * million)
        #expect(found == words.map { "the clock there is \($0)" })
    }

    @Test func aClockThatIsNoTime() {
        #expect(HostSettings.clockDifference(there: .max, before: 0, after: 1)?.hasSuffix("ahead") == true)
    }
}
