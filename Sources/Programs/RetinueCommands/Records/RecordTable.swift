import Records

/// Records as a table.
struct RecordTable {
    /// Sorted.
    let rows: [RecordRow]
    /// When the dump was taken, nanoseconds since 1970: times of that day are shown without the date.
    let time: UInt64

    /// Six columns, cut to a width.
    func text(width: Int) -> String {
        var table = TextTable([
            .init(title: "PROGRAM", cut: .start), .init(title: "RELATION"), .init(title: "HOW"),
            .init(title: "OBJECT", cut: .start), .init(title: "COUNT", isNumber: true), .init(title: "LAST"),
        ])
        for row in rows {
            // Of a path the end tells most, of a connection the address that comes first.
            let relation = row.record.key.relation
            let isPath = relation == .file || relation == .spawn
            table.add([
                .init(text: row.program), .init(text: row.relation), .init(text: row.manner),
                .init(text: row.object, cut: isPath ? .start : .end),
                .init(text: String(row.record.count)), .init(text: moment(row.record.last)),
            ])
        }
        return table.text(width: width)
    }

    /// All that is known, uncut.
    var wideText: String {
        var table = TextTable([
            .init(title: "EXECUTABLE"), .init(title: "SCRIPT"), .init(title: "WORKLOAD"),
            .init(title: "RELATION"), .init(title: "HOW"), .init(title: "OBJECT"),
            .init(title: "COUNT", isNumber: true), .init(title: "SENT", isNumber: true),
            .init(title: "RECEIVED", isNumber: true), .init(title: "FIRST"), .init(title: "LAST"),
            .init(title: "EVIDENCE"),
        ])
        for row in rows {
            let record = row.record
            let hasTraffic = record.key.relation == .connect || record.key.relation == .accept
            table.add([
                row.executable, mark(row.script), mark(row.workload), row.relation, mark(row.manner),
                row.object, String(record.count), hasTraffic ? String(row.traffic.sent) : "-",
                hasTraffic ? String(row.traffic.received) : "-", Timestamp.text(record.first),
                Timestamp.text(record.last), record.evidence.word.description,
            ])
        }
        return table.text(width: nil)
    }

    /// An empty cell would shift the columns of whoever splits at spaces.
    private func mark(_ text: String) -> String { text.isEmpty ? "-" : text }

    private func moment(_ time: UInt64) -> String {
        let text = Timestamp.text(time)
        let isToday = text.prefix(10) == Timestamp.text(self.time).prefix(10)
        return String(isToday ? text.dropFirst(11).prefix(8) : text.prefix(10))
    }
}
