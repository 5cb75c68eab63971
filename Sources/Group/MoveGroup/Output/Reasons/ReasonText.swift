import Records

/// Reasons in words. Names are escaped so that they can steer no terminal.
struct ReasonText {
    private let report: GroupReport
    private var graph: DependencyGraph { report.graph }

    init(_ report: GroupReport) { self.report = report }

    /// A node with its host: `/usr/sbin/nginx (web1)`.
    func text(_ node: NodeID) -> String {
        let object = graph[node]
        var text = Printable.text(object.shownText)
        switch object {
        case .program(let name) where name.isUnknown:
            text =
                name.workload.isEmpty ? "an unknown program" : "a program of " + Printable.text(name.workload)
        case .channel(let mechanism, let name) where name.isEmpty: text = "a \(mechanism.word) without a name"
        default: break
        }
        guard graph.host(node) != .none else { return text }
        return "\(text) (\(Printable.text(report.hostLabel(of: node).utf8)))"
    }

    /// What links two, from the member that was there before: `connects to X`.
    func clause(_ reason: Reasons.Reason, to node: NodeID) -> String {
        let (from, to) = (text(reason.from), text(node))
        let dependency = reason.dependency
        switch dependency.link {
        case .listed: return "\(from) is listed with \(to)"
        case .file:
            let use = Self.use(dependency.access)
            return reason.isIncoming ? "\(from), which \(to) \(use)" : "\(from) \(use) \(to)"
        case .spawn:
            return reason.isIncoming ? "\(from) was started by \(to)" : "\(from) started \(to)"
        case .connect: return connection(reason, from, to, isMade: !reason.isIncoming)
        case .accept: return connection(reason, from, to, isMade: reason.isIncoming)
        case .listen:
            return reason.isIncoming ? "\(from), on which \(to) listens" : "\(from) listens on \(to)"
        case .ipc:
            guard let via = dependency.via else {
                return reason.isIncoming ? "\(from), which \(to) shares" : "\(from) shares \(to)"
            }
            guard case .channel(let mechanism, let name) = graph[via], !name.isEmpty else {
                return "\(from) talks to \(to)\(mechanism(of: via))"
            }
            return "\(from) shares \(mechanism.word):\(Printable.text(name)) with \(to)"
        }
    }

    private func mechanism(of via: NodeID) -> String {
        guard case .channel(let mechanism, _) = graph[via] else { return "" }
        return " by \(mechanism.word)"
    }

    private func connection(_ reason: Reasons.Reason, _ from: String, _ to: String, isMade: Bool) -> String {
        guard let via = reason.dependency.via, case .endpoint(let transport, let endpoint) = graph[via] else {
            return isMade ? "\(from) connects to \(to)" : "\(from) is connected to by \(to)"
        }
        let host = endpoint.address.isV4 ? "\(endpoint.address)" : "[\(endpoint.address)]"
        let place = "\(transport.word) \(host):\(endpoint.port)"
        return isMade
            ? "\(from) connects to \(place), taken by \(to)"
            : "\(from) takes connections at \(place), made by \(to)"
    }

    private static func use(_ access: Access) -> String {
        var uses: [String] = []
        if access.contains(.executed) { uses.append("executes") }
        if access.contains(.written) { uses.append("writes") }
        return uses.isEmpty ? "reads" : uses.joined(separator: " and ")
    }

    /// How it is known, how often, when: `exact, 42 times, 2026-11-21 02:00:00 to 02:10:03`.
    static func proof(_ dependency: Dependency) -> String {
        var parts: [String] = []
        switch dependency.evidence {
        case .exact: parts.append("exact")
        case .snapshot: parts.append("found in a scan")
        case .inferred: parts.append("inferred from a listener, not seen")
        case nil: parts.append("as the list says")
        }
        if dependency.count == 1 {
            parts.append("once")
        } else if dependency.count > 1 {
            parts.append("\(Quantity.grouped(dependency.count)) times")
        }
        if dependency.first != 0 { parts.append(span(dependency.first, dependency.last)) }
        return parts.joined(separator: ", ")
    }

    /// `2026-11-21 02:00:00 to 02:10:03`; of the second time no more than what differs.
    private static func span(_ first: UInt64, _ last: UInt64) -> String {
        func parts(_ time: UInt64) -> (String, String) {
            let text = Timestamp.text(time)
            return (String(text.prefix(10)), String(text.dropFirst(11).prefix(8)))
        }
        let (from, to) = (parts(first), parts(last))
        if from == to || last == 0 { return "\(from.0) \(from.1)" }
        return "\(from.0) \(from.1) to \(from.0 == to.0 ? to.1 : "\(to.0) \(to.1)")"
    }

    /// The use of the file over which the member that was there before came to it: `A reads `.
    func lead(_ reason: Reasons.Reason, _ before: Reasons.Reason?) -> String? {
        guard reason.isIncoming, let before, !before.isIncoming else { return nil }
        switch reason.dependency.link {
        case .file: return "\(text(before.from)) \(Self.use(before.dependency.access)) "
        case .listen: return "\(text(before.from)) listens on "
        case .ipc where reason.dependency.via == nil: return "\(text(before.from)) shares "
        default: return nil
        }
    }
}

extension GroupReport {
    /// Why a member is one, in a line without its end: the step that brought it in, with the one before where
    /// a file lies between (`A reads F, which B writes: exact, 3 times, 2026-11-21 02:00:00`).
    ///
    /// `nil` for a node that is no member. Best of a group that was computed with `prefersEvidence`.
    public func reasonLine(of node: NodeID) -> String? {
        guard group.contains(node) else { return nil }
        let (reasons, text) = (Reasons(self), ReasonText(self))
        return Self.line(of: node, reasons, text)
    }

    /// Like `reasonLine`, for many at once.
    public func reasonLines(of nodes: [NodeID]) -> [String] {
        let (reasons, text) = (Reasons(self), ReasonText(self))
        return nodes.map { group.contains($0) ? Self.line(of: $0, reasons, text) : "" }
    }

    private static func line(of node: NodeID, _ reasons: Reasons, _ text: ReasonText) -> String {
        guard let reason = reasons[node] else { return "\(text.text(node)) is where the group begins" }
        let lead = text.lead(reason, reasons[reason.from]) ?? ""
        return "\(lead)\(text.clause(reason, to: node)): \(ReasonText.proof(reason.dependency))"
    }

    /// Why a member is one: a line for each step from where the group began, none of them with its end.
    ///
    /// Empty for a node that is no member.
    public func reasonChain(of node: NodeID) -> [String] {
        guard group.contains(node) else { return [] }
        let (reasons, text) = (Reasons(self), ReasonText(self))
        let steps = group.chain(to: node)
        var lines = ["\(text.text(steps.first?.from ?? node)) is where the group begins"]
        for step in steps {
            let reason = reasons.reason(step)
            lines.append("\(text.clause(reason, to: step.to)): \(ReasonText.proof(reason.dependency))")
        }
        return lines
    }
}
