import MoveGroup
import Records

extension MoveGroup {
    /// What a group's records say of each host, as a plan takes it in; hosts in the order of their ids.
    ///
    /// - Parameter quiet: a file that was written less than this before the end of the observation is still being
    ///   written, nanoseconds.
    public func observedHosts(quiet: UInt64 = 600_000_000_000) -> [ObservedHost] {
        let members = Dictionary(grouping: self.members) { graph.host($0) }
        let advice = isolationAdvice()
        let report = GroupReport(self)
        let others = foldersOfOthers()
        let order = startOrder()
        return members.keys.filter { $0 != .none }.map { (host: HostID) -> ObservedHost in
            var plan = HostPlan(id: graph[host].id)
            plan.name = graph[host].name
            plan.observed = graph[host].observed
            plan.gaps = graph[host].gaps.count
            plan.isolation = advice.first { $0.host == host }.flatMap(Self.isolation)
            let nodes = members[host] ?? []
            let programs = nodes.filter { graph.kind($0) == .program }
            let reasons = report.reasonLines(of: programs)
            plan.programs = zip(programs, reasons).map { planned($0, order[$0], reason: $1) }.sorted {
                $0.key.lexicographicallyPrecedes($1.key)
            }
            plan.ports = nodes.filter { graph.kind($0) == .endpoint }.flatMap(ports).sorted {
                ($0.address, PlanText.text($0.program)) < ($1.address, PlanText.text($1.program))
            }
            plan.endpoints = endpoints(of: programs)
            plan.accounts = accounts(of: programs)
            let files = nodes.filter { graph.kind($0) == .file }.map { file($0, quiet) }
            var observed = ObservedHost(
                plan: plan, files: files.sorted { $0.path.lexicographicallyPrecedes($1.path) })
            observed.foldersOfOthers = others[host] ?? []
            return observed
        }.sorted { $0.plan.id < $1.plan.id }
    }

    /// Where programs write that are no members, and the folders above.
    private func foldersOfOthers() -> [HostID: Set<[UInt8]>] {
        var found: [HostID: Set<[UInt8]>] = [:]
        for number in 0..<UInt32(graph.nodeCount) {
            let node = NodeID(rawValue: number)
            guard graph.kind(node) == .file, !contains(node) else { continue }
            var isWritten = false
            graph.forEachEdge(at: node) { edge in
                guard edge.isIncoming, edge.mark.link == .file, !contains(edge.other) else { return }
                if edge.mark.access.contains(.written) { isWritten = true }
            }
            if isWritten {
                found[graph.host(node), default: []].formUnion(graph.withText(node) { Array($0) }.ancestors)
            }
        }
        return found
    }

    private static func isolation(_ advice: IsolationAdvice) -> HostPlan.Isolation? {
        guard let choice = advice.advised else { return nil }
        let lighter = advice.verdicts.filter { $0.candidate.rawValue < choice.rawValue }
        var reasons: [String] = []
        for reason in lighter.flatMap({ $0.objections.map { "\($0.reason)" } })
        where !reasons.contains(reason) {
            reasons.append(reason)
        }
        return .init(choice: "\(choice.word)", reasons: reasons)
    }

    private func planned(_ node: NodeID, _ order: Int?, reason: String) -> PlannedProgram {
        guard case .program(let name) = graph[node] else { return PlannedProgram(executable: []) }
        var program = PlannedProgram(executable: name.executable)
        (program.script, program.workload) = (name.script, name.workload)
        program.isStop = isStop(node)
        program.order = order
        if !program.isStop, let process = graph.process(of: node) {
            program.process = PlannedProcess(process.settings)
            let end = graph[graph.host(node)].observed.upperBound
            program.writes = process.written.map {
                PlannedWrites(
                    bytes: $0, seconds: (end > process.start ? end - process.start : 0) / 1_000_000_000)
            }
        }
        program.reason = reason
        graph.forEachEdge(at: node) { edge in
            let first = graph.detail(edge.edge).first
            if first != 0, program.since == 0 || first < program.since { program.since = first }
            if edge.isIncoming, edge.mark.link == .spawn, edge.mark.evidence == .exact {
                program.isStartObserved = true
            }
        }
        return program
    }

