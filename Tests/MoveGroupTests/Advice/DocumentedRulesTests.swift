import TestSupport
import Testing

@testable import MoveGroup

/// The table in docs/advice-format.md is what the code does.
@Suite("The documented rules of isolation")
struct DocumentedRulesTests {
    @Test func tableAndCodeAgree() throws {
        let page = String(
            decoding: try bytes(ofFile: packageFolder + "/docs/advice-format.md"), as: UTF8.self)
        var rows: [String: [String]] = [:]
        for line in page.split(separator: "\n") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
                String($0.drop { $0 == " " })
            }
            guard cells.count == 7 else { continue }
            for word in cells[1].split(separator: "`") { rows[String(word)] = Array(cells[3...5]) }
        }
        for kind in Use.Kind.allCases {
            let row = try #require(rows["\(kind.word)"], "\(kind.word) is not in the table")
            for candidate in IsolationAdvice.Candidate.allCases {
                let isRuledOut = IsolationRules.objection(to: candidate, Use(kind, .inside)) != nil
                #expect(
                    row[Int(candidate.rawValue)].hasPrefix("no ") == isRuledOut,
                    "\(kind.word), \(candidate.word)")
            }
        }
    }
}
