import ArgumentParser
import Control
import TestSupport
import Testing

@testable import RetinueCommands

@Suite struct ForgetTests {
    @Test(
        arguments: [
            ("1s", 1_000_000_000), ("15m", 900_000_000_000), ("2h", 7_200_000_000_000),
            ("10000d", 864_000_000_000_000_000),
        ] as [(String, UInt64)])
    func ages(text: String, nanoseconds: UInt64) { #expect(ForgetCommand.nanoseconds(text) == nanoseconds) }

    @Test(arguments: ["", "d", "1", "-1d", "1.5h", "1w", "10001d", "٣d", "99999999999999999999d", "1 d"])
    func noAges(text: String) { #expect(ForgetCommand.nanoseconds(text) == nil) }

    @Test(arguments: [
        [], ["--dry-run"], ["--older-than", "soon"], ["--path", ""], [""], ["--workload", "a\0b"],
        [String(repeating: "a", count: 4096)], ["a", "b"], ["a", "--older-than"],
    ])
    func whatIsRefused(arguments: [String]) {
        #expect(throws: (any Error).self) { try ForgetCommand.parse(arguments) }
    }

    @Test func theTextSaysHowManyOfEachKind() {
        let counts = [("file", 3), ("spawn", 0), ("ipc", 1)].map {
            ForgottenCount(relation: $0.0, records: $0.1)
        }
        #expect(ForgetCommand.text(counts, 4, isDryRun: false) == "4 records forgotten\n  file 3\n  ipc 1\n")
        #expect(ForgetCommand.text([], 1, isDryRun: true) == "1 record would be forgotten\n")
        #expect(
            ForgetCommand.text([ForgottenCount(relation: "\u{1b}[31m", records: 2)], 2, isDryRun: false)
                == "2 records forgotten\n  \\x1b[31m 2\n")
    }
}
