import Testing

@testable import RetinueCommands

@Suite struct DisplayWidthTests {
    @Test func widths() {
        #expect("abc".displayWidth == 3)
        #expect("漢字".displayWidth == 4)
        #expect("e\u{301}".displayWidth == 1)
        #expect("/usr/lib/x".cut(.start, to: 6) == "…lib/x")
        #expect("/usr/lib/x".cut(.end, to: 6) == "/usr/…")
        #expect("漢字漢字".cut(.end, to: 4) == "漢…")
        #expect("abc".cut(.end, to: 3) == "abc")
        #expect("abc".cut(.end, to: 1) == "…")
        #expect("abc".cut(.end, to: 0) == "")
    }
}
