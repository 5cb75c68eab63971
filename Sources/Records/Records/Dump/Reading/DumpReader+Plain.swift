import Glibc

// Lines of dependencies as Retinue itself writes them: keys in their order, no white space, no escapes, names in ASCII.
// Such a line is compared with what is expected rather than parsed, and a program or endpoint that came before is
// known by its bytes. Any other line is left to `readDependency`, which knows all of JSON and says what is wrong.

extension DumpReader {
    /// Reads a dependency's line, and its newline, if it is spelled plainly. Otherwise returns `false`: then it has to be
    /// read the other way, and nothing has happened that reading its beginning that way would not do.
    @inline(__always)
    mutating func readPlainDependency(_ line: inout PlainLine) -> Bool {
        if let program = plainHead.take(&line) { return readPlainFile(&line, of: program) }
        return readAnyPlainDependency(&line)
    }

    private mutating func readAnyPlainDependency(_ line: inout PlainLine) -> Bool {
        let start = line.next
        guard plainStart.withUnsafeBytes({ line.take($0) }), !plainStart.isEmpty,
            let program = plainProgram(&line), line.take(",\"relation\":\""),
            let relation = line.word(PlainWords.relations)
        else { return false }
        if relation == .file {
            guard line.take(",\"path\":\"") else { return false }
            plainHead.keep(from: start, to: line.next, program)
            return readPlainFile(&line, of: program)
        }
        var fields = DependencyFields()
        fields.program = program
        fields.relation = relation
        guard plainObject(&line, &fields) else { return false }
        if line.take(",\"peer\":") {
            guard let peer = plainProgram(&line) else { return false }
            fields.peer = peer
        }
        if relation == .connect || relation == .accept {
            guard line.take(",\"sent\":"), let sent = line.number(), line.take(",\"received\":"),
                let received = line.number()
            else { return false }
            fields.sent = sent
            fields.received = received
            fields.isLowerBound = line.take(",\"lower_bound\":true")
        }
        guard let seen = plainEnd(&line) else { return false }
        fields.change = seen.change
        fields.count = seen.count
        fields.first = seen.first
        fields.last = seen.last
        fields.evidence = seen.evidence
        flush()
        restore(fields)
        return true
    }

    /// A file's line, from its path on: most lines are of files.
    private mutating func readPlainFile(_ line: inout PlainLine, of program: ProgramID) -> Bool {
        guard let path = line.string(), line.take(",\"kind\":\""),
            let kind = line.word(PlainWords.kinds), line.take(",\"access\":\""),
            let access = line.word(PlainWords.accesses), let seen = plainEnd(&line)
        else { return false }
        var record = Record(.file(program, path: .none), evidence: seen.evidence, time: seen.first)
        record.last = seen.last
        record.count = seen.count
        record.access = access
        record.kind = kind
        record.change = seen.change
        if files.isFull { flush() }
        files.add(record, path: path)
        return true
    }

    /// What every dependency's line ends with.
    @inline(__always)
    private mutating func plainEnd(
        _ line: inout PlainLine
    ) -> (change: UInt32, count: UInt64, first: UInt64, last: UInt64, evidence: Evidence)? {
        var change: UInt64? = 0
        if line.take(",\"change\":") { change = line.number() }
        guard let change, line.take(",\"count\":"), let count = line.number(), count > 0,
            line.take(",\"first\":\""), let first = line.time(&times.first),
            line.take("\",\"last\":\""), let last = line.time(&times.last),
            line.take("\",\"evidence\":\""), let evidence = line.word(PlainWords.evidence),
            line.take("}"), line.takeEnd()
        else { return nil }
        return (UInt32(clamping: change), count, first, last, evidence)
    }

    /// What is depended on.
    @inline(__always)
    private mutating func plainObject(_ line: inout PlainLine, _ fields: inout DependencyFields) -> Bool {
        switch fields.relation {
        case .file: return false
        case .spawn:
            guard line.take(",\"child\":"), let child = plainProgram(&line) else { return false }
            fields.child = child
        case .connect:
            guard plainTransport(&line, &fields), line.take(",\"remote\":"),
                let remote = plainEndpoint(&line), remote.hasPort
            else { return false }
            fields.remote = remote.endpoint
        case .accept:
            guard plainTransport(&line, &fields), line.take(",\"local\":"),
                let local = plainEndpoint(&line), local.hasPort, line.take(",\"remote\":"),
                let remote = plainEndpoint(&line)
            else { return false }
            fields.local = local.endpoint
            fields.remote = remote.endpoint
        case .listen:
            guard plainTransport(&line, &fields), line.take(",\"local\":"),
                let local = plainEndpoint(&line), local.hasPort
            else { return false }
            fields.local = local.endpoint
        case .ipc:
            guard line.take(",\"mechanism\":\""),
                let mechanism = line.word(PlainWords.mechanisms), line.take(",\"name\":\""),
                let name = line.string()
            else { return false }
            names.object.set(name)
            fields.mechanism = mechanism
        }
        return true
    }

