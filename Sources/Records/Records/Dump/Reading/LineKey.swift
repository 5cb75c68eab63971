/// A key that a line, or an object in it, may have (the header apart).
enum LineKey: String, CaseIterable {
    case type, host, program, relation, count, first, last, evidence
    case path, kind, access, child, transport, remote, local, peer, sent, received, mechanism, name
    case executable, script, workload, address, port
    case source, cause, from, to, lost, resynchronised
    case folded, paths, names, change, pid, start, observed
    case startObserved = "start_observed"
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
