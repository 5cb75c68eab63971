import Glibc
import MoveGroup
import Records

/// The rows of a small table in CSV (RFC 4180).
enum CSVRows {
    /// Lends each row with the number of the row, from 1; empty lines are none.
    static func each(
        in bytes: [UInt8], of name: String, _ body: (_ number: Int, _ fields: [[UInt8]]) throws -> Void
    ) throws {
        let text = bytes.last == 0x0a ? bytes : bytes + [0x0a]
        try text.withUnsafeBytes { text in
            var row = WideRow()
            var (offset, line, number) = (0, 1, 0)
            while offset < text.count {
                let rest = UnsafeRawBufferPointer(rebasing: text[offset...])
                let end = rest.firstIndex(of: 0x0a) ?? rest.count
                guard case .row(let used, let lines) = row.split(rest, firstEnd: end) else {
                    throw Failure(
                        "\(name.printable), line \(line): no row of CSV", status: ExitStatus.badInput)
                }
                offset += used
                line += lines
                if row.isBlank { continue }
                number += 1
                try body(number, (0..<row.count).map { Array(row.field($0)) })
            }
        }
    }
}
