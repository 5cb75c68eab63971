import Records

/// Appends the objects of `retinue-group/1`.
struct JSONWriter {
    private let report: GroupReport
    private let reasons: Reasons
    private var graph: DependencyGraph { report.graph }

    init(_ report: GroupReport) {
        self.report = report
        reasons = Reasons(report)
    }

    /// Appends an array, one element a line.
    func list<Element, Failure: Error>(
        _ elements: [Element], _ out: inout OutputBuffer,
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void,
        _ append: (Element, inout [UInt8]) -> Void
    ) throws(Failure) {
        out.bytes.append("[")
        for (position, element) in elements.enumerated() {
            if position > 0 { out.bytes.append(",") }
            try out.endLine(sink)
            append(element, &out.bytes)
        }
        out.bytes.append("]")
    }

    /// A node: host, kind, and what it is known by.
    func append(_ node: NodeID, to out: inout [UInt8]) {
        out.append("{")
        appendKeys(node, to: &out)
        out.append("}")
    }

    private func appendKeys(_ node: NodeID, to out: inout [UInt8]) {
        let object = graph[node]
        out.append("\"kind\":\"")
        out.append(object.kind.word)
        out.append("\"")
        if graph.host(node) != .none { JSONForm.append("host", text: graph[graph.host(node)].id, to: &out) }
        switch object {
        case .program(let name):
            JSONForm.append("executable", bytes: name.executable, to: &out)
            if !name.script.isEmpty { JSONForm.append("script", bytes: name.script, to: &out) }
            if !name.workload.isEmpty { JSONForm.append("workload", bytes: name.workload, to: &out) }
        case .file(let path), .entry(let path): JSONForm.append("path", bytes: path, to: &out)
        case .endpoint(let transport, let endpoint):
            JSONForm.append("transport", word: transport.word, to: &out)
            JSONForm.append("address", text: endpoint.address.description, to: &out)
            // Without one it stands for whatever port the far end had.
            if endpoint.port != 0 { JSONForm.append("port", number: UInt64(endpoint.port), to: &out) }
        case .channel(let mechanism, let name):
            JSONForm.append("mechanism", word: mechanism.word, to: &out)
            JSONForm.append("name", bytes: name, to: &out)
        }
    }

    /// A member: the node, its distance, its reason.
    func appendMember(_ node: NodeID, to out: inout [UInt8]) {
        out.append("{")
        appendKeys(node, to: &out)
        JSONForm.append("distance", number: UInt64(reasons.distance(of: node)), to: &out)
        if graph.kind(node) == .file, !report.group.options.isSymmetric {
            JSONForm.key("bound", to: &out)
            out.append(report.group.isBound(node) ? "true" : "false")
        }
        if report.group.isStop(node) { out.append(",\"stop\":true") }
        if let reason = reasons[node] {
            JSONForm.key("reason", to: &out)
            out.append("{\"follow\":\"")
            out.append(reason.follow.word)
            out.append("\"")
            JSONForm.key("via", to: &out)
            append(reason.from, to: &out)
            append(reason.dependency, dependent: reason.isIncoming ? "member" : "via", to: &out)
            out.append("}")
        }
        out.append("}")
    }

    private func append(_ dependency: Dependency, dependent: StaticString, to out: inout [UInt8]) {
        JSONForm.append("relation", word: dependency.link.word, to: &out)
        JSONForm.append("dependent", word: dependent, to: &out)
        if let via = dependency.via {
            JSONForm.key("at", to: &out)
            append(via, to: &out)
        }
        if dependency.link == .file { JSONForm.append("access", word: dependency.access.letters, to: &out) }
        if let evidence = dependency.evidence { JSONForm.append("evidence", word: evidence.word, to: &out) }
        if dependency.count != 0 { JSONForm.append("count", number: dependency.count, to: &out) }
        if dependency.first != 0 { JSONForm.append("first", time: dependency.first, to: &out) }
        if dependency.last != 0 { JSONForm.append("last", time: dependency.last, to: &out) }
        if dependency.link == .connect || dependency.link == .accept {
            JSONForm.append("sent", number: dependency.sent, to: &out)
            JSONForm.append("received", number: dependency.received, to: &out)
        }
    }

