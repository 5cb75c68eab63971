// The lines of gaps; and those of tombstones, for which a ledger has no place: they are checked, and nothing is kept.

extension DumpReader {
    /// Checks the line of a record that is gone. A dump holds what is there, so that there is nothing to take out.
    func checkTombstone(_ text: UnsafeRawBufferPointer, host: String) throws(JSONError) {
        var parser = JSONParser(text)
        var fields = DependencyFields()
        var seen = SeenKeys()
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .host: try parser.host(host, word)
            case .program, .child, .peer: try parser.checkProgram()
            case .path, .name: _ = try parser.string()
            case let key?: try fields.read(key, &parser)
            case nil: try parser.skip()
            }
        }
        try parser.end()
        try seen.require(.tombstone, at: parser.offset)
        try seen.require(.identity(of: fields.relation), at: parser.offset)
        try fields.requirePorts(at: parser.offset)
    }
}

extension JSONParser {
    /// Reads the host of a line, which is that of the whole dump.
    mutating func host(_ host: String, _ key: String) throws(JSONError) {
        let named = try string()
        guard named == host else { throw JSONError(.unknown(word: named, key: key), at: offset) }
    }

    /// Checks a program.
    fileprivate mutating func checkProgram() throws(JSONError) {
        var seen = SeenKeys()
        try beginObject()
        while let word = try nextKey() {
            switch try seen.insert(word, at: offset) {
            case .executable, .script, .workload: _ = try string()
            default: try skip()
            }
        }
        try seen.require(.program, at: offset)
    }
}

extension SeenKeys.Requirement {
    fileprivate static let tombstone = Self(.host, .program, .relation, .change)

    /// What distinguishes one dependency of a relation from another.
    fileprivate static func identity(of relation: Relation) -> Self {
        switch relation {
        case .file: Self(.path)
        case .spawn: Self(.child)
        case .connect: Self(.transport, .remote)
        case .accept: Self(.transport, .local, .remote)
        case .listen: Self(.transport, .local)
        case .ipc: Self(.mechanism, .name)
        }
    }
}

extension Gap {
    /// Reads the line of a gap in a version of the format.
    init(line text: UnsafeRawBufferPointer, _ version: DumpVersion) throws(JSONError) {
        var parser = JSONParser(text)
        var gap = Gap(source: "", cause: "", from: 0, to: 0, lost: nil)
        var seen = SeenKeys()
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .source: gap.source = try parser.string()
            case .cause: gap.cause = try parser.string()
            case .from: gap.from = try parser.time(.from)
            case .to: gap.to = try parser.time(.to)
            case .lost:
                // Version 1 has 0 where nobody could know.
                let lost = try parser.unsigned()
                gap.lost = lost == 0 ? nil : lost
            case .resynchronised: gap.resynchronised = try parser.time(.resynchronised)
            default: try parser.skip()
            }
        }
        try parser.end()
        try seen.require(version == .first ? .firstGap : .gap, at: parser.offset)
        self = gap
    }
}

extension SeenKeys.Requirement {
    // The cause is an addition to the contract, and so may be missing.
    fileprivate static let gap = Self(.source, .from, .to)
    fileprivate static let firstGap = Self(.source, .from, .to, .lost)
}
