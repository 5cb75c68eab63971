import Glibc

/// Reads a dump in the form `retinue/2` or `retinue/1`, piece by piece, so that a large file need not be in memory.
///
/// Unknown keys and unknown types of line are ignored, as are empty lines; everything else that the
/// format does not say is an error, after which the reader is of no more use. No input makes it trap.
/// ```
/// var reader = DumpReader()
/// while let piece = … { try reader.feed(piece) }
/// let dump = try reader.finish()
/// ```
public struct DumpReader: ~Copyable {
    /// The first line, once it has been read.
    public private(set) var header: DumpHeader?
    /// The version of the format, once the first line has been read.
    private var version = DumpVersion.written
    var ledger = Ledger()
    var names = NameBuffers()
    /// Records of files that are still to be put into the ledger, before any other record.
    var files = FileBatch()
    /// Lines by type, those that could not be read among them.
    private var found = DumpHeader.Contents()
    /// Lines that could not be read and were left out, since the reader is lenient.
    public private(set) var skipped = 0
    /// The first of them.
    public private(set) var firstSkipped: DumpError?
    /// Those of them of which not even the type could be read.
    private var unrecognised: UInt64 = 0
    private let lineLimit: Int
    private let isLenient: Bool
    /// The start of a line whose end has not come yet.
    private var rest: [UInt8] = []
    private var line = 0
    /// Bytes that were taken.
    private var position = 0
    /// Bytes of the whole dump, as long as no room has been made for it.
    private var expected: Int?
    /// How the line of a dependency starts that is spelled plainly, up to its program; empty before the header.
    private(set) var plainStart: [UInt8] = []
    var plainHead = PlainHead()
    /// A line that has no slack behind it, while it is read.
    private var padded: [UInt8] = []
    var knownPrograms = KnownObjects<ProgramID>()
    var knownEndpoints = KnownObjects<(endpoint: Endpoint, hasPort: Bool)>()
    var times = (first: TimeReader(), last: TimeReader())
    /// Whether plain lines are recognised; otherwise all are parsed.
    var distinguishesPlainLines = true

    /// Makes a reader at the start of a dump.
    ///
    /// - Parameters:
    ///   - lineLimit: the longest line in bytes; a longer one is an error, and not kept.
    ///   - isLenient: whether a line behind the header that cannot be read is counted and left out,
    ///     instead of an error.
    public init(lineLimit: Int = 16 << 20, isLenient: Bool = false) {
        self.lineLimit = lineLimit
        self.isLenient = isLenient
    }

    /// Says that the dump has so many bytes in all, so that room is made for it once; if it has more or less, no
    /// harm is done.
    public mutating func expect(bytes: Int) { expected = bytes }

    /// Once the first mebibyte has shown what the records are like.
    private mutating func makeRoom() {
        guard let bytes = expected, position >= 1 << 20, header != nil else { return }
        expected = nil
        flush()
        guard bytes > position, bytes < 1 << 40, !ledger.records.isEmpty else { return }
        func all(_ part: Int) -> Int { Int(Double(bytes) / Double(position) * Double(part) * 1.02) }
        ledger.reserve(records: min(all(ledger.records.count), 1 << 31))
        ledger.texts.reserve(texts: min(all(ledger.texts.count), 1 << 30), bytes: all(ledger.texts.byteCount))
    }

    /// Puts into the ledger what waits for it.
    mutating func flush() {
        if files.count > 0 { files.flush(into: &ledger) }
    }

    /// Takes the next piece, which may end anywhere.
    public mutating func feed(_ piece: UnsafeRawBufferPointer) throws(DumpError) {
        // What waits has its paths in the piece, which goes.
        defer { flush() }
        var start = 0
        let last = lastNewlineWithSlack(piece)
        while let base = piece.baseAddress {
            start = readPlainLines(piece, from: start, to: last)
            guard let newline = memchr(base + start, 0x0a, piece.count - start) else { break }
            let end = base.distance(to: UnsafeRawPointer(newline))
            try take(
                UnsafeRawBufferPointer(rebasing: piece[start..<end]), isWhole: true, mayBePlain: start > last)
            start = end + 1
        }
        try take(UnsafeRawBufferPointer(rebasing: piece[start...]), isWhole: false)
        position += piece.count
        if expected != nil { makeRoom() }
    }

