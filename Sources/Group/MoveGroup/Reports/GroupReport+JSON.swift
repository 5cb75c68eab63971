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

    /// Writes for each of some members the chain of steps that brought it in, as JSON (docs/group-format.md): the steps
    /// are members with their reason, the first of them where the group begins.
    public func writeReasonChains<Failure: Error>(
        of nodes: [NodeID], to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var document = GroupDocument(self, chunk: 256 << 10)
        try document.writeChains(of: nodes, to: sink)
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

/// A group in the form `retinue-group/1`, as it is written.
struct GroupDocument {
    private let report: GroupReport
    private let reasons: Reasons
    private let chunk: Int
    private var out: JSONWriter
    private var graph: DependencyGraph { report.graph }

    init(_ report: GroupReport, chunk: Int) {
        self.report = report
        self.chunk = chunk
        reasons = Reasons(report)
        // Room for the line that goes over.
        out = JSONWriter(capacity: chunk + min(chunk, 16 << 10))
    }

    mutating func write<Failure: Error>(
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        out.beginObject()
        out.member("schema", word: "retinue-group/1")
        out.member("mode", word: report.group.options.isSymmetric ? "symmetric" : "directed")
        out.beginLine()
        try list("start", report.start, sink) { $0.append($1) }
        out.beginLine()
        try list("hosts", report.shownHosts, sink) { $0.append($1) }
        let members = report.members
        out.beginLine()
        out.key("members")
        out.beginObject()
        for kind in NodeKind.allCases {
            out.beginLine()
            try list(kind.plural, members.filter { graph.kind($0) == kind }, sink) { $0.appendMember($1) }
        }
        out.endObject()
        let boundary = Boundary(report)
        out.beginLine()
        out.key("boundary")
        out.beginObject()
        out.beginLine()
        try list("crossings", boundary.crossings, sink) { $0.append($1) }
        out.beginLine()
        try list("endpoints", boundary.endpoints, sink) { $0.append($1) }
        out.endObject()
        out.beginLine()
        appendTotals(members, boundary)
        out.endObject()
        out.endDocument()
        try out.handOver(to: sink)
    }

    /// Writes an array, one element a line.
    private mutating func list<Element, Failure: Error>(
        _ key: StaticString, _ elements: [Element],
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void,
        _ append: (inout GroupDocument, Element) -> Void
    ) throws(Failure) {
        out.key(key)
        out.beginArray()
        for element in elements {
            out.beginLine()
            append(&self, element)
            try out.handOver(chunk: chunk, to: sink)
        }
        out.endArray()
    }

    /// A node: host, kind, and what it is known by.
    private mutating func append(_ node: NodeID) {
        out.beginObject()
        appendMembers(of: node)
        out.endObject()
    }

    private mutating func appendMembers(of node: NodeID) {
        let object = graph[node]
        out.member("kind", word: object.kind.word)
        if graph.host(node) != .none { out.member("host", text: graph[graph.host(node)].id) }
        switch object {
        case .program(let name):
            out.member("executable", bytes: name.executable)
            if !name.script.isEmpty { out.member("script", bytes: name.script) }
            if !name.workload.isEmpty { out.member("workload", bytes: name.workload) }
        case .file(let path):
            out.member("path", bytes: path)
            if FoldedFolders.isFolded(path) { out.member("folded", flag: true) }
        case .entry(let path): out.member("path", bytes: path)
        case .endpoint(let transport, let endpoint):
            out.member("transport", word: transport.word)
            append("address", endpoint.address)
            // Without one it stands for whatever port the far end had.
            if endpoint.port != 0 { out.member("port", number: endpoint.port) }
        case .channel(let mechanism, let name):
            out.member("mechanism", word: mechanism.word)
            out.member("name", bytes: name)
        }
    }

    private mutating func append(_ key: StaticString, _ address: NetworkAddress) {
        out.key(key)
        out.value(plain: address.append)
    }

    /// A member of the group: the node, its distance, its reason.
    private mutating func appendMember(_ node: NodeID) {
        out.beginObject()
        appendMembers(of: node)
        out.member("distance", number: reasons.distance(of: node))
        if graph.kind(node) == .file, !report.group.options.isSymmetric {
            out.member("bound", flag: report.group.isBound(node))
        }
        if report.group.isStop(node) { out.member("stop", flag: true) }
        if let reason = reasons[node] { append(reason) }
        out.endObject()
    }

    private mutating func append(_ reason: Reasons.Reason) {
        out.key("reason")
        out.beginObject()
        out.member("follow", word: reason.follow.word)
        out.key("via")
        append(reason.from)
        append(reason.dependency, dependent: reason.isIncoming ? "member" : "via")
        out.endObject()
    }

    mutating func writeChains<Failure: Error>(
        of nodes: [NodeID], to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        out.beginObject()
        out.member("schema", word: "retinue-why/1")
        out.beginLine()
        try list("chains", nodes, sink) { document, node in
            let steps = document.report.group.chain(to: node)
            document.out.beginArray()
            document.append(steps.first?.from ?? node)
            for step in steps {
                document.out.beginObject()
                document.appendMembers(of: step.to)
                document.append(document.reasons.reason(step))
                document.out.endObject()
            }
            document.out.endArray()
        }
        out.endObject()
        out.endDocument()
        try out.handOver(to: sink)
    }

    private mutating func append(_ dependency: Dependency, dependent: StaticString) {
        out.member("relation", word: dependency.link.word)
        out.member("dependent", word: dependent)
        if let via = dependency.via {
            out.key("at")
            append(via)
        }
        if dependency.link == .file { out.member("access", word: dependency.access.letters) }
        if let evidence = dependency.evidence { out.member("evidence", word: evidence.word) }
        if dependency.change != 0 { out.member("change", number: UInt64(dependency.change)) }
        if dependency.count != 0 { out.member("count", number: dependency.count) }
        if dependency.first != 0 { out.member("first", time: dependency.first) }
        if dependency.last != 0 { out.member("last", time: dependency.last) }
        if dependency.link == .connect || dependency.link == .accept {
            out.member("sent", number: dependency.sent)
            out.member("received", number: dependency.received)
        }
    }

    private mutating func append(_ number: HostID) {
        let host = graph[number]
        out.beginObject()
        out.member("id", text: host.id)
        if !host.name.isEmpty { out.member("name", text: host.name) }
        out.key("addresses")
        out.beginArray()
        for address in host.sortedAddresses { out.value(plain: address.append) }
        out.endArray()
        if host.observed.upperBound != 0 {
            out.object("observed") { out in
                out.member("from", time: host.observed.lowerBound)
                out.member("to", time: host.observed.upperBound)
            }
        }
        out.key("gaps")
        out.beginArray()
        for gap in host.sortedGaps { append(gap) }
        out.endArray()
        out.endObject()
    }

    private mutating func append(_ gap: Gap) {
        out.object { out in
            out.member("source", text: gap.source)
            if !gap.cause.isEmpty { out.member("cause", text: gap.cause) }
            out.member("from", time: gap.from)
            out.member("to", time: gap.to)
            if let lost = gap.lost { out.member("lost", number: lost) }
            if gap.resynchronised != 0 { out.member("resynchronised", time: gap.resynchronised) }
        }
    }

    private mutating func append(_ crossing: Boundary.Crossing) {
        out.beginObject()
        out.key("member")
        append(crossing.member)
        if crossing.other != crossing.member {
            out.key("other")
            append(crossing.other)
        }
        if let dependency = crossing.dependency {
            let isOwn = dependency.from == crossing.member
            append(dependency, dependent: isOwn ? "member" : "other")
        }
        out.member("obstacle", word: crossing.obstacle.word)
        if let (text, origin) = report.group.cause(of: crossing.obstacle) {
            out.member("rule", text: text)
            out.member("origin", text: origin)
        }
        out.endObject()
    }

    private mutating func append(_ endpoint: Boundary.Endpoint) {
        out.beginObject()
        out.member("transport", word: endpoint.transport.word)
        // With a host: an address of an observed host, of which nobody was seen to take the connection, or somebody
        // who stays behind.
        let host = graph.host(endpoint.node)
        if host != .none { out.member("host", text: graph[host].id) }
        out.member("direction", word: endpoint.isIncoming ? "in" : "out")
        append("address", endpoint.address)
        if endpoint.port != 0 { out.member("port", number: endpoint.port) }
        out.member("sent", number: endpoint.sent)
        out.member("received", number: endpoint.received)
        if endpoint.obstacle != .unobserved { out.member("obstacle", word: endpoint.obstacle.word) }
        out.key("members")
        out.beginArray()
        for member in endpoint.members { append(member) }
        out.endArray()
        out.endObject()
    }

    private mutating func appendTotals(_ members: [NodeID], _ boundary: Boundary) {
        var counts = [UInt64](repeating: 0, count: NodeKind.allCases.count)
        var bound: UInt64 = 0
        for node in members {
            counts[Int(graph.kind(node).rawValue)] += 1
            if graph.kind(node) == .file, report.group.isBound(node) { bound += 1 }
        }
        let hosts = report.shownHosts.count
        out.object("totals") { out in
            out.member("hosts", number: hosts)
            out.member("members", number: members.count)
            for kind in NodeKind.allCases { out.member(kind.plural, number: counts[Int(kind.rawValue)]) }
            out.member("bound_files", number: bound)
            out.member("crossings", number: boundary.crossings.count)
            out.member("endpoints_to_reconnect", number: boundary.endpoints.count)
        }
    }
}

extension GraphHost {
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
            // One of which the number is not known comes first.
            return (left.lost ?? 0, left.resynchronised) < (right.lost ?? 0, right.resynchronised)
        }
    }
}
