import Glibc

// Lines of dependencies as Retinue itself writes them: keys in their order, no white space, no escapes, names in ASCII.
// Such a line is compared with what is expected rather than parsed, and a program or endpoint that came before is
// known by its bytes. Any other line is left to `readDependency`, which knows all of JSON and says what is wrong.

extension DumpReader {
    /// Reads a dependency's line if it is spelled plainly. Otherwise returns `false`: then it has to be read the other
    /// way, and nothing has happened that reading its beginning that way would not do.
    mutating func readPlainDependency(_ text: UnsafeRawBufferPointer) -> Bool {
        var line = PlainLine(text)
        guard plainStart.withUnsafeBytes({ line.take($0) }), !plainStart.isEmpty,
            let program = plainProgram(&line), line.take(",\"relation\":\""),
            let relation = line.word(PlainWords.relations, \.word)
        else { return false }
        if relation == .file { return readPlainFile(&line, of: program) }
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

    /// A file's line, behind its relation: most lines are of files.
    @inline(__always)
    private mutating func readPlainFile(_ line: inout PlainLine, of program: ProgramID) -> Bool {
        guard line.take(",\"path\":\""), let path = line.string(), line.take(",\"kind\":\""),
            let kind = line.word(PlainWords.kinds, \.word), line.take(",\"access\":\""),
            let access = line.word(PlainWords.accesses, \.letters), let seen = plainEnd(&line)
        else { return false }
        var record = Record(.file(program, path: .none), evidence: seen.evidence, time: seen.first)
        record.last = seen.last
        record.count = seen.count
        record.access = access
        record.kind = kind
        record.change = seen.change
        if files.add(record, path: path) { return true }
        flush()
        if files.add(record, path: path) { return true }
        // Longer than all that are put in together may be.
        record.key.object = ledger.texts.intern(path).rawValue
        ledger.restore(record)
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
            line.take("\",\"evidence\":\""), let evidence = line.word(PlainWords.evidence, \.word),
            line.take("}"), line.isAtEnd
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
                let mechanism = line.word(PlainWords.mechanisms, \.word), line.take(",\"name\":\""),
                let name = line.string()
            else { return false }
            names.object.set(name)
            fields.mechanism = mechanism
        }
        return true
    }

    private func plainTransport(_ line: inout PlainLine, _ fields: inout DependencyFields) -> Bool {
        guard line.take(",\"transport\":\""), let transport = line.word(PlainWords.transports, \.word) else {
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
    static let relations = Relation.allCases
    static let evidence: [Evidence] = [.exact, .snapshot, .inferred]
    static let kinds = FileKind.allCases
    static let accesses = (0..<8).map { Access(rawValue: $0) }
    static let transports = Transport.allCases
    static let mechanisms = Mechanism.allCases
}

/// A line, read from its start as far as it is what is expected.
struct PlainLine {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    /// What has not been read.
    @inline(__always)
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[offset...]) }

    mutating func skip(_ count: Int) { offset += count }

    /// Steps over these bytes if they come next.
    @inline(__always)
    mutating func take(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count <= bytes.count - offset, let start = bytes.baseAddress, let other = text.baseAddress,
            memcmp(start + offset, other, text.count) == 0
        else { return false }
        offset += text.count
        return true
    }

    @inline(__always)
    mutating func take(_ text: StaticString) -> Bool {
        take(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// One of some words, and the quote behind it.
    @inline(__always)
    mutating func word<Value>(_ values: [Value], _ spelled: (Value) -> StaticString) -> Value? {
        for value in values {
            let word = spelled(value)
            let count = word.utf8CodeUnitCount
            guard count < bytes.count - offset, bytes[offset + count] == UInt8(ascii: "\"") else { continue }
            if take(word) {
                offset += 1
                return value
            }
        }
        return nil
    }

    /// A string of plain characters, and the quote behind it.
    @inline(__always)
    mutating func string() -> UnsafeRawBufferPointer? {
        let end = bytes.endOfPlain(from: offset)
        guard end < bytes.count, bytes[end] == UInt8(ascii: "\"") else { return nil }
        defer { offset = end + 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
    }

    /// A whole number of at most 18 digits, so that it cannot be too large.
    @inline(__always)
    mutating func number() -> UInt64? {
        let start = offset
        var value: UInt64 = 0
        while offset < bytes.count {
            let digit = bytes[offset] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            guard offset - start < 18 else { return nil }
            value = value &* 10 &+ UInt64(digit)
            offset += 1
        }
        let count = offset - start
        // No zero leads, and nothing follows that belongs to a number.
        guard count == 1 || (count > 1 && bytes[start] != UInt8(ascii: "0")), offset < bytes.count,
            bytes[offset] == UInt8(ascii: ",")
        else { return nil }
        return value
    }

    /// A time to the millisecond; the quote behind it is left.
    @inline(__always)
    mutating func time(_ reader: inout TimeReader) -> UInt64? {
        guard bytes.count - offset > 24, bytes[offset + 24] == UInt8(ascii: "\""),
            let time = reader.parse(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 24]))
        else { return nil }
        offset += 24
        return time
    }

    /// What comes next up to the first `}`: a whole object, if none of its strings has one.
    func flatObject() -> UnsafeRawBufferPointer? {
        guard let end = bytes.first(UInt8(ascii: "}"), from: offset) else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[offset...end])
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
