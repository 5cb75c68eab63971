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
    /// For each host that was observed since when, and what was lost.
    public var observations: [String] = []
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
    /// - Parameters:
    ///   - rowLimit: of a host's programs, addresses and channels, and of entries, no more than this many of each are
    ///     named, and files are folded by folder; `nil` names all.
    ///   - size: bytes of a file; `nil` if it cannot be looked at.
    public func summary(rowLimit: Int? = 50, size: @escaping (NodeID) -> UInt64? = { _ in nil })
        -> GroupSummary
    {
        let boundary = Boundary(self)
        var summary = GroupSummary(heading: heading)
        summary.hosts = SummaryHosts(self, rowLimit: rowLimit, size: size).sections
        summary.observations = observations
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

    /// `web1: observed 2026-11-21 02:00:00 to 2026-11-21 03:00:00, 12 events lost in 1 span`
    private var observations: [String] {
        shownHosts.filter { graph[$0].observed.upperBound != 0 }.map { number in
            let host = graph[number]
            func moment(_ time: UInt64) -> String {
                String(Timestamp.text(time).prefix(19).replacing("T", with: " "))
            }
            let (from, to) = (moment(host.observed.lowerBound), moment(host.observed.upperBound))
            return
                "\(Printable.text(order.hosts.labels[Int(number.rawValue)].utf8)): observed \(from) to \(to), "
                + Self.loss(host.gaps)
        }
    }

    private static func loss(_ gaps: [Gap]) -> String {
        if gaps.isEmpty { return "nothing lost" }
        var lost: UInt64 = 0
        for gap in gaps {
            lost = lost.addingReportingOverflow(gap.lost ?? 0).overflow ? .max : lost + (gap.lost ?? 0)
        }
        let unknown = gaps.count { $0.lost == nil }
        let counted = Quantity.counted(gaps.count - unknown, "span")
        return [
            gaps.count > unknown ? "\(Quantity.counted(lost, "event")) lost in \(counted)" : "",
            unknown > 0 ? "of \(Quantity.counted(unknown, "span")) it is not known what was lost" : "",
        ].filter { !$0.isEmpty }.joined(separator: ", ")
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
        let text = ReasonText(self)
        let rows = boundary.endpoints.map { endpoint -> [String] in
            let address = endpoint.address.isV4 ? "\(endpoint.address)" : "[\(endpoint.address)]"
            let port = endpoint.port == 0 ? "*" : String(endpoint.port)
            let place =
                endpoint.isIncoming
                ? "from \(endpoint.transport.word):\(address) at port \(port)"
                : "to \(endpoint.transport.word):\(address):\(port)"
            let why = endpoint.obstacle == .unobserved ? "" : " (\(obstacleText(endpoint.obstacle)))"
            let first = endpoint.members.first.map { text.text($0) } ?? ""
            let more = endpoint.members.count - 1
            return [
                place + why, Quantity.grouped(endpoint.sent), Quantity.grouped(endpoint.received),
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
        let others = Set(boundary.endpoints.filter { $0.obstacle == .unobserved }.map(\.address)).count
        if others > 0 {
            let addresses = Quantity.counted(others, "address was", "addresses were")
            warnings.append("\(addresses) not observed: what is there is not in the group")
        }
        return warnings
    }
}

/// The members of each host as tables.
struct SummaryHosts {
    private let report: GroupReport
    private let rowLimit: Int?
    private let size: (NodeID) -> UInt64?
    private let reasons: Reasons
    private let text: ReasonText

    /// Rows that the files of a host which are copied, and those which are bound, may take unless all are named.
    private static let fileRows = 12

    init(_ report: GroupReport, rowLimit: Int?, size: @escaping (NodeID) -> UInt64?) {
        self.size = size
        self.report = report
        self.rowLimit = rowLimit
        reasons = Reasons(report)
        text = ReasonText(report)
    }

    var sections: [GroupSummary.Section] {
        let parts = report.order.parts
        var hosts: [HostID] = []
        for part in parts where hosts.last != part.host { hosts.append(part.host) }
        return hosts.map { host in
            var rows: [[String]] = []
            for part in parts where part.host == host { append(part, to: &rows) }
            var columns: [GroupSummary.Section.Column] = [
                .init(title: "KIND"), .init(title: "MEMBER", mayBeCut: true),
                .init(title: "FILES", isNumber: true),
                .init(title: "SIZE", isNumber: true), .init(title: "WHY", mayBeCut: true),
            ]
            // What is known of no row is no column.
            for column in [3, 2] where rows.allSatisfy({ $0[column].isEmpty }) {
                columns.remove(at: column)
                for row in rows.indices { rows[row].remove(at: column) }
            }
            return GroupSummary.Section(title: title(host), columns: columns, rows: rows)
        }
    }

    private func title(_ host: HostID) -> String {
        if host == .none { return "On no observed host" }
        let label = Printable.text(report.order.hosts.labels[Int(host.rawValue)].utf8)
        let addresses = report.graph[host].sortedAddresses.map(\.description).filter { $0 != label }
        return addresses.isEmpty ? label : "\(label) (\(addresses.joined(separator: ", ")))"
    }

    private func append(_ part: MemberOrder.Part, to rows: inout [[String]]) {
        let nodes = part.range.map { NodeID(rawValue: report.order.nodes[$0]) }
        if part.kind == .file { return appendFiles(nodes, to: &rows) }
        let shown = nodes.prefix(rowLimit ?? nodes.count)
        for node in shown { rows.append([kind(node), text.name(node), "", "", why(node)]) }
        let hidden = nodes.count - shown.count
        if hidden > 0, let last = nodes.last {
            rows.append([kind(last), "and \(Quantity.grouped(hidden)) more", "", "", ""])
        }
    }

    /// The files where the group began by name, the others by folder: those that bind others, then those that are copied.
    private func appendFiles(_ nodes: [NodeID], to rows: inout [[String]]) {
        var (bound, copied): ([NodeID], [NodeID]) = ([], [])
        for node in nodes {
            if rowLimit == nil || reasons[isStartOf: node] {
                rows.append(row(of: node))
            } else if report.group.isBound(node) {
                bound.append(node)
            } else {
                copied.append(node)
            }
        }
        for files in [bound, copied] {
            let paths = files.map { node in report.graph.withText(node) { Array($0) } }
            for row in FolderFold(paths, limit: Self.fileRows).rows {
                let inside = Array(files[row.files])
                rows.append(
                    inside.count == 1 ? self.row(of: inside[0]) : self.row(of: inside, below: row.path))
            }
        }
    }

    private func row(of node: NodeID) -> [String] {
        [kind(node), text.name(node), "", size(node).map { Quantity.bytes($0) } ?? "", why(node)]
    }

    private func row(of nodes: [NodeID], below folder: [UInt8]) -> [String] {
        var bytes: UInt64?
        for node in nodes {
            if let size = size(node) { bytes = (bytes ?? 0).addingReportingOverflow(size).partialValue }
        }
        let kinds = Set(nodes.map { kind($0) })
        let word = kinds.count == 1 ? kind(nodes[0]) : "file"
        return [
            word, Printable.text(folder), Quantity.grouped(nodes.count),
            bytes.map { Quantity.bytes($0) } ?? "",
            why(nodes),
        ]
    }

    /// The reason that files have in common, or how many programs brought them in.
    private func why(_ nodes: [NodeID]) -> String {
        let all = Set(nodes.map { why($0) })
        if all.count == 1, let one = all.first { return one }
        let programs = Set(nodes.compactMap { reasons[$0]?.from })
        let use = report.group.isBound(nodes[0]) ? "written or read" : "used"
        return programs.count == 1
            ? "\(use) by \(text.text(programs.first ?? nodes[0]))"
            : "\(use) by \(Quantity.grouped(programs.count)) programs"
    }

    private func kind(_ node: NodeID) -> String {
        switch report.graph.kind(node) {
        case .program: report.group.isStop(node) ? "program, stop" : "program"
        case .file: report.group.isBound(node) ? "bound file" : reasons[isStartOf: node] ? "file" : "copied"
        case .endpoint: "address"
        case .channel: "channel"
        case .entry: "entry"
        }
    }

    /// The reason in few words: the table names the member already.
    private func why(_ node: NodeID) -> String {
        guard let reason = reasons[node] else { return "where the group begins" }
        let other = text.text(reason.from)
        switch reason.follow {
        case .start: return "where the group begins"
        case .copied: return "used by \(other)"
        case .bound:
            return reason.dependency.access.contains(.written) ? "written by \(other)" : "read by \(other)"
        case .writes: return "writes \(other)"
        case .reads: return "reads \(other)"
        case .child: return "started by \(other)"
        case .parent: return "started \(other)"
        case .server: return "takes connections of \(other)"
        case .client: return "connects to \(other)"
        case .listens: return "\(other) listens"
        case .channel: return "shared by \(other)"
        case .sharer: return "talks to \(other)"
        case .endpoint: return "connected with \(other)"
        case .related: return "related to \(other)"
        }
    }
}

extension Reasons {
    /// Whether the group began at a member.
    fileprivate subscript(isStartOf node: NodeID) -> Bool { distance(of: node) == 0 && self[node] == nil }
}
