import Records

/// Rows under headings, fitted into a width by cutting the columns that may be cut.
struct TextTable {
    /// How a column is laid out.
    struct Column {
        var title: String
        var isNumber = false
        /// Which end of its texts goes when the table is too wide; `nil` if nothing of it may go.
        var cut: String.End?
    }

    /// A text in a column.
    struct Cell {
        let text: String
        /// Which end of it goes, if not the column's.
        var cut: String.End?
        /// What it means.
        var meaning: Palette.Meaning?
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []
    private let palette: Palette

    init(_ columns: [Column], _ palette: Palette = .none) {
        self.columns = columns
        self.palette = palette
    }

    /// Adds a row of texts that are fit for a terminal.
    mutating func add(_ row: [String]) { add(row.map { Cell(text: $0) }) }

    /// Adds a row of cells.
    mutating func add(_ row: [Cell]) {
        precondition(row.count == columns.count)
        rows.append(row)
    }

    /// The table as lines.
    ///
    /// - Parameter width: columns to keep within; `nil` for as many as it takes. Narrower than the
    ///   columns that cannot be cut it does not become.
    func text(width: Int?) -> String {
        let widths = widths(within: width)
        var text = ""
        append(columns.map { Cell(text: $0.title, meaning: .aside) }, widths, to: &text)
        for row in rows { append(row, widths, to: &text) }
        return text
    }

    private static let gap = 2
    /// Narrower than this no column is cut.
    private static let minimum = 8

    private func append(_ row: [Cell], _ widths: [Int], to text: inout String) {
        var line = ""
        for (index, column) in columns.enumerated() {
            let full = row[index].text
            let cell = column.cut.map { full.cut(row[index].cut ?? $0, to: widths[index]) } ?? full
            let padding = String(repeating: " ", count: max(widths[index] - cell.displayWidth, 0))
            let painted = palette.paint(cell, row[index].meaning)
            line += column.isNumber ? padding + painted : painted + padding
            line += String(repeating: " ", count: Self.gap)
        }
        while line.last == " " { line.removeLast() }
        text += line + "\n"
    }

    private func widths(within width: Int?) -> [Int] {
        var widths = columns.map { $0.title.displayWidth }
        for row in rows {
            for (index, cell) in row.enumerated() {
                widths[index] = max(widths[index], cell.text.displayWidth)
            }
        }
        guard let width else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * (columns.count - 1) - width
        // The widest gives first, until it is as wide as the next one, and so on.
        while excess > 0 {
            let candidates = columns.indices.filter { columns[$0].cut != nil && widths[$0] > Self.minimum }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            let next = candidates.map { widths[$0] }.filter { $0 < widths[widest] }.max() ?? Self.minimum
            let given = min(excess, max(widths[widest] - next, 1))
            // Equals give alike: one column at a time, or all of the excess where one is alone.
            let equals = candidates.filter { widths[$0] == widths[widest] }
            let step = equals.count > 1 ? 1 : given
            widths[widest] -= step
            excess -= step
        }
        return widths
    }
}

extension Unicode.Scalar {
    /// How many columns of a terminal it takes: 0, 1 or 2.
    var displayWidth: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return Self.wide.contains { $0.contains(value) } ? 2 : 1
        }
    }

    /// Blocks whose characters are wide (Unicode Standard Annex 11: W and F), coarsely.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xa960...0xa97f, 0xac00...0xd7a3,
        0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f,
        0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x20000...0x3fffd,
    ]
}

extension String {
    /// Columns of a terminal.
    var displayWidth: Int { unicodeScalars.reduce(0) { $0 + $1.displayWidth } }

    /// Which end of a text goes when it is too long.
    enum End { case start, end }

    /// The text in at most `width` columns, with an ellipsis where something went.
    func cut(_ end: End, to width: Int) -> String {
        guard displayWidth > width else { return self }
        guard width > 1 else { return width == 1 ? "…" : "" }
        var left = width - 1
        var kept = String.UnicodeScalarView()
        func take(_ scalar: Unicode.Scalar) -> Bool {
            left -= scalar.displayWidth
            return left >= 0
        }
        switch end {
        case .end:
            for scalar in unicodeScalars {
                guard take(scalar) else { break }
                kept.append(scalar)
            }
            return String(kept) + "…"
        case .start:
            for scalar in unicodeScalars.reversed() {
                guard take(scalar) else { break }
                kept.append(scalar)
            }
            return "…" + String(String.UnicodeScalarView(kept.reversed()))
        }
    }
}

/// Prose in lines that are not too long.
enum Paragraph {
    /// Breaks `text` at spaces; a word that is too long gets a line of its own.
    static func text(_ text: String, indent: Int, width: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let line = lines.last, line.displayWidth + 1 + String(word).displayWidth <= width - indent {
                lines[lines.count - 1] = line + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { margin + $0 + "\n" }.joined()
    }
}

extension String {
    /// The same as `printable`, of a text in which names are escaped already: a backslash stays one.
    var printableOnce: String {
        var text = ""
        for scalar in unicodeScalars {
            if scalar == "\\" { text += "\\" } else { Printable.append(scalar, to: &text) }
        }
        return text
    }

    /// The same text with everything escaped that could steer a terminal.
    var printable: String {
        var text = ""
        for scalar in unicodeScalars { Printable.append(scalar, to: &text) }
        return text
    }
}