    /// The last newline of a piece that has slack behind it; -1 for none.
    private func lastNewlineWithSlack(_ piece: UnsafeRawBufferPointer) -> Int {
        // Nor may a line be too long in it, or there be too many names.
        guard distinguishesPlainLines, piece.count > PlainLine.slack, piece.count <= lineLimit else {
            return -1
        }
        return UnsafeRawBufferPointer(rebasing: piece[..<(piece.count - PlainLine.slack)]).last(0x0a) ?? -1
    }

    /// Reads lines of dependencies as long as they are spelled plainly and start no later than at `last`, where a newline
    /// is; where it stopped.
    mutating func readPlainLines(_ piece: UnsafeRawBufferPointer, from start: Int, to last: Int) -> Int {
        // No line adds more than it has bytes.
        guard start <= last, let base = piece.baseAddress, header != nil, rest.isEmpty, hasRoom(piece.count)
        else { return start }
        var end = base + start
        var lines = 0
        while end <= base + last {
            var line = PlainLine(from: end, upTo: base + piece.count)
            guard readPlainDependency(&line) else { break }
            end = line.next
            lines += 1
        }
        line += lines
        found.dependencies += UInt64(lines)
        return base.distance(to: end)
    }

    /// Reads a line, which comes without its newline and without slack, if it is spelled plainly.
    mutating func readPlainLine(_ text: UnsafeRawBufferPointer) -> Bool {
        var bytes: [UInt8] = []
        swap(&bytes, &padded)
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: text)
        bytes.append(0x0a)
        bytes.append(contentsOf: repeatElement(0, count: PlainLine.slack))
        let isPlain = bytes.withUnsafeBytes { bytes in
            // What waits has its path here.
            defer { flush() }
            let start = bytes.baseAddress.unsafelyUnwrapped
            var line = PlainLine(from: start, upTo: start + bytes.count)
            return readPlainDependency(&line)
        }
        if bytes.capacity <= 1 << 16 { swap(&bytes, &padded) }
        return isPlain
    }

    private func hasRoom(_ bytes: Int) -> Bool {
        bytes <= Int(UInt32.max) - ledger.texts.byteCount - files.byteCount
    }

    /// Takes the next piece, given as an array.
    public mutating func feed(_ piece: [UInt8]) throws(DumpError) {
        try piece.withUnsafeBufferPointer { piece throws(DumpError) in
            try feed(UnsafeRawBufferPointer(piece))
        }
    }

    /// How many lines of the dump are not there, though its header promised them.
    public var missingLines: UInt64 {
        guard let promised = header?.contents else { return 0 }
        // Whatever a line was that is not understood, it is there.
        let total = found.total + unrecognised
        return promised.total > total ? promised.total - total : 0
    }

    /// Ends the dump; the last line need not end with a newline.
    public consuming func finish() throws(DumpError) -> DumpContents {
        if !rest.isEmpty { try take(UnsafeRawBufferPointer(start: nil, count: 0), isWhole: true) }
        guard let header else { throw DumpError(.noHeader, line: line + 1) }
        flush()
        if let problem = missing(header) { throw problem }
        return DumpContents(header: header, ledger: ledger)
    }

    /// What has been read is less, or more, than the header promised.
    private func missing(_ header: DumpHeader) -> DumpError? {
        guard !isLenient, let promised = header.contents, promised != found else { return nil }
        return DumpError(.incomplete(promised: promised.total, found: found.total), line: line)
    }

    private mutating func take(
        _ part: UnsafeRawBufferPointer, isWhole: Bool, mayBePlain: Bool = true
    ) throws(DumpError) {
        guard part.count <= lineLimit - rest.count else {
            throw DumpError(.tooLong(limit: lineLimit), line: line + 1)
        }
        if !isWhole || !rest.isEmpty { rest.append(contentsOf: part) }
        guard isWhole else { return }
        line += 1
        if rest.isEmpty {
            try read(part, mayBePlain)
            return
        }
        let joined = rest
        rest.removeAll(keepingCapacity: false)
        try joined.withUnsafeBufferPointer { bytes throws(DumpError) in
            try read(UnsafeRawBufferPointer(bytes), true)
        }
    }

    private mutating func read(_ text: UnsafeRawBufferPointer, _ mayBePlain: Bool) throws(DumpError) {
        if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { return }
        // No line adds more than it has bytes.
        guard hasRoom(text.count) else { throw DumpError(.tooMany, line: line) }
        if mayBePlain, distinguishesPlainLines, header != nil, readPlainLine(text) {
            found.dependencies += 1
            return
        }
        // What is not spelled plainly puts into the ledger what it has at once.
        flush()
        var isRecognised = false
        let kind: (type: String, schema: String?)
        do {
            kind = try JSONParser.lineKind(text)
            isRecognised = true
            switch kind.type {
            case "header": break
            case "dependency" where header != nil:
                found.dependencies += 1
                try readDependency(text, host: header?.hostID ?? "")
                return
            case "gap" where header != nil:
                found.gaps += 1
                ledger.gaps.append(try Gap(line: text, version))
                return
            case "process" where header != nil && version != .first:
                found.processes += 1
                ledger.processes.append(try ProcessDescription(line: text, host: header?.hostID ?? ""))
                return
            case "tombstone" where header != nil && version != .first:
                found.tombstones += 1
                try checkTombstone(text, host: header?.hostID ?? "")
                return
            default:
                var parser = JSONParser(text)
                try parser.skip()
                try parser.end()
            }
        } catch {
            try skip(DumpError(.content(error), line: line))
            if !isRecognised { unrecognised += 1 }
            return
        }
        if header != nil {
            if kind.type == "header" { try skip(DumpError(.secondHeader, line: line)) }
            return
        }
        guard kind.type == "header" else { throw DumpError(.noHeader, line: line) }
        guard let version = DumpVersion(rawValue: kind.schema ?? "") else {
            throw DumpError(.schema(kind.schema ?? ""), line: line)
        }
        self.version = version
        do {
            let header = try DumpHeader(line: text, version)
            plainStart = DumpLines.start(host: header.hostID)
            self.header = header
        } catch {
            throw DumpError(.content(error), line: line)
        }
    }

    /// Without a header nothing can be made of the other lines, however lenient the reader is.
    private mutating func skip(_ error: DumpError) throws(DumpError) {
        guard isLenient, header != nil else { throw error }
        skipped += 1
        if firstSkipped == nil { firstSkipped = error }
    }
}

