/// A key that a line, or an object in it, may have (the header apart).
enum LineKey: String, CaseIterable {
    case type, host, program, relation, count, first, last, evidence
    case path, kind, access, child, transport, remote, local, peer, sent, received, mechanism, name
    case executable, script, workload, address, port
    case source, cause, from, to, lost, resynchronised
    case called
    case folded, paths, names, change
    case lowerBound = "lower_bound"
    case pathRaw = "path_raw"
    case nameRaw = "name_raw"
    case namesRaw = "names_raw"
    case executableRaw = "executable_raw"
    case scriptRaw = "script_raw"
    case workloadRaw = "workload_raw"

    /// Found by hashing: the initializer from a raw value compares with one after the other.
    private static let table = Dictionary(
        uniqueKeysWithValues: allCases.enumerated().map {
            ($1.rawValue, Entry(key: $1, bit: 1 << UInt64($0)))
        })

    struct Entry: Sendable {
        var key: LineKey
        var bit: UInt64
    }

    static func entry(_ word: String) -> Entry? { table[word] }
}

/// The known keys that an object has had so far.
struct SeenKeys {
    private var bits: UInt64 = 0

    /// Notes a key; `nil` for one that is not known; one that comes again is an error.
    mutating func insert(_ word: String, at offset: Int) throws(JSONError) -> LineKey? {
        guard let entry = LineKey.entry(word) else { return nil }
        guard bits & entry.bit == 0 else { throw JSONError(.duplicate(key: word), at: offset) }
        bits |= entry.bit
        return entry.key
    }

    func contains(_ key: LineKey) -> Bool {
        LineKey.entry(key.rawValue).map { bits & $0.bit != 0 } ?? false
    }

    /// Throws unless all of `keys` have been there.
    func require(_ keys: Requirement, at offset: Int) throws(JSONError) {
        guard bits & keys.bits != keys.bits else { return }
        for key in keys.keys where !contains(key) {
            throw JSONError(.missing(key: key.rawValue), at: offset)
        }
    }

    /// Keys that must be there.
    struct Requirement: Sendable {
        let keys: [LineKey]
        fileprivate let bits: UInt64

        init(_ keys: LineKey...) {
            self.keys = keys
            bits = keys.reduce(0) { $0 | (LineKey.entry($1.rawValue)?.bit ?? 0) }
        }
    }
}

/// A byte string that is being read: from its key, or byte for byte from the key that ends in `_raw`.
struct NameBuffer {
    private(set) var bytes: [UInt8] = []
    private var isRaw = false

    /// Forgets what was read, and keeps the memory.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        isRaw = false
    }

    /// Takes bytes that were found to mean themselves.
    mutating func set(_ text: UnsafeRawBufferPointer) {
        clear()
        bytes.append(contentsOf: text)
    }

    /// Reads the text form, which says nothing new if the bytes themselves are known.
    mutating func read(_ parser: inout JSONParser) throws(JSONError) {
        if isRaw {
            _ = try parser.string()
        } else {
            try parser.string(into: &bytes)
        }
    }

    /// Reads the bytes in base64, which outdo the text form.
    mutating func readRaw(_ parser: inout JSONParser, key: LineKey) throws(JSONError) {
        bytes = try parser.rawString(key.rawValue)
        isRaw = true
    }
}

extension TextTree {
    /// The number of what was read; the empty string is `.none`.
    mutating func intern(_ name: borrowing NameBuffer) -> TextID {
        name.bytes.isEmpty ? .none : intern(name.bytes)
    }
}

/// Room for the names of a line, used again for each.
struct NameBuffers: ~Copyable {
    /// `path` or `name`.
    var object = NameBuffer()
    var executable = NameBuffer()
    var script = NameBuffer()
    var workload = NameBuffer()
}

// Values that the format builds from strings and objects.

extension JSONParser {
    /// Reads a time: nanoseconds since 1970.
    mutating func time(_ key: LineKey) throws(JSONError) -> UInt64 { try time(key.rawValue) }

    mutating func time(_ key: String) throws(JSONError) -> UInt64 {
        guard let time = Timestamp.parse(try string().utf8) else {
            throw JSONError(.malformed(key: key), at: offset)
        }
        return time
    }

    /// Reads an address.
    mutating func address(_ key: String) throws(JSONError) -> NetworkAddress {
        guard let address = NetworkAddress(try string()) else {
            throw JSONError(.malformed(key: key), at: offset)
        }
        return address
    }

    /// Reads a number of observations, of which there is at least one.
    mutating func count() throws(JSONError) -> UInt64 {
        let start = offset
        let count = try unsigned()
        guard count > 0 else { throw JSONError(.range, at: start) }
        return count
    }

    /// Reads a list of names.
    mutating func names() throws(JSONError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try beginArray()
        while try nextElement() {
            var name: [UInt8] = []
            try string(into: &name)
            names.append(name)
        }
        return names
    }

    /// Reads what a folded record stands for.
    mutating func fold() throws(JSONError) -> Fold {
        var fold = Fold()
        var seen = SeenKeys()
        var names: [[UInt8]] = []
        var rawNames: [[UInt8]]?
        try beginObject()
        while let word = try nextKey() {
            switch try seen.insert(word, at: offset) {
            case .paths: fold.paths = try count()
            case .names: names = try self.names()
            case .namesRaw: rawNames = try self.rawNames(LineKey.namesRaw.rawValue)
            default: try skip()
            }
        }
        try seen.require(.paths, at: offset)
        for name in rawNames ?? names { fold.add(name) }
        return fold
    }

    /// Reads a word of the vocabulary.
    mutating func word<Value>(_ key: LineKey, _ make: (String) -> Value?) throws(JSONError) -> Value {
        let word = try string()
        guard let value = make(word) else {
            throw JSONError(.unknown(word: word, key: key.rawValue), at: offset)
        }
        return value
    }

    /// Reads an object with an address and, unless it is the far end of an accept, a port.
    mutating func endpoint() throws(JSONError) -> (endpoint: Endpoint, hasPort: Bool) {
        var endpoint = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)
        var seen = SeenKeys()
        try beginObject()
        while let word = try nextKey() {
            switch try seen.insert(word, at: offset) {
            case .address: endpoint.address = try address(word)
            case .port: endpoint.port = UInt16(try unsigned(maximum: UInt64(UInt16.max)))
            default: try skip()
            }
        }
        try seen.require(.address, at: offset)
        return (endpoint, seen.contains(.port))
    }
}

extension SeenKeys.Requirement {
    fileprivate static let address = Self(.address)
    fileprivate static let paths = Self(.paths)
}