    func append(_ number: HostID, to out: inout [UInt8]) {
        let host = graph[number]
        out.append("{\"id\":")
        JSONText.append(host.id, to: &out)
        if !host.name.isEmpty { JSONForm.append("name", text: host.name, to: &out) }
        JSONForm.key("addresses", to: &out)
        out.append("[")
        for (position, address) in host.sortedAddresses.enumerated() {
            out.append(position > 0 ? ",\"" : "\"")
            address.append(to: &out)
            out.append("\"")
        }
        out.append("]")
        if host.observed.upperBound != 0 {
            JSONForm.key("observed", to: &out)
            out.append("{\"from\":\"", time: host.observed.lowerBound)
            out.append("\",\"to\":\"", time: host.observed.upperBound)
            out.append("\"}")
        }
        JSONForm.key("gaps", to: &out)
        out.append("[")
        for (position, gap) in host.sortedGaps.enumerated() {
            if position > 0 { out.append(",") }
            append(gap, to: &out)
        }
        out.append("]}")
    }

    private func append(_ gap: Gap, to out: inout [UInt8]) {
        out.append("{\"source\":")
        JSONText.append(gap.source, to: &out)
        if !gap.cause.isEmpty { JSONForm.append("cause", text: gap.cause, to: &out) }
        JSONForm.append("from", time: gap.from, to: &out)
        JSONForm.append("to", time: gap.to, to: &out)
        JSONForm.append("lost", number: gap.lost, to: &out)
        if gap.resynchronised != 0 { JSONForm.append("resynchronised", time: gap.resynchronised, to: &out) }
        out.append("}")
    }

    func append(_ crossing: Boundary.Crossing, to out: inout [UInt8]) {
        out.append("{\"member\":")
        append(crossing.member, to: &out)
        if crossing.other != crossing.member {
            JSONForm.key("other", to: &out)
            append(crossing.other, to: &out)
        }
        if let dependency = crossing.dependency {
            let isOwn = dependency.from == crossing.member
            append(dependency, dependent: isOwn ? "member" : "other", to: &out)
        }
        JSONForm.append("obstacle", word: crossing.obstacle.word, to: &out)
        if let (text, origin) = report.group.cause(of: crossing.obstacle) {
            JSONForm.append("rule", text: text, to: &out)
            JSONForm.append("origin", text: origin, to: &out)
        }
        out.append("}")
    }

    func append(_ endpoint: Boundary.Endpoint, to out: inout [UInt8]) {
        out.append("{\"transport\":\"")
        out.append(endpoint.transport.word)
        out.append("\"")
        // With a host: an address of an observed host, of which nobody was seen to take the connection.
        let host = graph.host(endpoint.node)
        if host != .none { JSONForm.append("host", text: graph[host].id, to: &out) }
        JSONForm.append("direction", word: endpoint.isIncoming ? "in" : "out", to: &out)
        JSONForm.append("address", text: endpoint.address.description, to: &out)
        if endpoint.port != 0 { JSONForm.append("port", number: UInt64(endpoint.port), to: &out) }
        JSONForm.append("sent", number: endpoint.sent, to: &out)
        JSONForm.append("received", number: endpoint.received, to: &out)
        JSONForm.key("members", to: &out)
        out.append("[")
        for (position, member) in endpoint.members.enumerated() {
            if position > 0 { out.append(",") }
            append(member, to: &out)
        }
        out.append("]}")
    }

    func appendTotals(_ members: [NodeID], _ boundary: Boundary, to out: inout [UInt8]) {
        var counts = [UInt64](repeating: 0, count: NodeKind.allCases.count)
        var bound: UInt64 = 0
        for node in members {
            counts[Int(graph.kind(node).rawValue)] += 1
            if graph.kind(node) == .file, report.group.isBound(node) { bound += 1 }
        }
        out.append("\"hosts\":")
        out.append(decimal: UInt64(report.shownHosts.count))
        JSONForm.append("members", number: UInt64(members.count), to: &out)
        for kind in NodeKind.allCases {
            JSONForm.append(kind.plural, number: counts[Int(kind.rawValue)], to: &out)
        }
        JSONForm.append("bound_files", number: bound, to: &out)
        JSONForm.append("crossings", number: UInt64(boundary.crossings.count), to: &out)
        JSONForm.append("endpoints_to_reconnect", number: UInt64(boundary.endpoints.count), to: &out)
    }
}

extension Host {
    /// Its addresses in an order of their own: IPv4 first, by number.
    var sortedAddresses: [NetworkAddress] {
        addresses.sorted { left, right in
            if left.isV4 != right.isV4 { return left.isV4 }
            return (left.high, left.low) < (right.high, right.low)
        }
    }

    /// Its gaps by time.
    var sortedGaps: [Gap] {
        gaps.sorted { left, right in
            if left.from != right.from { return left.from < right.from }
            if left.to != right.to { return left.to < right.to }
            if left.source != right.source { return left.source < right.source }
            if left.cause != right.cause { return left.cause < right.cause }
            return (left.lost, left.resynchronised) < (right.lost, right.resynchronised)
        }
    }
}
