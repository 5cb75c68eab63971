/// A dump read back: its header, and its dependencies and gaps as a ledger.
///
/// The ledger's numbers are its own, not those of the daemon that wrote the dump; its records are clean.
public struct DumpContents: ~Copyable {
    /// The first line.
    public var header: DumpHeader
    /// What the other lines say.
    public var ledger: Ledger

    /// Puts a header and a ledger together.
    public init(header: DumpHeader, ledger: consuming Ledger) {
        self.header = header
        self.ledger = ledger
    }

    /// Reads a dump that lies in memory whole.
    public init(ndjson bytes: [UInt8]) throws(DumpError) {
        var reader = DumpReader()
        try reader.feed(bytes)
        self = try reader.finish()
    }

    /// Takes the ledger out.
    public consuming func takeLedger() -> Ledger { ledger }
}
