/// A dump that cannot be read: the line, and what is wrong with it.
public struct DumpError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// The line is not what the format says; offsets count from the start of the line.
        case content(JSONError)
        /// The first line is not a header, or there is no line at all.
        case noHeader
        /// A header that is not the first line: these are several dumps in one.
        case secondHeader
        /// A version of the format that this reader does not know.
        case schema(String)
        /// A line of more bytes than the reader takes.
        case tooLong(limit: Int)
        /// Not as many lines as the header says: the dump was cut off, or put together.
        case incomplete(promised: UInt64, found: UInt64)
        /// More bytes of names than a ledger holds (4 GiB).
        case tooMany
    }

    /// The line, from 1.
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
        case .content(let error): "line \(line): \(error)"
        case .noHeader: "line \(line): a dump starts with a header, and this is none"
        case .secondHeader: "line \(line): a second header; read one dump at a time"
        case .schema(let schema):
            "line \(line): unknown schema \(quoted(schema)); known are "
                + DumpVersion.allCases.map { quoted($0.rawValue) }.joined(separator: " and ")
        case .tooLong(let limit): "line \(line): longer than \(limit) bytes"
        case .incomplete(let promised, let found):
            "line \(line): the dump ends here behind \(found) lines, and its header promises "
                + "\(promised); it was cut off"
        case .tooMany: "line \(line): more than 4 GiB of names"
        }
    }
}
