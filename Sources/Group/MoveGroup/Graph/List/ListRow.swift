import Glibc
import Records

/// Where the commas of a row of four plain columns lie, and its LF.
struct PlainRow {
    var first = 0
    var second = 0
    var third = 0
    /// Offset of the LF.
    var lineEnd = 0
    /// Bytes of the fourth column's end: before the LF, or CR LF.
    var end = 0

    /// Splits the row that begins at `row`; `nil` if it is anything else, or its end is not there.
    @inline(__always)
    init?(_ row: UnsafeRawPointer, available: Int) {
        let end = PlainEnd(row, available: available, commas: 3) { number, at in
            switch number {
            case 0: first = at
            case 1: second = at
            default: third = at
            }
        }
        guard let end else { return nil }
        lineEnd = end.line
        self.end = end.fields
    }
}

/// Where the commas of a row of nine plain columns lie.
struct PlainNineRow {
    private var commas = InlineArray<8, Int>(repeating: 0)
    /// Offset of the LF.
    private(set) var lineEnd = 0
    private var end = 0

    /// Splits the row that begins at `row`; `nil` if it is anything else, or its end is not there.
    @inline(__always)
    init?(_ row: UnsafeRawPointer, available: Int) {
        let end = PlainEnd(row, available: available, commas: 8) { commas[$0] = $1 }
        guard let end else { return nil }
        lineEnd = end.line
        self.end = end.fields
    }

    /// The bytes of a field.
    @inline(__always)
    func field(_ number: Int, _ row: UnsafeRawPointer) -> HostCache.Field {
        let start = number == 0 ? 0 : commas[number - 1] + 1
        return HostCache.Field(start: row + start, count: (number == 8 ? end : commas[number]) - start)
    }
}

/// The end of a row without quotes.
struct PlainEnd {
    /// Offset of the LF.
    let line: Int
    /// Where the last field ends: before the LF, or CR LF.
    let fields: Int

