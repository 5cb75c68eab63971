import Testing

@testable import RetinueCommands

@Suite("Progress")
struct ProgressTests {
    /// A terminal and a clock that stands still unless moved.
    private final class Terminal {
        var now: UInt64 = 5_000_000_000
        var written: [String] = []

        func progress(total: UInt64, isShown: Bool = true) -> Progress {
            Progress(
                "work", total: total, isShown: isShown, clock: { self.now },
                write: { self.written.append($0) })
        }
    }

    @Test func saysNothingForASecondAndGoesAwayAtTheEnd() {
        let terminal = Terminal()
        do {
            var progress = terminal.progress(total: 4096)
            progress.update(10) { "a" }
            terminal.now += 999_999_999
            progress.update(20) { "b" }
            #expect(terminal.written.isEmpty)
            terminal.now += 1
            progress.update(1024) { "c" }
            progress.update(1025) { "too early" }
            terminal.now += 1_000_000_000
            progress.update(4096) { "d" }
        }
        let clear = "\r\u{1b}[K"
        #expect(
            terminal.written == [
                clear + "work: 25 %, 1.0 KiB/s, c", clear + "work: 100 %, 2.0 KiB/s, d", clear,
            ])
    }

    @Test func withoutATotalItCounts() {
        let terminal = Terminal()
        var progress = terminal.progress(total: 0)
        terminal.now += 2_000_000_000
        progress.update(1 << 20) { "x" }
        #expect(terminal.written == ["\r\u{1b}[Kwork: 1.0 MiB, 512.0 KiB/s, x"])
    }

    @Test func isSilentWhereThereIsNoTerminalAndWhenTheWorkIsShort() {
        let terminal = Terminal()
        do {
            var hidden = terminal.progress(total: 10, isShown: false)
            var short = terminal.progress(total: 10)
            short.update(10) { "x" }
            terminal.now += 2_000_000_000
            hidden.update(5) { "x" }
        }
        #expect(terminal.written.isEmpty)
    }
}
