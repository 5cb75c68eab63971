import Records

/// A host, as all inputs together know it.
public struct Host: Sendable {
    /// Its id: what dumps name it by, or the address that a list has.
    public var id: String
    /// Its name; empty if no input tells it.
    public var name: String
    /// Its addresses, loopback left out, in the order in which they were met.
    public var addresses: [NetworkAddress]
    /// The first and last moment of which something is known, nanoseconds since 1970; 0 if no input tells.
    public var observed: ClosedRange<UInt64>
    /// Spans in which events were lost.
    public var gaps: [Gap]

    /// Makes a host of which only the id is known; an id that is an address is its address.
    public init(id: String) {
        self.id = id
        name = ""
        addresses = NetworkAddress(id).map { $0.isLoopback || $0.isWildcard ? [] : [$0] } ?? []
        observed = 0...0
        gaps = []
    }

    /// What to call it: its name if it has one.
    public var title: String { name.isEmpty ? id : name }
}

/// An input: a dump, a store, a list.
public struct Source: Sendable {
    /// For messages: the path of the file.
    public var name: String
    /// Dependencies read from it.
    public var rows: Int
    /// Lines that could not be read and were skipped, since that was asked for.
    public var skipped: Int

    /// Makes an input of which nothing was read.
    public init(name: String) {
        self.name = name
        rows = 0
        skipped = 0
    }
}
