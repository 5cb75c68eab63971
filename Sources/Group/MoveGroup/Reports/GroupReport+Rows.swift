import Glibc
import Records

extension GroupReport {
    /// Writes the members as CSV (RFC 4180), one a line: host, kind, path, workload; bytes as they are, but for what a
    /// spreadsheet would take for a formula (`SheetCell`).
    ///
    /// - Parameters:
    ///   - explain: whether the reason of each member follows: distance, reason, the host, kind and path of
    ///     the member that it came by, evidence, count, first, last.
    ///   - withHeader: whether a line with the columns' names comes first.
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing. It may be called on
    ///     another thread, never by two at a time.
    public func writeCSV<Failure: Error>(
        explain: Bool = false, withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var rows = RowBuffer(chunk: chunk)
        if withHeader {
            var header = Array("host,kind,path,workload".utf8)
            if explain {
                header.append(",distance,reason,via host,via kind,via path,evidence,count,first,last")
            }
            header.withUnsafeBytes {
                rows.reserve($0.count + 1)
                rows.put($0)
            }
            try rows.endRow(sink)
        }
        if !explain, MemberOrder.many <= order.nodes.count, ThreadPair.isWorthwhile {
            try rows.flush(sink)
            if try writeOnTwoThreads(chunk: chunk, to: sink) { return }
        }
        let reasons = explain ? Reasons(self) : nil
        try put(0..<order.nodes.count, reasons, &rows) { rows throws(Failure) in try rows.endRow(sink) }
        try rows.flush(sink)
    }

    /// Writes the members' rows on two threads: while one hands over, the other makes rows. Says whether there were two;
    /// if not, nothing was written.
    ///
    /// - Parameter chunk: about so many bytes are handed over at a time.
    func writeOnTwoThreads<Failure: Error>(
        chunk: Int, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        // As long as most rows are.
        let piece = max(chunk / 32, 1)
        let count = order.nodes.count
        var failure: Failure?
        let isDone = ThreadPair.run { half, pair in
            var rows = RowBuffer(chunk: chunk)
            var start = half * piece
            while start < count {
                put(start..<min(start + piece, count), nil, &rows) { $0.endLine() }
                // What either does in its turn, the failure included, the other sees in its own.
                let goesOn = pair.inTurn(half) {
                    guard failure == nil else { return false }
                    do throws(Failure) {
                        try rows.flush(sink)
                    } catch {
                        failure = error
                    }
                    return failure == nil
                }
                if !goesOn { break }
                start += 2 * piece
            }
        }
        if let failure { throw failure }
        return isDone
    }

    /// Puts the rows of some members, by their positions in the order of outputs, and calls `ended` behind each.
    @inline(__always)
    private func put<Failure: Error>(
        _ positions: Range<Int>, _ reasons: Reasons?, _ rows: inout RowBuffer,
        _ ended: (inout RowBuffer) throws(Failure) -> Void
    ) throws(Failure) {
        var explanation: [UInt8] = []
        var number = order.part(at: positions.lowerBound)
        while number < order.parts.count, order.parts[number].range.lowerBound < positions.upperBound {
            let part = order.parts[number]
            let range = part.range.clamped(to: positions)
            let start = start(of: part)
            var touched = range.lowerBound
            for position in range {
                let node = NodeID(rawValue: order.nodes[position])
                if position == touched {
                    let (next, bits) = order.touch(from: position, to: range.upperBound)
                    touched = next
                    rows.reserve(1)
                    rows.scribble(bits)
                }
                order.withText(at: position, part.kind) { text in
                    rows.reserve(start.count + 2 * text.count + 16)
                    start.withUnsafeBytes { rows.put($0) }
                    rows.putCell(text)
                }
                rows.put(UInt8(ascii: ","))
                if part.kind == .program { putWorkload(of: node, &rows) }
                if let reasons {
                    explanation.removeAll(keepingCapacity: true)
                    append(reasons, of: node, to: &explanation)
                    explanation.withUnsafeBytes {
                        rows.reserve($0.count + 1)
                        rows.put($0)
                    }
                }
                try ended(&rows)
            }
            number += 1
        }
    }

    /// Host and kind, the same for all of a part.
    private func start(of part: MemberOrder.Part) -> [UInt8] {
        var start: [UInt8] = []
        Self.appendCell(order.hosts.labels[Int(part.host.rawValue)], to: &start)
        start.append(",")
        start.append(part.kind.word)
        start.append(",")
        return start
    }

