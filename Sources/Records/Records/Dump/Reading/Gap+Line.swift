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
