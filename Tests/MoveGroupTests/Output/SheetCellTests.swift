import MoveGroup
import Testing

@Suite("Cells of a spreadsheet")
struct SheetCellTests {
    private func cell(_ text: String) -> String {
        var out: [UInt8] = []
        Array(text.utf8).withUnsafeBytes { SheetCell.append($0, to: &out) }
        return String(decoding: out, as: UTF8.self)
    }

    @Test(arguments: [
        ("/usr/bin/a", "/usr/bin/a"), ("", ""), ("a=b", "a=b"), ("=1+1", "\\x3d1+1"), ("+1", "\\x2b1"),
        ("-1", "\\x2d1"), ("@a", "\\x40a"), ("\t=1", "\\x09=1"), ("\r=1", "\\x0d=1"), ("\\x3d", "\\x5cx3d"),
        ("=a,\"b\"", "\"\\x3da,\"\"b\"\"\""), (" =1", " =1"),
    ])
    func noneIsAFormula(text: String, expected: String) { #expect(cell(text) == expected) }

    /// Each cell says what the name is: no two names have the same one.
    @Test func namesStayApart() {
        var seen: [String: String] = [:]
        let letters = ["=", "\\", "x", "3", "d", "-"]
        for one in [""] + letters {
            for two in [""] + letters {
                for three in letters {
                    for four in ["", "d", "=", "\\"] {
                        let text = one + two + three + four
                        #expect(seen[cell(text)] == nil || seen[cell(text)] == text)
                        seen[cell(text)] = text
                    }
                }
            }
        }
    }
}