    private func putWorkload(of node: NodeID, _ rows: inout RowBuffer) {
        graph.nodes.withText(node.rawValue) { text in
            let workload = ProgramText(text).workload
            rows.reserve(2 * workload.count + 16)
            rows.putCell(workload)
        }
    }

    private func append(_ reasons: Reasons, of node: NodeID, to out: inout [UInt8]) {
        out.append(",")
        out.append(decimal: UInt64(reasons.distance(of: node)))
        guard let reason = reasons[node] else {
            out.append(",start,,,,,,,")
            return
        }
        out.append(",")
        out.append(reason.follow.word)
        out.append(",")
        Self.appendCell(hostLabel(of: reason.from), to: &out)
        out.append(",")
        out.append(graph.kind(reason.from).word)
        out.append(",")
        graph[reason.from].shownText.withUnsafeBytes { SheetCell.append($0, to: &out) }
        out.append(",")
        let dependency = reason.dependency
        if let evidence = dependency.evidence { out.append(evidence.word) }
        out.append(",")
        if dependency.count != 0 { out.append(decimal: dependency.count) }
        out.append(",")
        if dependency.first != 0 { Timestamp.append(dependency.first, to: &out) }
        out.append(",")
        if dependency.last != 0 { Timestamp.append(dependency.last, to: &out) }
    }

    private static func appendCell(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { SheetCell.append(UnsafeRawBufferPointer($0), to: &out) }
    }

    static func appendField(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { CSVField.append(UnsafeRawBufferPointer($0), to: &out) }
    }
}

