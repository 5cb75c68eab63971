import Records
import Text

/// A line of the screen, as wide as the screen.
struct ScreenLine: Equatable {
    enum Style { case plain, title, header, selected, new, bad }
    var text: String
    var style = Style.plain

    /// A text in just so many columns.
    init(_ text: String, _ width: Int, _ style: Style = .plain) {
        let cut = text.cut(.end, to: width)
        self.text = cut + String(repeating: " ", count: max(width - cut.displayWidth, 0))
        self.style = style
    }
}

/// What is on the screen, and what keys do to it. It knows no terminal.
struct TopView {
    enum Page: Equatable {
        case programs
        /// What one program depends on, the newest first.
        case program(ProgramID)
        case help
    }

    private(set) var page = Page.programs
    private(set) var order: TopOrder
    private(set) var filter: String
    /// Whether keys go into the filter.
    private(set) var isTyping = false
    /// The program that is selected; where it is gone, the place at which it was.
    private var selected: ProgramID?
    private var place = 0
    /// The first row that is shown of programs, and of one program's dependencies or the help.
    private var scroll = 0
    private var pageScroll = 0
    /// Rows that the last picture had room for.
    private var room = 1
    private let interval: Double

    init(order: TopOrder, filter: String, interval: Double) {
        (self.order, self.filter, self.interval) = (order, filter, interval)
    }

    // MARK: Keys

    /// Does what a key stands for; returns whether to go on.
    mutating func press(_ key: TopKey, _ model: borrowing TopModel) -> Bool {
        if isTyping {
            type(key)
            return true
        }
        switch key {
        case .character("q"): return false
        case .character("h"), .character("?"): open(page == .help ? .programs : .help)
        case .escape, .backspace:
            if page == .programs { filter = "" }
            open(.programs)
        case .enter where page == .programs:
            if let selected = selection(shown(model))?.program { open(.program(selected)) }
        case .character("/") where page == .programs: isTyping = true
        case .character("s") where page == .programs: turn(by: 1)
        case .character("S") where page == .programs: turn(by: TopOrder.allCases.count - 1)
        case .up, .character("k"): move(by: -1, model)
        case .down, .character("j"): move(by: 1, model)
        case .pageUp: move(by: -room, model)
        case .pageDown, .character(" "): move(by: room, model)
        case .home: move(by: -1 << 30, model)
        case .end: move(by: 1 << 30, model)
        case .character(let letter) where page == .programs:
            if let order = Self.letters[letter] { self.order = order }
        default: break
        }
        return true
    }

    /// The keys that sort, as the help has them.
    private static let letters: [Character: TopOrder] = [
        "p": .program, "w": .workload, "o": .opens, "c": .connections, "r": .records, "n": .new, "l": .lost,
    ]

    private mutating func open(_ page: Page) {
        self.page = page
        pageScroll = 0
    }

    private mutating func turn(by steps: Int) {
        let all = TopOrder.allCases
        order = all[((all.firstIndex(of: order) ?? 0) + steps) % all.count]
    }

    private mutating func type(_ key: TopKey) {
        switch key {
        case .enter: isTyping = false
        case .escape:
            isTyping = false
            filter = ""
        case .backspace: if !filter.isEmpty { filter.removeLast() }
        case .character(let character) where filter.utf8.count < 200: filter.append(character)
        default: break
        }
        // The first that matches.
        (selected, place) = (nil, 0)
    }

    private mutating func move(by steps: Int, _ model: borrowing TopModel) {
        guard page == .programs else {
            pageScroll = max(pageScroll + steps, 0)
            return
        }
        let rows = shown(model)
        guard !rows.isEmpty else { return }
        let present = rows.firstIndex { $0.program == selected } ?? min(place, rows.count - 1)
        place = min(max(present + steps, 0), rows.count - 1)
        selected = rows[place].program
    }

    // MARK: Rows

    /// The rows that the filter lets through, sorted.
    func shown(_ model: borrowing TopModel) -> [TopModel.Row] {
        let wanted = filter.printable.lowercased()
        let rows = model.programs
        let meant =
            wanted.isEmpty
            ? rows : rows.filter { "\($0.name)\n\($0.workload)".lowercased().contains(wanted) }
        return order.sorted(meant)
    }

