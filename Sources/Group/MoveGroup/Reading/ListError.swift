/// A dependency list that cannot be read: the line, and what is wrong with it.
public struct ListError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// Neither four nor nine columns, or not as many as the lines before.
        case columns(Int, expected: Int?)
        /// A quoted field that does not end, or goes on behind its end.
        case quoting
        /// The last line has no end: the rest of the file may be missing.
        case cutOff
        /// A word, number, time or address that means nothing in this column.
        case field(column: String, value: String)
        /// A line of more bytes than the reader takes.
        case tooLong(limit: Int)
    }

    /// The line on which the row begins, from 1.
    public var line: Int
    /// What is wrong.
    public var reason: Reason

    /// Describes what is wrong with a line.
    public init(_ reason: Reason, line: Int) {
        self.reason = reason
        self.line = line
    }

    /// A sentence that begins with the line.
    public var description: String {
        switch reason {
        case .columns(let count, let expected?):
            "line \(line): \(count) columns, where the lines before have \(expected)"
        case .columns(let count, nil):
            "line \(line): \(count) columns; a dependency list has four or nine"
        case .quoting: "line \(line): a quoted field that does not end as it should"
        case .cutOff: "line \(line): the last line has no end; the file may have been cut off"
        case .field(let column, let value): "line \(line): \(column) cannot be \"\(value)\""
        case .tooLong(let limit): "line \(line): longer than \(limit) bytes"
        }
    }
}
