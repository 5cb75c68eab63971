/// A dump that is being written, a piece at a time; `Ledger.advance` writes the pieces. Nothing may be forgotten
/// meanwhile: it knows records by their numbers.
public struct DumpProgress: ~Copyable {
    var lines: DumpLines
    let header: DumpHeader
    /// Records that there were when it was begun.
    let recordCount: Int
    /// Gaps as they were when it was begun.
    let gaps: [Gap]
    /// Likewise.
    let tombstones: [Tombstone]
    /// The next record.
    var position = 0
    var hasHeader = false

    /// Begins a dump of what a ledger has now.
    ///
    /// - Parameters:
    ///   - header: the first line; its host is named on every dependency. Its `contents` is set here.
    ///   - chunk: bytes after which the next full line is handed over.
    public init(of ledger: borrowing Ledger, header: DumpHeader, chunk: Int = 256 << 10) {
        lines = DumpLines(host: header.hostID, chunk: chunk)
        recordCount = ledger.records.count
        gaps = ledger.gaps
        tombstones = ledger.tombstones
        var header = header
        header.contents = DumpHeader.Contents(
            dependencies: UInt64(ledger.records.count), gaps: UInt64(ledger.gaps.count),
            tombstones: UInt64(ledger.tombstones.count))
        self.header = header
    }
}
