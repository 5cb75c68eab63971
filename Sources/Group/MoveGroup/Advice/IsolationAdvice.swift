/// How lightly the members of a group on one host can be isolated at the destination.
///
/// Isolation is a host's affair, so a group over three hosts has three. What a program uses and no input
/// tells of decides nothing here.
public struct IsolationAdvice: Sendable {
    /// A way to isolate, the lightest first.
    public enum Candidate: UInt8, Sendable, CaseIterable {
        /// A folder as the root directory.
        case chroot
        /// Namespaces of one kernel.
        case container
        /// A kernel of its own.
        case virtualMachine
    }

    /// Why a candidate does not isolate what the group does.
    public struct Objection: Sendable {
        /// What the group does.
        public var finding: HostUses.Finding
        /// A clause: `a chroot shares the network of its host`.
        public var reason: StaticString
    }

    /// A candidate with what speaks against it; nothing speaks against a virtual machine.
    public struct Verdict: Sendable {
        /// The candidate.
        public var candidate: Candidate
        /// What rules it out; empty if nothing does.
        public var objections: [Objection]
        /// What has to be given to it besides its files; each may be done with it.
        public var conditions: [Condition]
    }

    /// Something to be given to a candidate.
    public struct Condition: Sendable {
        /// What the group does.
        public var finding: HostUses.Finding
        /// A clause: `needs these devices passed through`.
        public var text: StaticString
    }

    /// The host.
    public var host: HostID
    /// What outputs call it.
    public var label: String
    /// What the members use.
    public var uses: HostUses
    /// All candidates, the lightest first.
    public var verdicts: [Verdict]
    /// The Linux namespaces (namespaces(7)), and which of them a container of this group needs.
    public var namespaces: [Namespace]
    /// What is shared with programs that do not move: whatever the isolation, this is cut.
    public var bonds: [HostUses.Finding]

    /// The lightest candidate that nothing speaks against; `nil` where the inputs do not tell enough.
    public var advised: Candidate? {
        guard uses.entries.isEmpty else { return nil }
        return verdicts.first { $0.objections.isEmpty }?.candidate
    }

    /// The verdict on a candidate.
    public subscript(candidate: Candidate) -> Verdict { verdicts[Int(candidate.rawValue)] }

    init(_ host: HostID, _ label: String, _ uses: HostUses) {
        self.host = host
        self.label = label
        self.uses = uses
        verdicts = Candidate.allCases.map { candidate in
            Verdict(
                candidate: candidate,
                objections: uses.findings.compactMap { finding in
                    IsolationRules.objection(to: candidate, finding.use).map {
                        Objection(finding: finding, reason: $0)
                    }
                },
                conditions: uses.findings.compactMap { finding in
                    IsolationRules.condition(of: candidate, finding.use).map {
                        Condition(finding: finding, text: $0)
                    }
                })
        }
        namespaces = Namespace.all(for: uses)
        bonds = uses.findings.filter { $0.use.kind.isIPC && $0.use.reach == .outside }
    }
}

extension IsolationAdvice.Candidate {
    /// The words in outputs.
    public var word: StaticString {
        switch self {
        case .chroot: "chroot"
        case .container: "container"
        case .virtualMachine: "virtual machine"
        }
    }
}

extension MoveGroup {
    /// Advice on isolation for each host on which there are members, in the order of outputs.
    public func isolationAdvice() -> [IsolationAdvice] {
        let hosts = HostOrder(graph.hosts)
        let uses = UseCollector(self, NodeOrder(graph, hosts)).hosts
        return uses.keys.filter { $0 != .none }
            .sorted { hosts.ranks[Int($0.rawValue)] < hosts.ranks[Int($1.rawValue)] }
            .compactMap { host in
                uses[host].map { IsolationAdvice(host, hosts.labels[Int(host.rawValue)], $0) }
            }
    }
}