    /// Calls `note` with each comma's number and offset; `nil` if there are not as many, or a quote, or no end.
    ///
    /// Commas, quotes and line ends are among the few characters below `-`, which eight bytes together are
    /// asked for at once; paths, addresses and times have hardly any others of them.
    @inline(__always)
    init?(_ row: UnsafeRawPointer, available: Int, commas expected: Int, _ note: (Int, Int) -> Void) {
        var commas = 0
        var offset = 0
        while offset < available {
            var marks: UInt64
            if offset + 8 <= available {
                let word = UInt64(littleEndian: row.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                // A borrow may mark a byte too many above a mark, never one too few.
                marks = (word &- 0x2d2d_2d2d_2d2d_2d2d) & ~word & 0x8080_8080_8080_8080
            } else {
                marks = 0x8080_8080_8080_8080 >> UInt64(64 - 8 * (available - offset))
            }
            while marks != 0 {
                let at = offset + marks.trailingZeroBitCount / 8
                marks &= marks - 1
                switch row.load(fromByteOffset: at, as: UInt8.self) {
                case 0x2c:
                    guard commas < expected else { return nil }
                    note(commas, at)
                    commas += 1
                case 0x22: return nil
                case 0x0a:
                    guard commas == expected else { return nil }
                    line = at
                    let isCR = row.load(fromByteOffset: at - 1, as: UInt8.self) == 0x0d
                    fields = isCR ? at - 1 : at
                    return
                default: break
                }
            }
            offset += 8
        }
        return nil
    }
}

/// A row of a list with its fields unquoted.
package struct WideRow {
    /// What became of a row.
    package enum Outcome {
        /// Its end is not there yet.
        case unfinished
        /// It took so many bytes and lines, and makes no sense.
        case malformed(used: Int, lines: Int)
        /// It took so many bytes and lines.
        case row(used: Int, lines: Int)
    }

    /// The fields one behind another, unquoted.
    private(set) var bytes: [UInt8] = []
    private(set) var ends: [Int] = []

    /// Makes room for a row.
    package init() {}

    /// How many fields it has.
    package var count: Int { ends.count }

    /// The bytes of a field.
    package func field(_ number: Int) -> ArraySlice<UInt8> {
        bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]]
    }

    /// An empty line.
    package var isBlank: Bool { count == 1 && bytes.isEmpty }

    /// The names of the columns.
    var isTitle: Bool {
        let names = (0..<count).map { String(decoding: field($0), as: UTF8.self) }
        return names == Self.columns || names == Self.fourColumns
    }

    /// The names of nine columns.
    package static let columns = [
        "host A", "path A", "relation", "access", "host B", "path B", "count", "first", "last",
    ]
    /// The names of four.
    package static let fourColumns = ["host A", "path A", "host B", "path B"]

    /// Splits the row that begins at the start of `text`.
    ///
    /// - Parameter firstEnd: offset of the first LF, at which a row without quotes ends.
    package mutating func split(_ text: UnsafeRawBufferPointer, firstEnd: Int) -> Outcome {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        var lines = 1
        var offset = 0
        while true {
            // At the start of a field.
            if offset < text.count, text[offset] == 0x22 {
                offset += 1
                while true {
                    guard offset < text.count else { return .unfinished }
                    let byte = text[offset]
                    offset += 1
                    if byte == 0x22 {
                        if offset < text.count, text[offset] == 0x22 {
                            offset += 1
                        } else {
                            break
                        }
                    }
                    if byte == 0x0a { lines += 1 }
                    bytes.append(byte)
                }
            } else {
                var isPlain = true
                while offset < text.count, text[offset] != 0x2c, text[offset] != 0x0a {
                    if text[offset] == 0x22 { isPlain = false }
                    bytes.append(text[offset])
                    offset += 1
                }
                if !isPlain { return malformed(text, offset, lines) }
            }
            guard offset < text.count else { return .unfinished }
            switch text[offset] {
            case 0x2c:
                ends.append(bytes.count)
                offset += 1
            case 0x0a:
                // A line may end with CR LF; here behind a field without quotes.
                if offset > 0, text[offset - 1] == 0x0d, bytes.last == 0x0d { bytes.removeLast() }
                ends.append(bytes.count)
                return .row(used: offset + 1, lines: lines)
            case 0x0d where offset + 1 < text.count && text[offset + 1] == 0x0a:
                // Behind a quoted field, which may end with CR itself.
                ends.append(bytes.count)
                return .row(used: offset + 2, lines: lines)
            case 0x0d where offset + 1 == text.count: return .unfinished
            default: return malformed(text, offset, lines)
            }
        }
    }

    /// Goes on behind the end of the line that makes no sense.
    private func malformed(_ text: UnsafeRawBufferPointer, _ offset: Int, _ lines: Int) -> Outcome {
        guard let base = text.baseAddress, let end = memchr(base + offset, 0x0a, text.count - offset) else {
            return .unfinished
        }
        return .malformed(used: base.distance(to: UnsafeRawPointer(end)) + 1, lines: lines)
    }
}

extension WideRow {
    /// A field that means nothing in its column.
    struct FieldError: Error {
        var column: String
        var value: String
    }

    /// Adds the row to a graph.
    func add(to builder: inout GraphBuilder, _ source: UInt16) throws(FieldError) {
        if count == 4 {
            addListed(0, 2, &builder)
            return
        }
        // What a group of a list of four columns has, written in nine.
        if field(2).isEmpty {
            builder.hasEntries = true
            addListed(0, 4, &builder)
            return
        }
        guard let relation = Relation(word: text(2)) else { throw error(2) }
        let host = builder.listedHost(text(0))
        let program = builder.intern(.program(ProgramName(executable: Array(field(1)))), on: host)
        var detail = EdgeDetail()
        detail.source = source
        detail.count = try number(6)
        detail.first = try time(7)
        detail.last = try time(8)
        // Either may be left out.
        guard field(8).isEmpty || detail.first <= detail.last else { throw error(8) }
        if builder.isOutside(detail.first, detail.last) { return }
        let path = Array(field(5))
        switch relation {
        case .file:
            guard let access = Access(letters: text(3)) else { throw error(3) }
            let file = builder.intern(.file(path), on: builder.listedHost(text(4)))
            builder.edges.append(program, file, EdgeMark(.file, access: access), detail)
        case .spawn:
            let child = peer(path, &builder)
            builder.edges.append(program, child, EdgeMark(.spawn), detail)
        case .connect, .accept, .listen:
            try addSocket(relation, program, host, path, detail, &builder)
        case .ipc:
            try addChannel(program, host, path, detail, &builder)
        }
    }

