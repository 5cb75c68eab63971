import Records

/// The members of each host as tables.
struct SummaryHosts {
    private let report: GroupReport
    private let rowLimit: Int?
    private let reasons: Reasons
    private let text: ReasonText

    init(_ report: GroupReport, rowLimit: Int?) {
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
            return GroupSummary.Section(
                title: title(host),
                columns: [
                    .init(title: "KIND"), .init(title: "MEMBER", mayBeCut: true),
                    .init(title: "WHY", mayBeCut: true),
                ],
                rows: rows)
        }
    }

    private func title(_ host: HostID) -> String {
        if host == .none { return "On no observed host" }
        let label = Printable.text(report.order.hosts.labels[Int(host.rawValue)].utf8)
        let addresses = report.graph[host].sortedAddresses.map(\.description).filter { $0 != label }
        return addresses.isEmpty ? label : "\(label) (\(addresses.joined(separator: ", ")))"
    }

    private func append(_ part: MemberOrder.Part, to rows: inout [[String]]) {
        var named: [NodeID] = []
        var copied = 0
        for position in part.range {
            let node = NodeID(rawValue: report.order.nodes[position])
            let isStart = reasons[isStartOf: node]
            if part.kind == .file, !isStart, !report.group.isBound(node) {
                copied += 1
            } else {
                named.append(node)
            }
        }
        let shown = named.prefix(rowLimit ?? named.count)
        for node in shown {
            let member = Printable.text(report.graph[node].shownText)
            rows.append([kind(node), member, why(node)])
        }
        let hidden = named.count - shown.count
        if hidden > 0, let last = named.last {
            rows.append([kind(last), "and \(Quantity.grouped(hidden)) more", ""])
        }
        if copied > 0 {
            rows.append(["copied", Quantity.counted(copied, "file", "files"), "read or executed"])
        }
    }

    private func kind(_ node: NodeID) -> String {
        switch report.graph.kind(node) {
        case .program: report.group.isStop(node) ? "program, stop" : "program"
        case .file: report.group.isBound(node) ? "bound file" : "file"
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
