import MoveGroup
import Records

/// What a table in CSV says: a dependency list of four or nine columns, or a group (`retinue group --format csv`).
enum TableFacts {
    /// Which columns say what a row is about; the others say something about that.
    private static let identifying: Set<String> = [
        "host A", "path A", "relation", "host B", "path B", "host", "kind", "path", "workload",
    ]
    private static let measuring: Set<String> = ["count", "first", "last", "distance"]

    static func facts(parsing bytes: [UInt8], name: String) throws -> [Fact] {
        var facts: [Fact] = []
        var columns: [String] = []
        try CSVRows.each(in: bytes, of: name) { number, fields in
            if number == 1 {
                columns = fields.map { String(decoding: $0, as: UTF8.self) }
                if isTitle(columns) { return }
                // The line with the names of the columns is optional.
                guard let names = defaultColumns(fields.count) else {
                    throw Failure(
                        "\(name.printable) has \(fields.count) columns, where a list has four or nine",
                        status: ExitStatus.badInput)
                }
                columns = names
            }
            guard fields.count == columns.count else {
                throw Failure(
                    "\(name.printable), row \(number): \(fields.count) columns instead of \(columns.count)",
                    status: ExitStatus.badInput)
            }
            facts.append(fact(columns, fields))
        }
        return facts
    }

    private static func isTitle(_ columns: [String]) -> Bool {
        columns.starts(with: ["host", "kind", "path", "workload"])
            || columns.starts(with: ["host A", "path A"])
    }

    private static func defaultColumns(_ count: Int) -> [String]? {
        switch count {
        case 4: WideRow.fourColumns
        case 9: WideRow.columns
        default: nil
        }
    }

    private static func fact(_ columns: [String], _ fields: [[UInt8]]) -> Fact {
        let cells = Array(zip(columns, fields))
        func text(_ name: String) -> String {
            cells.first { $0.0 == name }.map { Printable.text($0.1) } ?? ""
        }
        var fact = Fact(
            members: cells.filter { identifying.contains($0.0) }.map { (name: $0.0, value: $0.1) }, text: "")
        if columns.first == "host" {
            fact.text =
                "\(text("host")):\(text("path"))" + (text("workload").isEmpty ? "" : "@" + text("workload"))
            // Everything behind the first four columns is why it is there.
            fact.measures = cells.dropFirst(4).map { ($0.0, Printable.text($0.1)) }
            if columns.contains("reason") {
                let via = text("via path").isEmpty ? "" : " \(text("via host")):\(text("via path"))"
                fact.why = text("reason") + via
            }
        } else {
            let relation = text("relation").isEmpty ? "->" : text("relation")
            fact.text = "\(text("host A")):\(text("path A")) \(relation) \(text("host B")):\(text("path B"))"
            fact.traits = cells.filter { $0.0 == "access" }.map { ($0.0, Printable.text($0.1)) }
            fact.measures = cells.filter { measuring.contains($0.0) }.map { ($0.0, Printable.text($0.1)) }
            let parts = [
                text("access"), text("count").isEmpty ? "" : text("count") + " times", text("first"),
            ]
            fact.why = parts.filter { !$0.isEmpty }.joined(separator: ", ")
        }
        return fact
    }
}
