import ArgumentParser
import Control
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

    @Test(arguments: [[], ["--older-than", "soon"], ["--path", ""], [""]])
    func whatIsRefused(arguments: [String]) {
        #expect(throws: (any Error).self) { try ForgetCommand.parse(arguments) }
    }
}