extension GroupReport {
    /// Writes the dependencies between members as a dependency list of four columns: host A, path A, host B,
    /// path B.
    public func writeList<Failure: Error>(
        withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        if withHeader {
            out.bytes.append("host A,path A,host B,path B")
            try out.endLine(sink)
        }
        var row: [UInt8] = []
        var last: [UInt8] = []
        try forEachDependency { dependency throws(Failure) in
            row.removeAll(keepingCapacity: true)
            append(host: graph.host(dependency.from), to: &row)
            row.append(",")
            append(field: graph[dependency.from].shownText, to: &row)
            row.append(",")
            appendOther(dependency, to: &row)
            // Two relations of the same two are one row.
            if row == last { return }
            swap(&row, &last)
            out.bytes += last
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    /// Writes the dependencies between members in the nine columns of docs/record-format.md. A row of a list
    /// that did not say how two belong together has an empty relation.
    public func writeRecords<Failure: Error>(
        withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        if withHeader {
            out.bytes.append("host A,path A,relation,access,host B,path B,count,first,last")
            try out.endLine(sink)
        }
        try forEachDependency { dependency throws(Failure) in
            append(host: graph.host(dependency.from), to: &out.bytes)
            out.bytes.append(",")
            append(field: graph[dependency.from].shownText, to: &out.bytes)
            out.bytes.append(",")
            if dependency.link != .listed { out.bytes.append(dependency.link.word) }
            out.bytes.append(",")
            if dependency.link == .file { out.bytes.append(dependency.access.letters) }
            out.bytes.append(",")
            appendOther(dependency, to: &out.bytes)
            out.bytes.append(",")
            if dependency.link != .listed {
                out.bytes.append(decimal: dependency.count)
                out.bytes.append(",", time: dependency.first)
                out.bytes.append(",", time: dependency.last)
            } else {
                out.bytes.append(",,")
            }
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    private func forEachDependency<Failure: Error>(
        _ body: (Dependency) throws(Failure) -> Void
    ) throws(Failure) {
        let ranks = ranks()
        let merger = DependencyMerger(graph, NodeOrder(graph, order.hosts))
        for node in order.nodes {
            for dependency in merger.dependencies(of: NodeID(rawValue: node), ranks: ranks) {
                try body(dependency)
            }
        }
    }

    /// Host B and path B.
    private func appendOther(_ dependency: Dependency, to out: inout [UInt8]) {
        let other = graph[dependency.to]
        guard case .endpoint(let transport, let endpoint) = other, dependency.link != .listen else {
            append(host: graph.host(dependency.to), to: &out)
            out.append(",")
            append(field: other.shownText, to: &out)
            return
        }
        // The far end of a connection is a host by its address; its port is that of the service.
        endpoint.address.append(to: &out)
        out.append(",")
        out.append(transport.word)
        out.append(":")
        var port = endpoint.port
        if dependency.link == .accept, let via = dependency.via, case .endpoint(_, let local) = graph[via] {
            port = local.port
        }
        out.append(decimal: UInt64(port))
    }

    private func append(host: HostID, to out: inout [UInt8]) { Self.appendField(graph[host].id, to: &out) }

    private func append(field: [UInt8], to out: inout [UInt8]) {
        field.withUnsafeBytes { CSVField.append($0, to: &out) }
    }
}

/// A cell of a table that people open in a spreadsheet, which runs what begins with `=`, `+`, `-`, `@`, a tab or a
/// carriage return as a formula, quoted or not.
///
/// The first character of such a cell is written as `\xNN`, and so is a backslash that comes first; so every cell says
/// exactly what the name is, and none is a formula. A path begins with a slash: only what is none is ever touched. The
/// forms that are read again (four and nine columns) have bytes as they are.
public enum SheetCell {
    /// Appends a cell (RFC 4180).
    public static func append(_ text: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        guard let first = text.first, isEscaped(first) else { return CSVField.append(text, to: &out) }
        let cell = escape(first) + text.dropFirst()
        cell.withUnsafeBytes { CSVField.append($0, to: &out) }
    }

    /// Whether a cell must not begin with this byte.
    @inline(__always)
    static func isEscaped(_ first: UInt8) -> Bool {
        switch first {
        case UInt8(ascii: "/"): false
        case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x09, 0x0d,
            UInt8(ascii: "\\"):
            true
        default: false
        }
    }

    /// `\x3d` for `=`.
    static func escape(_ first: UInt8) -> [UInt8] {
        Array(("\\x" + (first < 16 ? "0" : "") + String(first, radix: 16)).utf8)
    }
}

/// Rows of CSV on their way out, for millions of them: one area of memory, a check of its size a row.
struct RowBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var used = 0
    private let chunk: Int

    /// Makes a buffer that hands over when a row has filled `chunk` bytes.
    init(chunk: Int) {
        self.chunk = max(chunk, 1)
        capacity = self.chunk + 8 << 10
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// Makes room for as many bytes.
    @inline(__always)
    mutating func reserve(_ count: Int) {
        if capacity - used < count { grow(count) }
    }

    private mutating func grow(_ count: Int) {
        capacity = max(used + count, capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        base = larger
    }

    /// Appends bytes as they are; there must be room.
    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        if let start = bytes.baseAddress { memcpy(base + used, start, bytes.count) }
        used += bytes.count
    }

    /// Appends a byte; there must be room.
    @inline(__always)
    mutating func put(_ byte: UInt8) {
        base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
        used += 1
    }

    /// Writes a byte where the next one will be written over it; there must be room.
    @inline(__always)
    mutating func scribble(_ byte: UInt8) { base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self) }

    /// Appends a field (RFC 4180); there must be room for two bytes more than twice its length.
    @inline(__always)
    mutating func putField(_ bytes: UnsafeRawBufferPointer) {
        if Self.mayNeedQuotes(bytes), Self.needsQuotes(bytes) { putQuoted(bytes) } else { put(bytes) }
    }

    /// Appends a cell (`SheetCell`); there must be room for five bytes more than twice its length.
    @inline(__always)
    mutating func putCell(_ bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.first, SheetCell.isEscaped(first) else { return putField(bytes) }
        let cell = SheetCell.escape(first) + bytes.dropFirst()
        cell.withUnsafeBytes { putField($0) }
    }

    private mutating func putQuoted(_ bytes: UnsafeRawBufferPointer) {
        put(UInt8(ascii: "\""))
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { put(byte) }
            put(byte)
        }
        put(UInt8(ascii: "\""))
    }

    /// Whether any byte comes before `-`, as all those do that need quotes and hardly any in a path does.
    @inline(__always)
    private static func mayNeedQuotes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let (tops, bound) = (ones &* 0x80, ones &* 0x2d)
        let count = bytes.count
        guard count >= 8 else { return true }
        var offset = 0
        while offset + 8 < count {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if (word &- bound) & ~word & tops != 0 { return true }
            offset += 8
        }
        let word = bytes.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
        return (word &- bound) & ~word & tops != 0
    }

    private static func needsQuotes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.contains { $0 == 0x2c || $0 == 0x22 || $0 == 0x0a || $0 == 0x0d }
    }

    /// Ends a row without handing over; there must be room for a byte.
    @inline(__always)
    mutating func endLine() { put(UInt8(ascii: "\n")) }

    /// Ends a row, and hands over if that is enough; there must be room for a byte.
    @inline(__always)
    mutating func endRow<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        endLine()
        if used >= chunk { try flush(sink) }
    }

    /// Hands over whatever has been collected.
    mutating func flush<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if used == 0 { return }
        try sink(UnsafeRawBufferPointer(start: base, count: used))
        used = 0
    }
}
