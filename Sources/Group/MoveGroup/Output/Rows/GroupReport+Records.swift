import Records

extension GroupReport {
    /// Writes the dependencies between members as a dependency list of four columns: host A, path A, host B,
    /// path B.
    public func writeList<Failure: Error>(
        withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        if withHeader {
            out.bytes.append("host A,path A,host B,path B")
            try out.endLine(sink)
        }
        var row: [UInt8] = []
        var last: [UInt8] = []
        try forEachDependency { dependency throws(Failure) in
            row.removeAll(keepingCapacity: true)
            append(host: graph.host(dependency.from), to: &row)
            row.append(",")
            append(field: graph[dependency.from].shownText, to: &row)
            row.append(",")
            appendOther(dependency, to: &row)
            // Two relations of the same two are one row.
            if row == last { return }
            swap(&row, &last)
            out.bytes += last
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    /// Writes the dependencies between members in the nine columns of docs/record-format.md. A row of a list
    /// that did not say how two belong together has an empty relation.
    public func writeRecords<Failure: Error>(
        withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        if withHeader {
            out.bytes.append("host A,path A,relation,access,host B,path B,count,first,last")
            try out.endLine(sink)
        }
        try forEachDependency { dependency throws(Failure) in
            append(host: graph.host(dependency.from), to: &out.bytes)
            out.bytes.append(",")
            append(field: graph[dependency.from].shownText, to: &out.bytes)
            out.bytes.append(",")
            if dependency.link != .listed { out.bytes.append(dependency.link.word) }
            out.bytes.append(",")
            if dependency.link == .file { out.bytes.append(dependency.access.letters) }
            out.bytes.append(",")
            appendOther(dependency, to: &out.bytes)
            out.bytes.append(",")
            if dependency.link != .listed {
                out.bytes.append(decimal: dependency.count)
                out.bytes.append(",", time: dependency.first)
                out.bytes.append(",", time: dependency.last)
            } else {
                out.bytes.append(",,")
            }
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    private func forEachDependency<Failure: Error>(
        _ body: (Dependency) throws(Failure) -> Void
    ) throws(Failure) {
        let ranks = ranks()
        let merger = DependencyMerger(graph, NodeOrder(graph, order.hosts))
        for node in order.nodes {
            for dependency in merger.dependencies(of: NodeID(rawValue: node), ranks: ranks) {
                try body(dependency)
            }
        }
    }

    /// Host B and path B.
    private func appendOther(_ dependency: Dependency, to out: inout [UInt8]) {
        let other = graph[dependency.to]
        guard case .endpoint(let transport, let endpoint) = other, dependency.link != .listen else {
            append(host: graph.host(dependency.to), to: &out)
            out.append(",")
            append(field: other.shownText, to: &out)
            return
        }
        // The far end of a connection is a host by its address; its port is that of the service.
        endpoint.address.append(to: &out)
        out.append(",")
        out.append(transport.word)
        out.append(":")
        var port = endpoint.port
        if dependency.link == .accept, let via = dependency.via, case .endpoint(_, let local) = graph[via] {
            port = local.port
        }
        out.append(decimal: UInt64(port))
    }

    private func append(host: HostID, to out: inout [UInt8]) { Self.appendField(graph[host].id, to: &out) }

    private func append(field: [UInt8], to out: inout [UInt8]) {
        field.withUnsafeBytes { CSVField.append($0, to: &out) }
    }
}
