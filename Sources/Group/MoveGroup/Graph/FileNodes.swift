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
    private var bytes: [UInt8] = []
    private var speller = TextSpeller()
    private var seen: UInt64 = 0

    init() {}

    /// Looks ahead at what the records of a range, of which there are at most `places`, are about.
    mutating func prepare(
        _ range: Range<Int>, of ledger: borrowing Ledger, on host: HostID, in nodes: borrowing NodeTable
    ) {
        bytes.removeAll(keepingCapacity: true)
        let tag = NodeTag.make(.file, host)
        for position in range where ledger.records[position].key.relation == .file {
            let text = speller.spell(
                TextID(rawValue: ledger.records[position].key.object), in: ledger.texts)
            let hash = nodes.hash(tag, text)
            texts[position - range.lowerBound] = Text(start: bytes.count, count: text.count, hash: hash)
            bytes.append(contentsOf: text)
        }
        // Nothing but looks, so that a core has many of them under way.
        for place in 0..<range.count { seen ^= nodes.peek(texts[place].hash) }
        for place in 0..<range.count { seen ^= nodes.peekEntry(texts[place].hash) }
    }

    /// The number of the file that the record at a place of the range is about.
    @inline(__always)
    func intern(_ place: Int, on host: HostID, in nodes: inout NodeTable) -> UInt32 {
        let text = texts[place]
        return bytes.withUnsafeBytes { bytes in
            nodes.intern(
                NodeTag.make(.file, host),
                UnsafeRawBufferPointer(rebasing: bytes[text.start..<text.start + text.count]), hash: text.hash
            )
        }
    }

    /// The text of the file that the record at a place of the range is about.
    func text(_ place: Int) -> [UInt8] {
        Array(bytes[texts[place].start..<texts[place].start + texts[place].count])
    }
}
