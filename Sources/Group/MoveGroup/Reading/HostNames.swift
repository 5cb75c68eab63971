import Records

/// The hosts that one of two threads met in a list, by numbers of its own: the graph's numbers are given
/// when both threads rest, in the order of the file.
struct HostNames: ~Copyable {
    private var names = NodeTable()
    /// For each host the tag of an entry on it, as far as they were given.
    private(set) var tags = Column<UInt32>()

    /// The thread's own number of a host.
    @inline(__always)
    mutating func number(_ name: UnsafeRawBufferPointer) -> UInt32 { names.intern(0, name) }

    /// Whether there are hosts without a number in the graph.
    var hasUnsettled: Bool { tags.count < names.count }

    /// Gives the hosts that are new their numbers in the graph.
    mutating func settle(_ builder: inout GraphBuilder) {
        while tags.count < names.count {
            let name = names.withText(UInt32(tags.count)) { String(decoding: $0, as: UTF8.self) }
            tags.append(NodeTag.make(.entry, builder.listedHost(name)))
        }
    }
}
