import Records
import Synchronization
import Testing
import Text

@testable import RetinueCommands

@Suite("top")
struct TopTests {
    private static let window: UInt64 = 60_000_000_000

    /// Three programs; of `/bin/c` something was lost.
    private func host() -> ChangingHost {
        var host = ChangingHost()
        host.open("/bin/a", "/etc/a", count: 3)
        host.open("/bin/a", "/etc/b", count: 4)
        host.open("/bin/b", "/etc/b", count: 100)
        let program = host.ledger.intern(
            Program(
                executable: host.ledger.texts.intern("/bin/c"), script: host.ledger.texts.intern("/opt/c.py"))
        )
        let remote = host.ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432))
        let position = host.ledger.note(
            .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .exact, time: host.time,
            count: 5)
        host.ledger.noteLowerBound(at: position)
        return host
    }

    private func cells(_ model: borrowing TopModel) -> [String] {
        TopCommand.table(TopOrder.program.sorted(model.programs)).text(width: nil)
            .split(separator: "\n").dropFirst().map { line in
                line.split(separator: " ").joined(separator: " ")
            }
    }

    @Test func countsWhatTheChangesSay() throws {
        var host = host()
        var model = TopModel(window: Self.window)
        try model.take(host.answer(after: 0))
        #expect(
            cells(model) == [
                "/bin/a a.service 7 0 2 2 0", "/bin/b a.service 100 0 1 1 0", "/opt/c.py - 0 5 1 1 1",
            ])
        #expect(model.recordCount == 4 && model.isFilled)
        // Changed, new, gone, and gone as the last of its program; a minute later.
        let seen = host.ledger.seal()
        host.time += 2 * Self.window
        host.open("/bin/a", "/etc/a", count: 10)
        host.open("/bin/a", "/etc/new")
        host.forget("/etc/b")
        try model.take(host.answer(after: seen))
        #expect(cells(model) == ["/bin/a a.service 14 0 2 1 0", "/opt/c.py - 0 5 1 0 1"])
        #expect(model.recordCount == 3)
        // What is gone comes again.
        let later = host.ledger.seal()
        host.open("/bin/a", "/etc/b", count: 2)
        try model.take(host.answer(after: later))
        #expect(cells(model) == ["/bin/a a.service 16 0 3 2 0", "/opt/c.py - 0 5 1 0 1"])
        // The same as whoever begins now sees, but for what is new.
        var fresh = TopModel(window: Self.window)
        try fresh.take(host.answer(after: 0))
        #expect(cells(fresh) == cells(model))
        model.age(to: host.time + Self.window)
        #expect(cells(model).first == "/bin/a a.service 16 0 3 0 0")
    }

    @Test func beginsAnewWhereTheRecordsAreOthers() throws {
        var first = host()
        var model = TopModel(window: Self.window)
        try model.take(first.answer(after: 0))
        var other = ChangingHost(numbering: 9)
        other.open("/bin/z", "/etc/z")
        let answer = try other.answer(after: 0)
        answer.isAnew = true
        answer.notes = [.back, .missed(cause: "others", from: 0, to: 1)]
        try model.take(answer)
        #expect(cells(model) == ["/bin/z a.service 1 0 1 1 0"])
        #expect(model.missed == "others")
    }

    @Test func sorts() throws {
        var host = host()
        var model = TopModel(window: Self.window)
        try model.take(host.answer(after: 0))
        func names(_ order: TopOrder) -> String {
            order.sorted(model.programs).map { String($0.name.last!) }.joined()
        }
        // c.py ends in y.
        #expect(names(.program) == "aby" && names(.workload) == "yab" && names(.opens) == "bay")
        #expect(names(.connections) == "yba" && names(.records) == "aby" && names(.new) == "aby")
        #expect(names(.lost) == "yba")
    }

    // MARK: Keys

    @Test func keysOfATerminal() {
        func keys(_ text: String) -> [TopKey] { TopKeys.keys(Array(text.utf8)) }
        #expect(keys("q/é") == [.character("q"), .character("/"), .character("é")])
        #expect(
            keys("\u{1b}[A\u{1b}OB\u{1b}[5~\u{1b}[6~\u{1b}[H\u{1b}[F") == [
                .up, .down, .pageUp, .pageDown, .home, .end,
            ])
        #expect(keys("\r\u{7f}\u{8}\u{1b}") == [.enter, .backspace, .backspace, .escape])
        #expect(keys("\u{1b}\u{1b}[A") == [.escape, .up])
        // A key that is not known, half a sequence, and what is no text are nothing.
        #expect(keys("\u{1b}[15;2~\u{1b}[1;5") == [] && keys("\u{3}\u{0}") == [])
        #expect(TopKeys.keys([0xff, 0x71]) == [.character("q")])
    }

    private func picture(
        _ view: inout TopView, _ model: borrowing TopModel, _ width: Int = 60, _ height: Int = 8
    ) -> [String] {
        view.lines(model, width: width, height: height, now: 1_795_226_400_000_000_000).map(\.text)
    }

    private func press(_ keys: String, _ view: inout TopView, _ model: borrowing TopModel) -> Bool {
        for key in TopKeys.keys(Array(keys.utf8)) where !view.press(key, model) { return false }
        return true
    }

    @Test func drawsTheProgramsAndOneOfThem() throws {
        var host = host()
        var model = TopModel(window: Self.window)
        var view = TopView(order: .opens, filter: "", interval: 2)
        #expect(picture(&view, model)[0].contains("waiting for the daemon"))
        try model.take(host.answer(after: 0))
        #expect(
            picture(&view, model)
                == [
                    "retinue 02:00:00  web1  4 records of 3 programs             ",
                    "PROGRAM                OPENS   CONNS RECORDS     NEW    LOST",
                    "/bin/b                   100       0       1       1       0",
                    "/bin/a                     7       0       2       2       0",
                    "/opt/c.py                  0       5       1       1       1",
                    "                                                            ",
                    "                                                            ",
                    "q quit  h help  s sort (opens)  / filter  Enter open        ",
                ])
        #expect(press("jj\r", &view, model))
        #expect(
            picture(&view, model).dropFirst().prefix(2) == [
                "/opt/c.py                                                   ",
                "+ 00:01:40 connect tcp 10.0.0.9:5432                       5",
            ])
        #expect(press("\u{1b}", &view, model) && view.page == .programs)
        #expect(press("k\r", &view, model))
        // What comes while the page is open stands first.
        let seen = host.ledger.seal()
        host.time += 1_000_000_000
        host.open("/bin/a", "/etc/late")
        try model.take(host.answer(after: seen))
        let lines = picture(&view, model)
        #expect(lines[1].hasPrefix("/bin/a in a.service"))
        #expect(lines[2].hasPrefix("+ 00:01:41 file r      /etc/late") && lines[3].contains("/etc/b"))
        #expect(press("?", &view, model) && view.page == .help)
        #expect(press("q", &view, model) == false)
    }

    @Test func sortsAndFiltersByKeys() throws {
        var host = host()
        var model = TopModel(window: Self.window)
        try model.take(host.answer(after: 0))
        var view = TopView(order: .new, filter: "", interval: 2)
        #expect(press("c", &view, model) && view.order == .connections)
        #expect(press("s", &view, model) && view.order == .records)
        #expect(press("SS", &view, model) && view.order == .opens)
        #expect(press("/C.Pq", &view, model) && view.isTyping && view.filter == "C.Pq")
        #expect(picture(&view, model)[2].hasPrefix("no program matches"))
        #expect(picture(&view, model).last?.hasPrefix("filter: C.Pq_") == true)
        #expect(press("\u{7f}\r", &view, model) && !view.isTyping)
        #expect(view.shown(model).map(\.name) == ["/opt/c.py"])
        // The filter takes the workload as well.
        #expect(press("\u{1b}", &view, model) && view.filter.isEmpty)
        #expect(press("/A.SERVICE\r", &view, model) && view.shown(model).count == 2)
    }

    /// The selection stays on its program while rows move, and the page follows it.
    @Test func scrollsWithTheSelection() throws {
        var host = ChangingHost()
        for number in 0..<50 { host.open("/bin/p\(number)", "/etc/a", count: UInt64(1000 - number)) }
        var model = TopModel(window: Self.window)
        try model.take(host.answer(after: 0))
        var view = TopView(order: .opens, filter: "", interval: 2)
        func selected() -> String? {
            let lines = view.lines(model, width: 60, height: 10, now: 0)
            let found = lines.filter { $0.style == .selected }
            return found.count == 1 ? found[0].text.split(separator: " ").first.map(String.init) : nil
        }
        #expect(selected() == "/bin/p0")
        #expect(press("\u{1b}[F", &view, model) && selected() == "/bin/p49")
        #expect(press("\u{1b}[5~", &view, model) && selected() == "/bin/p42")
        let seen = host.ledger.seal()
        host.open("/bin/p42", "/etc/a", count: 5000)
        try model.take(host.answer(after: seen))
        #expect(selected() == "/bin/p42")
        #expect(press("k", &view, model) && selected() == "/bin/p42", "it is the first now")
        #expect(press("j", &view, model) && selected() == "/bin/p0")
    }

    // MARK: Width

    /// Every window, down to one column and one line, with names that would steer the terminal or are wide.
    @Test func everyLineIsJustAsWideAsTheWindow() throws {
        var host = host()
        let hostile = String(
            decoding: SampleDump.hostileName.prefix { $0 < 0x80 || $0 != 0xff }, as: UTF8.self)
        host.open(hostile, hostile, count: .max)
        host.open("/srv/漢字/プログラム-with-a-name-that-is-long", "/srv/漢字/e\u{301}", count: 12_345_678)
        host.ledger.gaps.append(Gap(source: "fanotify", cause: hostile, from: 1, to: 2, lost: 3))
        var model = TopModel(window: Self.window)
        let answer = try host.answer(after: 0)
        answer.notes = [.away(reason: hostile, isFirst: true)]
        try model.take(answer)
        for keys in ["", "\r", "\u{1b}j\r", "\u{1b}?", "\u{1b}/漢\u{202e}"] {
            var view = TopView(order: .opens, filter: "", interval: 2)
            #expect(press(keys, &view, model))
            for width in 1...100 {
                for height in [1, 2, 3, 4, 5, 24] {
                    let lines = view.lines(model, width: width, height: height, now: 0)
                    #expect(lines.count == height)
                    for line in lines {
                        #expect(line.text.displayWidth == width, "\(width)x\(height): \(line.text)")
                        let isSafe = line.text.unicodeScalars.allSatisfy { scalar in
                            switch scalar.properties.generalCategory {
                            case .control, .format, .lineSeparator, .paragraphSeparator: false
                            default: true
                            }
                        }
                        #expect(isSafe, "\(line.text.debugDescription)")
                    }
                }
            }
        }
    }

    @Test func numbersFitTheirColumn() {
        let numbers: [UInt64] = [0, 999_999, 1_000_000, 99_999_999, 100_000_000, 123_456_789_012, .max]
        #expect(
            numbers.map { TopView.short($0) } == [
                "0", "999999", "1000k", "99999k", "100M", "123G",
                "18446P",
            ])
        #expect(numbers.allSatisfy { TopView.short($0).count <= 6 })
    }

    @Test func paintIsAllThatSteers() {
        let line = ScreenLine("漢字", 5, .selected)
        #expect(TerminalScreen.painted(line, false) == "\u{1b}[7m漢字 \u{1b}[0m")
        #expect(TerminalScreen.painted(ScreenLine("a", 2, .bad), false) == "a ")
        #expect(TerminalScreen.painted(ScreenLine("a", 2, .bad), true) == "\u{1b}[31ma \u{1b}[0m")
    }
}