    private func plainTransport(_ line: inout PlainLine, _ fields: inout DependencyFields) -> Bool {
        guard line.take(",\"transport\":\""), let transport = line.word(PlainWords.transports) else {
            return false
        }
        fields.transport = transport
        return true
    }

    private mutating func plainProgram(_ line: inout PlainLine) -> ProgramID? {
        if let known = knownPrograms.take(&line) { return known }
        guard let object = line.flatObject() else { return nil }
        var parser = JSONParser(object, depthLimit: JSONParser.depthBelowTop)
        guard let program = try? program(&parser), parser.offset == object.count else { return nil }
        knownPrograms.keep(object, program)
        line.skip(object.count)
        return program
    }

    private mutating func plainEndpoint(_ line: inout PlainLine) -> (endpoint: Endpoint, hasPort: Bool)? {
        if let known = knownEndpoints.take(&line) { return known }
        guard let object = line.flatObject() else { return nil }
        var parser = JSONParser(object, depthLimit: JSONParser.depthBelowTop)
        guard let endpoint = try? parser.endpoint(), parser.offset == object.count else { return nil }
        knownEndpoints.keep(object, endpoint)
        line.skip(object.count)
        return endpoint
    }
}

/// The vocabulary in the order in which it is tried.
private enum PlainWords {
    static let relations = WordTable(Relation.allCases, \.word)
    static let evidence = WordTable([Evidence.exact, .snapshot, .inferred], \.word)
    static let kinds = WordTable(FileKind.allCases, \.word)
    static let accesses = WordTable((0..<8).map { Access(rawValue: $0) }, \.letters)
    static let transports = WordTable(Transport.allCases, \.word)
    static let mechanisms = WordTable(Mechanism.allCases, \.word)
}

/// Words and the quote behind each, in a form that is compared at once.
struct WordTable<Value: Sendable>: Sendable {
    fileprivate struct Entry: Sendable {
        let value: Value
        /// Of the word and the quote.
        let count: Int
        /// The first eight bytes, and those behind them.
        let start, rest: UInt64
        /// Which bits of them count.
        let startMask, restMask: UInt64
    }

    fileprivate let entries: [Entry]

    init(_ values: [Value], _ spelled: (Value) -> StaticString) {
        entries = values.map { value in
            let word = spelled(value).withUTF8Buffer { Array($0) } + [UInt8(ascii: "\"")]
            precondition(word.count <= 16, "a longer word than is compared")
            func bits(_ range: Range<Int>, _ byte: (Int) -> UInt8) -> UInt64 {
                range.reversed().reduce(0) { $0 << 8 | ($1 < word.count ? UInt64(byte($1)) : 0) }
            }
            return Entry(
                value: value, count: word.count,
                start: bits(0..<8) { word[$0] }, rest: bits(8..<16) { word[$0] },
                startMask: bits(0..<8) { _ in 0xff }, restMask: bits(8..<16) { _ in 0xff })
        }
    }
}

/// A line, read from its start as far as it is what is expected.
///
/// Where it ends is not looked for: a newline ends it, and nothing that is expected has one, so that no step goes beyond.
/// What is looked at may: behind the newline there are `slack` bytes, whatever they are.
struct PlainLine {
    /// What has not been read.
    private(set) var next: UnsafeRawPointer
    /// Where the bytes end that may be looked at.
    private let end: UnsafeRawPointer

    /// More than is looked at without asking: a time and the quote behind it.
    static var slack: Int { 32 }

    /// Begins with a line, whose newline and slack end no later than at `end`.
    init(from start: UnsafeRawPointer, upTo end: UnsafeRawPointer) {
        next = start
        self.end = end
    }

    /// Steps over the newline if it comes next.
    @inline(__always)
    mutating func takeEnd() -> Bool {
        guard byte(0) == 0x0a else { return false }
        next += 1
        return true
    }

    @inline(__always)
    mutating func skip(_ count: Int) { next += count }

    @inline(__always)
    private func byte(_ offset: Int) -> UInt8 { next.load(fromByteOffset: offset, as: UInt8.self) }

