import MoveGroup

/// A move group for people.
struct GroupTable {
    private let report: GroupReport
    private let explain: Bool
    private let all: Bool

    init(_ report: GroupReport, explain: Bool, all: Bool) {
        self.report = report
        self.explain = explain
        self.all = all
    }

    func write(to output: Output) throws {
        let summary = report.summary(rowLimit: all ? nil : 50)
        try output.write(Paragraph.text(summary.heading, indent: 0, width: Terminal.width))
        if explain {
            try output.write("\n" + report.reasonLines(of: report.members).map { $0 + "\n" }.joined())
        } else {
            for host in summary.hosts { try output.write(text(host)) }
        }
        if let boundary = summary.boundary { try output.write(text(boundary)) }
        if let endpoints = summary.endpoints { try output.write(text(endpoints)) }
        if summary.warnings.isEmpty { return }
        let notes = summary.warnings.map { Paragraph.text("note: \($0)", indent: 0, width: Terminal.width) }
        try output.write("\n" + notes.joined())
    }

    private func text(_ section: GroupSummary.Section) -> String {
        var table = TextTable(
            section.columns.map { column in
                TextTable.Column(
                    title: column.title, isNumber: column.isNumber, cut: column.mayBeCut ? .end : nil)
            })
        for row in section.rows { table.add(row) }
        return "\n\(section.title)\n" + table.text(width: Terminal.width)
    }
}