    private func selection(_ rows: [TopModel.Row]) -> TopModel.Row? {
        rows.first { $0.program == selected } ?? (rows.isEmpty ? nil : rows[min(place, rows.count - 1)])
    }

    static let columns: [(title: String, order: TopOrder)] = [
        ("OPENS", .opens), ("CONNS", .connections), ("RECORDS", .records), ("NEW", .new), ("LOST", .lost),
    ]

    static func numbers(_ row: TopModel.Row) -> [String] {
        [short(row.opens), short(row.connections), short(row.records), short(row.new), short(row.lost)]
    }

    /// A number in at most six columns; what is cut off of it is less than a thousandth part.
    static func short(_ number: some BinaryInteger) -> String {
        var value = UInt64(clamping: number)
        for unit in ["", "k", "M", "G", "T", "P"] {
            if value < (unit.isEmpty ? 1_000_000 : 100_000) { return "\(value)\(unit)" }
            value /= 1000
        }
        return "\(value)E"
    }

    // MARK: The picture

    /// Exactly `height` lines of exactly `width` columns; `now` is nanoseconds since 1970.
    mutating func lines(_ model: borrowing TopModel, width: Int, height: Int, now: UInt64) -> [ScreenLine] {
        let (width, height) = (max(width, 1), max(height, 1))
        var head = [ScreenLine(title(model, now), width, .title)]
        let trouble = trouble(model)
        if height > 3, let trouble { head.append(ScreenLine(trouble, width, .bad)) }
        let foot = height > 2 ? [ScreenLine(hint, width, .header)] : []
        // One for the names of the columns.
        room = max(height - head.count - foot.count - 1, 0)
        var body: [ScreenLine]
        switch page {
        case .programs: body = programs(model, width)
        case .program(let program): body = dependencies(of: program, model, width)
        case .help: body = help(width)
        }
        body = Array(body.prefix(height - head.count - foot.count))
        while head.count + body.count + foot.count < height { body.append(ScreenLine("", width)) }
        return Array((head + body + foot).prefix(height))
    }

    private func title(_ model: borrowing TopModel, _ now: UInt64) -> String {
        let time = Timestamp.text(now).dropFirst(11).prefix(8)
        guard model.isFilled else { return "retinue \(time)  waiting for the daemon" }
        return "retinue \(time)  \(model.header.hostName.printable)  "
            + "\(Quantity.counted(model.recordCount, "record")) of \(Quantity.counted(model.programs.count, "program"))"
    }

    /// What is not as it should be; `nil` if nothing is.
    private func trouble(_ model: borrowing TopModel) -> String? {
        if let absence = model.absence { return "no answer: \(absence.printableOnce)" }
        var parts = model.losses.map { "\($0.source) \(Quantity.grouped($0.lost))" }
        if model.gapCount > 0 { parts.append(Quantity.counted(model.gapCount, "gap")) }
        let lost = parts.isEmpty ? nil : "lost: " + parts.joined(separator: ", ")
        return [model.missed, lost].compactMap { $0 }.joined(separator: "; ").nonEmpty
    }

    private var hint: String {
        if isTyping { return "filter: \(filter.printable)_" }
        switch page {
        case .programs:
            let filter = filter.isEmpty ? "" : "  filter \(filter.printable)"
            return "q quit  h help  s sort (\(order.rawValue))  / filter  Enter open\(filter)"
        case .program: return "q quit  h help  Esc back"
        case .help: return "q quit  Esc back"
        }
    }

    /// How wide program and workload are where so much is left for both; a workload of less than ten columns says nothing.
    private static func split(_ left: Int) -> (program: Int, workload: Int) {
        let workload = left >= 32 ? left * 2 / 5 : 0
        return (max(left - workload - (workload > 0 ? 2 : 0), 0), workload)
    }