    private func addSocket(
        _ relation: Relation, _ program: UInt32, _ host: HostID, _ path: [UInt8], _ detail: EdgeDetail,
        _ builder: inout GraphBuilder
    ) throws(FieldError) {
        guard let place = SocketText(path) else {
            // A program: the other end is known.
            guard relation != .listen else { throw error(5) }
            let other = peer(path, &builder)
            builder.edges.append(program, other, EdgeMark(Link(relation)), detail)
            return
        }
        let anywhere = NetworkAddress(high: 0, low: 0)
        var end = OpenSockets.End(
            program: program, host: host, transport: place.transport,
            local: Endpoint(place.address ?? anywhere, port: place.port),
            remote: Endpoint(anywhere, port: 0), evidence: nil, detail: detail)
        if relation != .listen {
            guard let far = NetworkAddress(field(4)) else { throw error(4) }
            end.remote = Endpoint(far, port: relation == .connect ? place.port : 0)
        }
        builder.add(end, Link(relation), peer: nil)
    }

    private func addChannel(
        _ program: UInt32, _ host: HostID, _ path: [UInt8], _ detail: EdgeDetail,
        _ builder: inout GraphBuilder
    ) throws(FieldError) {
        let word = String(decoding: path.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
        guard let mechanism = Mechanism(word: word), path.count > word.utf8.count else {
            let other = peer(path, &builder)
            builder.edges.append(program, other, EdgeMark(.ipc), detail)
            return
        }
        let name = Array(path[(word.utf8.count + 1)...])
        builder.add(mechanism, name, of: program, peer: nil, on: host, nil, detail)
    }

    /// Two that are related in a way that is not stated.
    private func addListed(_ first: Int, _ second: Int, _ builder: inout GraphBuilder) {
        let from = entry(first, &builder)
        let to = entry(second, &builder)
        builder.edges.append(from, to, EdgeMark(.listed))
    }

    private func entry(_ column: Int, _ builder: inout GraphBuilder) -> UInt32 {
        let host = builder.listedHost(text(column))
        return builder.intern(.entry(Array(field(column + 1))), on: host)
    }

    private func peer(_ path: [UInt8], _ builder: inout GraphBuilder) -> UInt32 {
        builder.intern(.program(ProgramName(executable: path)), on: builder.listedHost(text(4)))
    }

    private func text(_ number: Int) -> String { String(decoding: field(number), as: UTF8.self) }

    private func error(_ number: Int) -> FieldError {
        FieldError(column: Self.columns[number], value: text(number))
    }

    private func number(_ column: Int) throws(FieldError) -> UInt64 {
        if field(column).isEmpty { return 0 }
        guard let value = UInt64(text(column)) else { throw error(column) }
        return value
    }

    private func time(_ column: Int) throws(FieldError) -> UInt64 {
        if field(column).isEmpty { return 0 }
        guard let value = Timestamp.parse(field(column)) else { throw error(column) }
        return value
    }
}

/// An endpoint as a list has it: `tcp:5432`, `tcp:10.0.0.9:5432`, `tcp:[::]:5432`.
struct SocketText {
    var transport: Transport
    /// `nil` if only the port is given.
    var address: NetworkAddress?
    var port: UInt16

    init?(_ text: [UInt8]) {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")),
            let transport = Transport(word: String(decoding: text[..<colon], as: UTF8.self)),
            let last = text.lastIndex(of: UInt8(ascii: ":")),
            let port = UInt16(String(decoding: text[(last + 1)...], as: UTF8.self))
        else { return nil }
        self.transport = transport
        self.port = port
        if last == colon { return }
        var middle = text[(colon + 1)..<last]
        if middle.first == UInt8(ascii: "["), middle.last == UInt8(ascii: "]") {
            middle = middle.dropFirst().dropLast()
        }
        guard let address = NetworkAddress(middle) else { return nil }
        self.address = address
    }
}
