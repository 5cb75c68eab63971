import Foundation
import TestSupport
import Testing

/// The script behind `make test` that repeats at the end of a long log what failed.
@Suite("failures repeated")
struct TellFailuresTests {
    private func tell(_ log: String, status: Int32) throws -> (ending: Child.Ending, text: String) {
        try withTemporaryFolder { folder in
            try write(log, to: folder + "/log")
            let child = try Child([
                packageFolder + "/Tests/tell-failures", "sh", "-c", "cat \"$0\"; exit \(status)",
                folder + "/log",
            ])
            return (try child.wait(), child.outputText)
        }
    }

    @Test func successIsLeftAsItIs() throws {
        let log = "✔ Test one() passed after 0.001 seconds.\nerror: of a program under test\n"
        let answer = try tell(log, status: 0)
        #expect(answer.ending == .exited(0))
        #expect(answer.text == log)
    }

    @Test func issuesStandAtTheEndOnceMore() throws {
        let log = """
            ◇ Test one() started.
            ✘ Test one() recorded an issue at A.swift:1:1: Expectation failed: 1 == 2
            ↳ one is not two
            ✘ Test one() failed after 0.001 seconds with 1 issue.
            ◇ Test two(n:) started.
            ✔ Test two(n:) with 3 test cases passed after 0.001 seconds.
            ✘ Suite A failed after 0.001 seconds with 1 issue.
            ↳ /// What the suite is about.

            """
        let answer = try tell(log, status: 7)
        #expect(answer.ending == .exited(7))
        #expect(
            answer.text == log + """

                What failed:
                ✘ Test one() recorded an issue at A.swift:1:1: Expectation failed: 1 == 2
                ↳ one is not two

                """)
    }

    @Test func aCrashIsReportedWithTheTestThatItHitIn() throws {
        let log = """
            ◇ Test one() started.
            ✔ Test one() passed after 0.001 seconds.
            ◇ Test two(n:) started.
            ◇ Test case passing 1 argument n → 1 to two(n:) started.
            A/B.swift:3: Fatal error: Index out of range
            error: Exited with unexpected signal code 4

            """
        let answer = try tell(log, status: 1)
        #expect(answer.ending == .exited(1))
        #expect(
            answer.text == log + """

                What failed:
                A/B.swift:3: Fatal error: Index out of range
                error: Exited with unexpected signal code 4
                never ended: Test two(n:)

                """)
    }

    /// The runner's line about an argument that holds a NUL has no end.
    @Test func aLineThatAnotherOneRunsIntoHidesNothing() throws {
        let log = """
            ◇ Test one(n:) started.
            ◇ Test case passing 1 argument n → "✘ Test one(n:) recorded an issue at A.swift:1:1: 1 == 2
            ◇ Test two(n:) started.
            ◇ Test case passing 1 argument n → "✔ Test two(n:) with 1 test case passed after 1 seconds.

            """
        let answer = try tell(log, status: 1)
        #expect(
            answer.text == log + """

                What failed:
                ✘ Test one(n:) recorded an issue at A.swift:1:1: 1 == 2
                never ended: Test one(n:)

                """)
    }

    @Test func coloursHideNothing() throws {
        let issue = "Test one() recorded an issue at A.swift:1:1: 1 == 2\n"
        let answer = try tell("\u{1b}[91m✘\u{1b}[0m " + issue, status: 1)
        #expect(answer.text.hasSuffix("\nWhat failed:\n✘ " + issue))
    }

    @Test func aCommandThatDoesNotExistIsAFailure() throws {
        let child = try Child([packageFolder + "/Tests/tell-failures", "/nonexistent/command"])
        #expect(try child.wait() == .exited(127))
    }
}