extension JSONParser {
    /// The type of a line, which may stand anywhere in it, and of a header also the schema: what else
    /// may be looked at depends on them.
    fileprivate static func lineKind(
        _ text: UnsafeRawBufferPointer
    ) throws(JSONError) -> (type: String, schema: String?) {
        var parser = JSONParser(text)
        var type: String?
        var schema: String?
        try parser.beginObject()
        while let key = try parser.nextKey() {
            switch key {
            case "type": type = try parser.string()
            case "schema" where try parser.kind() == .string: schema = try parser.string()
            default: try parser.skip()
            }
            if let type, type != "header" || schema != nil { return (type, schema) }
        }
        guard let type else { throw JSONError(.missing(key: "type"), at: parser.offset) }
        return (type, schema)
    }
}

/// A dump read back: its header, and its dependencies and gaps as a ledger.
///
/// The ledger's numbers are its own, not those of the daemon that wrote the dump; its records are clean.
public struct DumpContents: ~Copyable {
    /// The first line.
    public var header: DumpHeader
    /// What the other lines say.
    public var ledger: Ledger

    /// Puts a header and a ledger together.
    public init(header: DumpHeader, ledger: consuming Ledger) {
        self.header = header
        self.ledger = ledger
    }

    /// Reads a dump that lies in memory whole.
    public init(ndjson bytes: [UInt8]) throws(DumpError) {
        var reader = DumpReader()
        try reader.feed(bytes)
        self = try reader.finish()
    }

    /// Takes the ledger out.
    public consuming func takeLedger() -> Ledger { ledger }
}

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