    /// Whom members run as, as the daemon of their host has called them. Where the host's files are here they say more.
    private func accounts(of programs: [NodeID]) -> [PlannedAccount] {
        var (users, groups): ([UInt32: PlannedAccount], [UInt32: PlannedAccount]) = ([:], [:])
        for program in programs where !isStop(program) {
            guard let settings = graph.process(of: program)?.settings else { continue }
            if let user = settings.user, user.number != 0 {
                users[user.number] = PlannedAccount(isUser: true, name: user.name, number: user.number)
                users[user.number]?.group = settings.group?.number
            }
            for group in settings.groups + (settings.group.map { [$0] } ?? []) where group.number != 0 {
                groups[group.number] = PlannedAccount(isUser: false, name: group.name, number: group.number)
            }
        }
        return users.values.sorted { $0.number < $1.number } + groups.values.sorted { $0.number < $1.number }
    }

    private func file(_ node: NodeID, _ quiet: UInt64) -> ObservedHost.File {
        var file = ObservedHost.File(path: graph.withText(node) { Array($0) })
        let end = graph[graph.host(node)].observed.upperBound
        var strongest: Evidence?
        graph.forEachEdge(at: node) { edge in
            guard edge.isIncoming, edge.mark.link == .file, contains(edge.other) else { return }
            let detail = graph.detail(edge.edge)
            if detail.kind == .directory { file.isFolder = true }
            if edge.mark.access.contains(.executed) { file.isExecuted = true }
            if detail.first != 0, file.first == 0 || detail.first < file.first { file.first = detail.first }
            if edge.mark.access.contains(.written) {
                file.isWritten = true
                // Without times nothing says that the writing has ended.
                if detail.last == 0 || detail.last.addingReportingOverflow(quiet).overflow
                    || detail.last + quiet >= end
                {
                    file.isBusy = true
                }
            }
            if let evidence = edge.mark.evidence { strongest = max(strongest ?? evidence, evidence) }
            if file.user.isEmpty { file.user = graph.name(of: edge.other) }
        }
        file.ground =
            switch strongest {
            case .exact, nil: .exact
            case .snapshot: .snapshot
            case .inferred: .inferred
            }
        return file
    }

    private func ports(_ node: NodeID) -> [PlannedPort] {
        var found: [PlannedPort] = []
        graph.forEachEdge(at: node) { edge in
            guard edge.isIncoming, edge.mark.link == .listen, contains(edge.other) else { return }
            found.append(
                PlannedPort(
                    address: PlanText.text(graph.name(of: node)), program: graph.name(of: edge.other)))
        }
        return found
    }

    /// Connections with what is no member: another program, or an address of which nothing is known.
    private func endpoints(of programs: [NodeID]) -> [PlannedEndpoint] {
        var found: [PlannedEndpoint] = []
        for program in programs where !isStop(program) {
            // Both ends of a connection may have recorded it, which is one.
            var counts: [Peer: UInt64] = [:]
            graph.forEachEdge(at: program) { edge in
                guard edge.mark.link == .connect || edge.mark.link == .accept else { return }
                let detail = graph.detail(edge.edge)
                let isProgram = graph.kind(edge.other) == .program
                // An address that no observed host has is a member, and nobody's.
                guard isProgram ? !contains(edge.other) : graph.host(edge.other) == .none else { return }
                let peer = Peer(
                    address: PlanText.text(
                        graph.name(of: isProgram ? detail.via ?? edge.other : edge.other)),
                    isOutgoing: (edge.mark.link == .connect) != edge.isIncoming, other: edge.other)
                counts[peer] = max(counts[peer] ?? 1, detail.count)
            }
            for (first, peers) in Dictionary(
                grouping: counts, by: { Peer($0.key.address, $0.key.isOutgoing) })
            {
                found.append(
                    PlannedEndpoint(
                        address: first.address, program: graph.name(of: program),
                        isOutgoing: first.isOutgoing,
                        count: peers.reduce(0) { $0 &+ $1.value }))
            }
        }
        return found.sorted {
            ($0.address, PlanText.text($0.program), $0.isOutgoing ? 0 : 1)
                < ($1.address, PlanText.text($1.program), $1.isOutgoing ? 0 : 1)
        }
    }

    /// Whom a program is connected with, by which address.
    private struct Peer: Hashable {
        var address: String
        var isOutgoing: Bool
        var other: NodeID?

        init(address: String, isOutgoing: Bool, other: NodeID) {
            (self.address, self.isOutgoing, self.other) = (address, isOutgoing, other)
        }

        /// Of all that use an address.
        init(_ address: String, _ isOutgoing: Bool) {
            (self.address, self.isOutgoing) = (address, isOutgoing)
        }
    }
}
