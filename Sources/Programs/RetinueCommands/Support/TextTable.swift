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
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

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
        append(columns.map { Cell(text: $0.title) }, widths, to: &text)
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
            line += column.isNumber ? padding + cell : cell + padding
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