    /// Eight of the bytes from here on, the first of them lowest.
    @inline(__always)
    private func eight(at offset: Int = 0) -> UInt64 {
        UInt64(littleEndian: next.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Steps over these bytes if they come next; they have no newline.
    @inline(__always)
    mutating func take(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count <= next.distance(to: end), let start = text.baseAddress,
            memcmp(next, start, text.count) == 0
        else { return false }
        next += text.count
        return true
    }

    /// Steps over no more than `slack` bytes.
    @inline(__always)
    mutating func take(_ text: StaticString) -> Bool {
        guard memcmp(next, text.utf8Start, text.utf8CodeUnitCount) == 0 else { return false }
        next += text.utf8CodeUnitCount
        return true
    }

    /// One of some words, and the quote behind it.
    @inline(__always)
    mutating func word<Value>(_ table: WordTable<Value>) -> Value? {
        let start = eight()
        for entry in table.entries where (start ^ entry.start) & entry.startMask == 0 {
            guard entry.restMask == 0 || (eight(at: 8) ^ entry.rest) & entry.restMask == 0 else { continue }
            next += entry.count
            return entry.value
        }
        return nil
    }

    /// A string of plain characters, and the quote behind it.
    @inline(__always)
    mutating func string() -> UnsafeRawBufferPointer? {
        let count = UnsafeRawBufferPointer(start: next, count: next.distance(to: end)).endOfPlain(from: 0)
        guard byte(count) == UInt8(ascii: "\"") else { return nil }
        defer { next += count + 1 }
        return UnsafeRawBufferPointer(start: next, count: count)
    }

    /// A whole number of at most 18 digits, so that it cannot be too large.
    @inline(__always)
    mutating func number() -> UInt64? {
        let digits = eight()
        var count = EightBytes.digitCount(digits)
        // No zero leads.
        guard count == 1 || (count > 1 && digits & 0xff != UInt64(UInt8(ascii: "0"))) else { return nil }
        var value = EightBytes.number(digits, digits: count)
        if count == 8 {
            while case let digit = byte(count) &- UInt8(ascii: "0"), digit < 10 {
                guard count < 18 else { return nil }
                value = value &* 10 &+ UInt64(digit)
                count += 1
            }
        }
        // Nothing follows that belongs to a number.
        guard byte(count) == UInt8(ascii: ",") else { return nil }
        next += count
        return value
    }

    /// A time to the millisecond; the quote behind it is left.
    @inline(__always)
    mutating func time(_ reader: inout TimeReader) -> UInt64? {
        guard byte(24) == UInt8(ascii: "\""),
            let time = reader.parse(UnsafeRawBufferPointer(start: next, count: 24))
        else { return nil }
        next += 24
        return time
    }

    /// What comes next up to the first `}`: a whole object, if none of its strings has one.
    func flatObject() -> UnsafeRawBufferPointer? {
        var count = 0
        while case let word = eight(at: count), !EightBytes.contain(UInt8(ascii: "}"), word),
            !EightBytes.contain(0x0a, word)
        {
            count += 8
        }
        while byte(count) != UInt8(ascii: "}") {
            guard byte(count) != 0x0a else { return nil }
            count += 1
        }
        return UnsafeRawBufferPointer(start: next, count: count + 1)
    }
}

/// How the file's line before began, up to its path: most lines are about the program of the line before.
struct PlainHead: ~Copyable {
    private static var room: Int { 1024 }
    private let text = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 8)
    private var count = 0
    private var program = ProgramID.unknown

    init() {}

    deinit { text.deallocate() }

    /// The program of a line that begins like that one; steps to the path.
    @inline(__always)
    func take(_ line: inout PlainLine) -> ProgramID? {
        count > 0 && line.take(UnsafeRawBufferPointer(start: text, count: count)) ? program : nil
    }

    /// Keeps how a line began, if there is room.
    mutating func keep(from start: UnsafeRawPointer, to end: UnsafeRawPointer, _ program: ProgramID) {
        let count = start.distance(to: end)
        guard count <= Self.room else { return }
        text.copyMemory(from: start, byteCount: count)
        self.count = count
        self.program = program
    }
}

/// What objects meant that came before, by their bytes.
///
/// A fixed number of places, chosen by the bytes: who writes a dump can make objects share one, and only makes them be
/// parsed each time.
struct KnownObjects<Value>: ~Copyable {
    private static var places: Int { 256 }
    private static var room: Int { 504 }
    private var values: [(count: Int, value: Value)?] = Array(repeating: nil, count: places)
    private let texts = UnsafeMutableRawPointer.allocate(byteCount: places * room, alignment: 8)
    /// The place of the one before: most lines are about the program of the line before.
    private var last = 0

    init() {}

    deinit { texts.deallocate() }

    /// Steps over an object that is known.
    @inline(__always)
    mutating func take(_ line: inout PlainLine) -> Value? {
        if let value = take(&line, at: last) { return value }
        guard let object = line.flatObject(), object.count <= Self.room else { return nil }
        last = Self.place(object)
        return take(&line, at: last)
    }

    @inline(__always)
    private func take(_ line: inout PlainLine, at place: Int) -> Value? {
        // An object ends where it ends: what begins with the bytes of one is that one.
        guard let known = values[place],
            line.take(UnsafeRawBufferPointer(start: texts + place * Self.room, count: known.count))
        else { return nil }
        return known.value
    }

    /// Keeps what an object means, if there is room.
    mutating func keep(_ object: UnsafeRawBufferPointer, _ value: Value) {
        guard object.count <= Self.room, let start = object.baseAddress else { return }
        last = Self.place(object)
        (texts + last * Self.room).copyMemory(from: start, byteCount: object.count)
        values[last] = (object.count, value)
    }

    private static func place(_ object: UnsafeRawBufferPointer) -> Int {
        var hash = UInt64(object.count)
        var offset = 0
        while offset + 8 <= object.count {
            hash =
                (hash ^ object.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                &* 0x9e37_79b9_7f4a_7c15
            hash ^= hash >> 32
            offset += 8
        }
        while offset < object.count {
            hash = (hash ^ UInt64(object[offset])) &* 0x9e37_79b9_7f4a_7c15
            offset += 1
        }
        return Int(truncatingIfNeeded: hash >> 56) % places
    }
}
