import Glibc
import Records

/// Reads a dependency list, piece by piece, into a graph.
///
/// A list is CSV (RFC 4180) of four columns, host A, path A, host B, path B, as the method was published, or
/// of the nine of docs/record-format.md. A first line with the columns' names may be there. Bytes are taken
/// as they are; no input makes it trap. Every line ends with LF: a last one without is taken for cut off.
public struct ListReader: ~Copyable {
    /// What to do with a line that cannot be read.
    public enum Strictness: Sendable {
        /// Throw.
        case strict
        /// Leave it out and count it.
        case lenient
    }

    /// The line that could not be read first, if lines were skipped.
    public private(set) var firstSkipped: ListError?
    private let source: UInt16
    private let strictness: Strictness
    let lineLimit: Int
    /// The start of a row whose end has not come yet.
    private var rest: [UInt8] = []
    private var line = 1
    private var columns = 0
    private var rows = 0
    /// Lines that could not be read and were left out.
    public private(set) var skipped = 0
    private var hostCache = HostCache()
    private var wide = WideRow()
    private var batch = RowBatch()
    private var times = (first: TimeReader(), last: TimeReader())
    /// Whether plain rows are recognised; otherwise each takes the way that any row can take.
    var distinguishesPlainRows = true

    /// Begins a list.
    ///
    /// - Parameters:
    ///   - name: what to call the input in messages.
    ///   - lineLimit: the longest row in bytes; a longer one is an error, and not kept.
    public init(
        _ name: String, into builder: inout GraphBuilder, strictness: Strictness = .strict,
        lineLimit: Int = 16 << 20
    ) {
        source = builder.begin(name)
        self.strictness = strictness
        self.lineLimit = lineLimit
    }

    /// Says how long the list is, so that tables need not grow while it is read; after some of it has been.
    public mutating func expect(bytes: Int, read: Int, into builder: inout GraphBuilder) {
        guard read > 0, rows > 0 else { return }
        let expected = Int(Double(bytes) / Double(read) * Double(rows) * 1.02)
        builder.edges.reserve(builder.edges.count + expected - rows)
        builder.nodes.reserve(
            nodes: builder.nodes.count + min(expected, expected * builder.nodes.count / rows))
    }

    /// Whether the rows so far have four columns.
    var isFourColumns: Bool { columns == 4 }

    /// Whether no row has begun of which the end has not come yet.
    var isBetweenRows: Bool { rest.isEmpty }

    /// Begins with a list whose first row is not fed.
    mutating func begin(_ columns: Int, into builder: inout GraphBuilder) {
        self.columns = columns
        if columns == 4 { builder.hasEntries = true }
    }

    /// Counts the rows of a list of which some were not fed.
    mutating func countAll(_ all: Int) { rows = all }

    /// Counts rows that were taken on two threads.
    mutating func count(_ more: Int) {
        rows += more
        line += more
    }

    /// Takes the next piece, which may end anywhere.
    public mutating func feed(
        _ piece: UnsafeRawBufferPointer, into builder: inout GraphBuilder
    ) throws(ListError) {
        guard let base = piece.baseAddress, !piece.isEmpty else { return }
        var start = 0
        if !rest.isEmpty {
            // Completes the row that the last piece began, in most cases with its next LF.
            guard let end = memchr(base, 0x0a, piece.count) else { return try keep(piece) }
            start = base.distance(to: UnsafeRawPointer(end)) + 1
            rest.append(contentsOf: piece[..<start])
            if try takeRest(&builder) == 0 {
                // It goes on behind that, inside quotes. Trying every LF would take the square of its length.
                rest.append(contentsOf: piece[start...])
                start = piece.count
                let used = try takeRest(&builder)
                rest.removeFirst(used)
                guard rest.count <= lineLimit else {
                    throw ListError(.tooLong(limit: lineLimit), line: line)
                }
                return
            }
            rest.removeAll()
        }
        start += try take(UnsafeRawBufferPointer(rebasing: piece[start...]), &builder)
        try keep(UnsafeRawBufferPointer(rebasing: piece[start...]))
    }

    /// Ends the list.
    public mutating func finish(into builder: inout GraphBuilder) throws(ListError) {
        builder.sources[Int(source)].rows = rows
        if !rest.isEmpty { try skip(ListError(.cutOff, line: line)) }
        builder.sources[Int(source)].skipped = skipped
    }

    /// Takes what is whole of the kept part; says how many bytes that were.
    private mutating func takeRest(_ builder: inout GraphBuilder) throws(ListError) -> Int {
        let joined = rest
        return try joined.withUnsafeBufferPointer { bytes throws(ListError) in
            try take(UnsafeRawBufferPointer(bytes), &builder)
        }
    }

    private mutating func keep(_ part: UnsafeRawBufferPointer) throws(ListError) {
        guard part.count <= lineLimit - rest.count else {
            throw ListError(.tooLong(limit: lineLimit), line: line)
        }
        rest.append(contentsOf: part)
    }

