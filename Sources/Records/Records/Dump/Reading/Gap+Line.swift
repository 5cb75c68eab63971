extension Gap {
    /// Reads the line of a gap.
    init(line text: UnsafeRawBufferPointer) throws(JSONError) {
        var parser = JSONParser(text)
        var gap = Gap(source: "", cause: "", from: 0, to: 0, lost: 0)
        var seen = SeenKeys()
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .source: gap.source = try parser.string()
            case .cause: gap.cause = try parser.string()
            case .from: gap.from = try parser.time(.from)
            case .to: gap.to = try parser.time(.to)
            case .lost: gap.lost = try parser.unsigned()
            case .resynchronised: gap.resynchronised = try parser.time(.resynchronised)
            default: try parser.skip()
            }
        }
        try parser.end()
        try seen.require(.gap, at: parser.offset)
        self = gap
    }
}

extension SeenKeys.Requirement {
    // The cause is an addition to the contract, and so may be missing.
    fileprivate static let gap = Self(.source, .from, .to, .lost)
}
