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
        var out = OutputBuffer(chunk: chunk)
        let writer = JSONWriter(self)
        out.bytes.append("{\"schema\":\"retinue-group/1\"")
        JSONForm.append("mode", word: group.options.isSymmetric ? "symmetric" : "directed", to: &out.bytes)
        out.bytes.append(",\n\"start\":")
        try writer.list(start, &out, sink) { node, out in writer.append(node, to: &out) }
        out.bytes.append(",\n\"hosts\":")
        try writer.list(shownHosts, &out, sink) { host, out in writer.append(host, to: &out) }
        out.bytes.append(",\n\"members\":{")
        let members = members
        for (number, kind) in NodeKind.allCases.enumerated() {
            out.bytes.append(number == 0 ? "\n\"" : ",\n\"")
            out.bytes.append(kind.plural)
            out.bytes.append("\":")
            let some = members.filter { graph.kind($0) == kind }
            try writer.list(some, &out, sink) { node, out in writer.appendMember(node, to: &out) }
        }
        out.bytes.append("},\n\"boundary\":{\n\"crossings\":")
        let boundary = Boundary(self)
        try writer.list(boundary.crossings, &out, sink) { crossing, out in writer.append(crossing, to: &out) }
        out.bytes.append(",\n\"endpoints\":")
        try writer.list(boundary.endpoints, &out, sink) { endpoint, out in writer.append(endpoint, to: &out) }
        out.bytes.append("},\n\"totals\":{")
        writer.appendTotals(members, boundary, to: &out.bytes)
        out.bytes.append("}}")
        try out.endLine(sink)
        try out.flush(sink)
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