    private mutating func skip(_ error: ListError) throws(ListError) {
        guard strictness == .lenient else { throw error }
        skipped += 1
        if firstSkipped == nil { firstSkipped = error }
    }

    /// Takes every whole row; says how many bytes that were.
    private mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ builder: inout GraphBuilder
    ) throws(ListError) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        var start = 0
        hostCache.forget()
        while start < bytes.count {
            if columns == 4, distinguishesPlainRows,
                let row = PlainRow(base + start, available: bytes.count - start),
                row.lineEnd < lineLimit
            {
                take4(base + start, row, &builder)
                if batch.isFull { batch.flush(into: &builder) }
                rows += 1
                line += 1
                start += row.lineEnd + 1
                continue
            }
            if columns == 9, distinguishesPlainRows,
                let row = PlainNineRow(base + start, available: bytes.count - start), row.lineEnd < lineLimit,
                take9(base + start, row, &builder)
            {
                if batch.isFull { batch.flushNine(into: &builder) }
                rows += 1
                line += 1
                start += row.lineEnd + 1
                continue
            }
            guard let end = memchr(base + start, 0x0a, bytes.count - start) else { break }
            let length = (base + start).distance(to: UnsafeRawPointer(end))
            flush(&builder)
            hostCache.forget()
            guard let used = try takeAny(base + start, length, bytes.count - start, &builder) else {
                return start
            }
            start += used
        }
        flush(&builder)
        return start
    }

    private mutating func flush(_ builder: inout GraphBuilder) {
        if columns == 9 { batch.flushNine(into: &builder) } else { batch.flush(into: &builder) }
    }

    @inline(__always)
    private mutating func take4(
        _ row: UnsafeRawPointer, _ shape: PlainRow, _ builder: inout GraphBuilder
    ) {
        let from = hostCache.first(
            .entry,
            HostCache.Field(start: row, count: shape.first),
            HostCache.Field(start: row + shape.first + 1, count: shape.second - shape.first - 1), &builder)
        let to = hostCache.second(
            .entry,
            HostCache.Field(start: row + shape.second + 1, count: shape.third - shape.second - 1),
            HostCache.Field(start: row + shape.third + 1, count: shape.end - shape.third - 1), &builder)
        batch.append(from: from, to: to)
    }

    /// Takes a row of nine columns, or leaves everything as it is and returns `false` if the row says more than that
    /// two nodes depend on each other by their names, or is wrong.
    @inline(__always)
    private mutating func take9(
        _ row: UnsafeRawPointer, _ shape: PlainNineRow, _ builder: inout GraphBuilder
    ) -> Bool {
        guard
            let dependency = PlainDependency(row, shape, source, &times.first, &times.last),
            !builder.isOutside(dependency.detail.first, dependency.detail.last)
        else { return false }
        let from = hostCache.first(.program, shape.field(0, row), shape.field(1, row), &builder)
        let to = hostCache.second(dependency.otherKind, shape.field(4, row), shape.field(5, row), &builder)
        batch.append(from: from, to: to, dependency.mark, dependency.detail)
        return true
    }

    /// Takes a row of any form; `nil` if its end is not there. Otherwise says how many bytes it had.
    private mutating func takeAny(
        _ row: UnsafeRawPointer, _ length: Int, _ available: Int, _ builder: inout GraphBuilder
    ) throws(ListError) -> Int? {
        let outcome = wide.split(UnsafeRawBufferPointer(start: row, count: available), firstEnd: length)
        let began = line
        switch outcome {
        case .unfinished: return nil
        case .malformed(let used, let lines):
            guard used <= lineLimit else { throw ListError(.tooLong(limit: lineLimit), line: began) }
            line += lines
            try skip(ListError(.quoting, line: began))
            return used
        case .row(let used, let lines):
            guard used <= lineLimit else { throw ListError(.tooLong(limit: lineLimit), line: began) }
            line += lines
            do throws(ListError) {
                try takeWide(began, &builder)
            } catch {
                try skip(error)
            }
            return used
        }
    }

    private mutating func takeWide(_ began: Int, _ builder: inout GraphBuilder) throws(ListError) {
        if wide.isBlank { return }
        if columns == 0 {
            guard wide.count == 4 || wide.count == 9 else {
                throw ListError(.columns(wide.count, expected: nil), line: began)
            }
            columns = wide.count
            if columns == 4 { builder.hasEntries = true }
            if wide.isTitle { return }
        }
        guard wide.count == columns else {
            throw ListError(.columns(wide.count, expected: columns), line: began)
        }
        do throws(WideRow.FieldError) {
            try wide.add(to: &builder, source)
        } catch {
            throw ListError(.field(column: error.column, value: error.value), line: began)
        }
        rows += 1
    }
}

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
