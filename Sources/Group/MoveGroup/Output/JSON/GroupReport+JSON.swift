import Records

extension GroupReport {
    /// Writes the group as one JSON document, `retinue-group/1` (docs/group-format.md): one member a line.
    ///
    /// - Parameters:
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeJSON<Failure: Error>(
        chunk: Int = 256 << 10, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var document = GroupDocument(self, chunk: chunk)
        try document.write(to: sink)
    }

    /// The hosts on which there are members, in order.
    var shownHosts: [HostID] {
        var hosts: [HostID] = []
        for part in order.parts where part.host != .none && hosts.last != part.host {
            hosts.append(part.host)
        }
        return hosts
    }
}

extension NodeKind {
    /// The word for several of them.
    var plural: StaticString {
        switch self {
        case .program: "programs"
        case .file: "files"
        case .endpoint: "endpoints"
        case .channel: "channels"
        case .entry: "entries"
        }
    }
}
