import Records

/// A group as the parts of a page for people. All texts are fit for a terminal.
public struct GroupSummary: Sendable {
    /// A table under a title.
    public struct Section: Sendable, Equatable {
        /// A column.
        public struct Column: Sendable, Equatable {
            /// Its heading.
            public var title: String
            /// Whether it is flush right.
            public var isNumber = false
            /// Whether its texts may be cut where space is short.
            public var mayBeCut = false
        }
        /// What stands above it; the name of a host, or what it is about.
        public var title: String
        /// The columns.
        public var columns: [Column]
        /// The rows, each with a text for each column.
        public var rows: [[String]]
    }

    /// `Move group of /usr/sbin/nginx on web1: 12 programs, 340 files, 3 addresses on 3 hosts`.
    public var heading: String
    /// For each host its members: a column for the kind, one for the member, one for the reason.
    public var hosts: [Section] = []
    /// What stays behind, by the rule that says so.
    public var boundary: Section?
    /// Addresses to which nothing that was observed belongs.
    public var endpoints: Section?
    /// Sentences about what was not seen.
    public var warnings: [String] = []
}

extension GroupReport {
    /// The group as the parts of a page for people.
    ///
    /// - Parameter rowLimit: of a host's programs, bound files, addresses and channels, and of entries, no
    ///   more than this many of each are named; `nil` for all.
    public func summary(rowLimit: Int? = 50) -> GroupSummary {
        let boundary = Boundary(self)
        var summary = GroupSummary(heading: heading)
        summary.hosts = SummaryHosts(self, rowLimit: rowLimit).sections
        summary.boundary = rulesSection(boundary)
        summary.endpoints = endpointsSection(boundary)
        summary.warnings = warnings(boundary)
        return summary
    }

    private var heading: String {
        let starts = start
        var name = starts.first.map { Printable.text(graph[$0].shownText) } ?? "nothing"
        if let first = starts.first, graph.host(first) != .none {
            name += " on " + Printable.text(hostLabel(of: first).utf8)
        }
        if starts.count > 1 { name += " and \(Quantity.grouped(starts.count - 1)) more" }
        var counts: [NodeKind: Int] = [:]
        for part in order.parts { counts[part.kind, default: 0] += part.range.count }
        let words: [(NodeKind, String, String)] = [
            (.program, "program", "programs"), (.file, "file", "files"), (.endpoint, "address", "addresses"),
            (.channel, "channel", "channels"), (.entry, "entry", "entries"),
        ]
        let parts = words.compactMap { kind, one, many in
            counts[kind].map { Quantity.counted($0, one, many) }
        }
        let hosts = Quantity.counted(shownHosts.count, "host", "hosts")
        return "Move group of \(name): \(parts.joined(separator: ", ")) on \(hosts)"
    }

    private func rulesSection(_ boundary: Boundary) -> GroupSummary.Section? {
        struct Key: Hashable {
            var obstacle: Obstacle
            var isStop: Bool
        }
        var examples: [Key: [NodeID]] = [:]
        for crossing in boundary.crossings where crossing.obstacle != .unobserved {
            let key = Key(obstacle: crossing.obstacle, isStop: crossing.other == crossing.member)
            examples[key, default: []].append(crossing.other)
        }
        guard !examples.isEmpty else { return nil }
        let nodes = NodeOrder(graph, order.hosts)
        let keys = examples.keys.sorted { left, right in
            left.obstacle.rank != right.obstacle.rank
                ? left.obstacle.rank < right.obstacle.rank : !left.isStop && right.isStop
        }
        let rows = keys.map { key -> [String] in
            let crossings = examples[key] ?? []
            let others = Set(crossings).sorted { nodes.compare($0, $1) < 0 }
            let first = others.first.map { Printable.text(graph[$0].shownText) } ?? ""
            let more = others.count > 1 ? " and \(Quantity.grouped(others.count - 1)) more" : ""
            let why = obstacleText(key.obstacle) + (key.isStop ? " (moves, nothing beyond)" : "")
            return [why, Quantity.grouped(crossings.count), first + more]
        }
        return GroupSummary.Section(
            title: "What stays behind",
            columns: [
                .init(title: "RULE", mayBeCut: true), .init(title: "TIMES", isNumber: true),
                .init(title: "WHAT", mayBeCut: true),
            ],
            rows: rows)
    }

    private func obstacleText(_ obstacle: Obstacle) -> String {
        switch obstacle {
        case .unobserved: "not observed"
        case .executed: "writes what is only executed"
        case .unknown: "a program of which nothing is known"
        case .rule, .stopAt, .exclude:
            group.cause(of: obstacle).map { cause in
                let isOption = cause.origin.hasPrefix("--")
                return Printable.text((isOption ? "\(cause.origin) \(cause.text)" : cause.text).utf8)
            } ?? ""
        }
    }

    private func endpointsSection(_ boundary: Boundary) -> GroupSummary.Section? {
        guard !boundary.endpoints.isEmpty else { return nil }
        let rows = boundary.endpoints.map { endpoint -> [String] in
            let address = endpoint.address.isV4 ? "\(endpoint.address)" : "[\(endpoint.address)]"
            let port = endpoint.port == 0 ? "*" : String(endpoint.port)
            let place =
                endpoint.isIncoming
                ? "from \(endpoint.transport.word):\(address) at port \(port)"
                : "to \(endpoint.transport.word):\(address):\(port)"
            let first = endpoint.members.first.map { ReasonText(self).text($0) } ?? ""
            let more = endpoint.members.count - 1
            return [
                place, Quantity.grouped(endpoint.sent), Quantity.grouped(endpoint.received),
                more > 0 ? "\(first) and \(Quantity.grouped(more)) more" : first,
            ]
        }
        return GroupSummary.Section(
            title: "To be reconnected",
            columns: [
                .init(title: "ADDRESS"), .init(title: "SENT", isNumber: true),
                .init(title: "RECEIVED", isNumber: true), .init(title: "USED BY", mayBeCut: true),
            ],
            rows: rows)
    }

    /// Sentences about what was not seen, fit for a terminal.
    public var warnings: [String] { warnings(Boundary(self)) }

    private func warnings(_ boundary: Boundary) -> [String] {
        var warnings: [String] = []
        for number in shownHosts where !graph[number].gaps.isEmpty {
            let gaps = graph[number].sortedGaps
            let title = Printable.text(order.hosts.labels[Int(number.rawValue)].utf8)
            let spans = Quantity.counted(gaps.count, "span", "spans")
            let from = Timestamp.text(gaps[0].from)
            let to = Timestamp.text(gaps.map(\.to).max() ?? gaps[0].to)
            warnings.append(
                "\(title) lost events in \(spans) from \(from) to \(to): more may belong to the group")
        }
        for number in shownHosts where graph[number].observed.upperBound == 0 && !graph.hasEntries {
            let title = Printable.text(order.hosts.labels[Int(number.rawValue)].utf8)
            warnings.append("of \(title) there is no dump: what its programs depend on is not known")
        }
        var skipped: Set<String> = []
        for source in graph.sources where source.skipped > 0 {
            let lines = Quantity.counted(source.skipped, "line", "lines")
            skipped.insert(
                "\(lines) of \(Printable.text(source.name.utf8)) could not be read and were skipped")
        }
        warnings += skipped.sorted()
        let others = Set(boundary.endpoints.map(\.address)).count
        if others > 0 {
            let addresses = Quantity.counted(others, "address was", "addresses were")
            warnings.append("\(addresses) not observed: what is there is not in the group")
        }
        return warnings
    }
}