    private func line(_ name: String, _ workload: String, _ numbers: [String], _ width: Int) -> String {
        let digits = 7
        // The last columns go first where there is no room.
        let shown = numbers.prefix(max((width - 12) / (digits + 1), 0))
        let (program, place) = Self.split(width - shown.count * (digits + 1))
        func field(_ text: String, _ width: Int) -> String {
            ScreenLine(text.cut(.start, to: width), width).text
        }
        var text = field(name, program)
        if place > 0 { text += "  " + field(workload, place) }
        for number in shown {
            text += " " + String(repeating: " ", count: max(digits - number.displayWidth, 0)) + number
        }
        return text
    }

    private mutating func programs(_ model: borrowing TopModel, _ width: Int) -> [ScreenLine] {
        let rows = shown(model)
        let selection = selection(rows)?.program
        let index = rows.firstIndex { $0.program == selection } ?? 0
        if !rows.isEmpty { (selected, place) = (selection, index) }
        if index < scroll { scroll = index }
        if room > 0, index >= scroll + room { scroll = index - room + 1 }
        scroll = max(min(scroll, rows.count - room), 0)
        var lines = [
            ScreenLine(line("PROGRAM", "WORKLOAD", Self.columns.map(\.title), width), width, .header)
        ]
        for row in rows.dropFirst(scroll).prefix(room) {
            let text = line(row.name, row.workload, Self.numbers(row), width)
            let style: ScreenLine.Style = row.program == selection ? .selected : row.lost > 0 ? .bad : .plain
            lines.append(ScreenLine(text, width, style))
        }
        if rows.isEmpty, model.isFilled {
            lines.append(ScreenLine(filter.isEmpty ? "no records yet" : "no program matches", width))
        }
        return lines
    }

    private mutating func dependencies(
        of program: ProgramID, _ model: borrowing TopModel, _ width: Int
    ) -> [ScreenLine] {
        let row = model.row(of: program)
        let name = row.map { $0.workload.isEmpty ? $0.name : "\($0.name) in \($0.workload)" }
        var lines = [ScreenLine(name ?? "its records are gone", width, .header)]
        let positions = model.dependencies(of: program)
        pageScroll = max(min(pageScroll, positions.count - max(room, 1)), 0)
        for position in positions.dropFirst(pageScroll).prefix(room) {
            let row = RecordRow(position, in: model.ledger)
            let time = Timestamp.text(row.record.first).dropFirst(11).prefix(8)
            let mark = model.isNew(position) ? "+" : " "
            let words = [row.relation, row.manner].filter { !$0.isEmpty }.joined(separator: " ")
            let start = ScreenLine("\(mark) \(time) \(words)", 23).text
            let count = Self.short(row.record.count)
            // Of a path the end says most, of a connection the address that comes first.
            let isPath = row.record.key.relation == .file || row.record.key.relation == .spawn
            let room = max(width - 23 - 1 - count.count, 0)
            let object = ScreenLine(row.object.cut(isPath ? .start : .end, to: room), room).text
            lines.append(
                ScreenLine("\(start)\(object) \(count)", width, model.isNew(position) ? .new : .plain))
        }
        return lines
    }

    private mutating func help(_ width: Int) -> [ScreenLine] {
        let texts = [
            "", "s S        sort by the next column, the one before",
            "p w o c    sort by program, workload, opens, connections",
            "r n l      sort by records, new ones, ones with loss",
            "/          filter by a part of program or workload; Enter keeps, Esc ends it",
            "Enter      what the selected program depends on, the newest first; + is new",
            "Up Down PgUp PgDn Home End, j k Space   move", "Esc        back", "q          quit", "",
            "OPENS and CONNS count observations, RECORDS dependencies. NEW are those",
            "that came within the window, LOST those of which something was lost:",
            "bytes not all counted, paths not kept one by one.",
            "The daemon is asked every \(Quantity.decimal(interval)) s.",
        ]
        pageScroll = max(min(pageScroll, texts.count - max(room, 1)), 0)
        return [ScreenLine("KEYS", width, .header)]
            + texts.dropFirst(pageScroll).map { ScreenLine($0, width) }
    }
}

extension String {
    fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
