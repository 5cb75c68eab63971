import Records

/// The nodes of a dump's files, some at a time: their texts are written out and the index is looked at ahead, so that the
/// misses of the processor's caches overlap.
struct FileNodes: ~Copyable {
    /// Records that are looked at together.
    static let places = 32

    private struct Text {
        var start = 0
        var count = 0
        var hash: UInt64 = 0
    }

    private var texts = [Text](repeating: Text(), count: places)
    /// The texts, one behind another.
    private var bytes = GrowingBytes()
    private var speller = TextSpeller()
    private var seen: UInt64 = 0

    init() {}

    /// Looks ahead at what the records of a range, of which there are at most `places`, are about.
    mutating func prepare(
        _ range: Range<Int>, of ledger: borrowing Ledger, on host: HostID, in nodes: borrowing NodeTable
    ) {
        bytes.removeAll()
        let tag = NodeTag.make(.file, host)
        for position in range where ledger.records[position].key.relation == .file {
            let text = speller.spell(
                TextID(rawValue: ledger.records[position].key.object), in: ledger.texts)
            let hash = nodes.hash(tag, text)
            texts[position - range.lowerBound] = Text(start: bytes.count, count: text.count, hash: hash)
            bytes.append(text)
        }
        // Nothing but looks, so that a core has many of them under way.
        for place in 0..<range.count { seen ^= nodes.peek(texts[place].hash) }
        for place in 0..<range.count { seen ^= nodes.peekEntry(texts[place].hash) }
    }

    /// Lends the text of the file that the record at a place of the range is about.
    @inline(__always)
    private func withText<Result>(_ place: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let text = texts[place]
        return bytes.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[text.start..<text.start + text.count]))
        }
    }

    /// The number of the file that the record at a place of the range is about.
    @inline(__always)
    func intern(_ place: Int, on host: HostID, in nodes: inout NodeTable) -> UInt32 {
        withText(place) { nodes.intern(NodeTag.make(.file, host), $0, hash: texts[place].hash) }
    }

    /// The text of the file that the record at a place of the range is about.
    func text(_ place: Int) -> [UInt8] { withText(place) { Array($0) } }
}
