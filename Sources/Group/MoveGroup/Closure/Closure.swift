import Records

/// Computes a move group by the meaning of each relation (docs/move-group.md has the table).
struct Closure {
    let graph: DependencyGraph
    let options: ClosureOptions
    var judge: PolicyJudge
    var group: MoveGroup
    var crossed: Set<Crossing> = []
    var excluded: [NodeID: Int?] = [:]
    var included: [NodeID: Bool] = [:]
    var stopped: [NodeID: Int?] = [:]
    /// The weakest evidence on the way to each member, if evidence counts.
    var strengths: [UInt8] = []
    var depths: [UInt32] = []
    /// Which of two reasons is the better one, if evidence counts.
    let order: ReasonOrder?
    /// The same for files as bound ones.
    var bindingStrengths: [UInt32: (strength: UInt8, depth: UInt32)] = [:]
    /// The distance of what joins now.
    var depth: UInt32 = 0
    /// Files that were members before something bound them now: who uses them joins with the next level.
    var rebound: [NodeID] = []

    /// The group of some nodes.
    static func group(
        of start: [NodeID], in graph: DependencyGraph, _ options: ClosureOptions
    ) -> MoveGroup {
        let hasPatterns = !(options.stopAt.isEmpty && options.exclude.isEmpty)
        if options.isSymmetric, !hasPatterns, !options.prefersEvidence, !graph.hasNameless {
            return .symmetric(graph, options, from: start)
        }
        var closure = Closure(graph, options, start)
        closure.run()
        return closure.group
    }

    private init(_ graph: DependencyGraph, _ options: ClosureOptions, _ start: [NodeID]) {
        self.graph = graph
        self.options = options
        judge = PolicyJudge(graph, options.isSymmetric ? .empty : options.policy)
        group = MoveGroup(graph, options, start: start)
        order = options.prefersEvidence ? ReasonOrder(graph) : nil
        if options.prefersEvidence {
            strengths = [UInt8](repeating: 0, count: graph.nodeCount)
            depths = [UInt32](repeating: 0, count: graph.nodeCount)
        }
    }

    private mutating func run() {
        for node in group.start where !group.contains(node) {
            group.states[Int(node.rawValue)] = MemberState.member
            group.members.append(node)
            if options.prefersEvidence { strengths[Int(node.rawValue)] = .max }
        }
        var head = 0
        var levels: [Int] = []
        while head < group.members.count || !rebound.isEmpty {
            levels.append(head)
            let end = group.members.count
            depth += 1
            let files = rebound
            rebound = []
            while head < end {
                expand(group.members[head])
                head += 1
            }
            for file in files { expandBound(file) }
        }
        while levels.count > 1, levels.last == group.members.count { levels.removeLast() }
        group.levels = levels.isEmpty ? [0] : levels
        if !options.isSymmetric { noteWriters() }
        group.crossings = crossed.filter { isOpen($0) }.sorted { left, right in
            (left.member, left.other, left.edge) < (right.member, right.other, right.edge)
        }
    }

    /// Whether what a crossing did not follow stayed out, or at least unfollowed.
    private func isOpen(_ crossing: Crossing) -> Bool {
        if !group.contains(crossing.other) { return true }
        return switch crossing.obstacle {
        case .stopAt, .unknown: group.isStop(crossing.other)
        case .rule(let number):
            [.launcher, .tool].contains(options.policy.rules[number].kind) && group.isStop(crossing.other)
        case .exclude, .unobserved, .executed: false
        }
    }

    private mutating func expand(_ node: NodeID) {
        if options.isSymmetric { return expandSymmetric(node) }
        switch graph.kind(node) {
        case .program, .entry: expandProgram(node)
        case .file: expandFile(node)
        case .channel:
            // Things without a name are not one object: what shares the node shares nothing.
            if graph.isNameless(node) || group.isStop(node) { return }
            each(node) { closure, edge in if edge.isIncoming { closure.joinProgram(node, edge) } }
        case .endpoint:
            // An address as the start: who waits there, and who connects to it.
            guard isStart(node) else { return }
            each(node) { closure, edge in if edge.isIncoming { closure.joinProgram(node, edge) } }
        }
    }

    private mutating func expandSymmetric(_ node: NodeID) {
        if graph.kind(node) == .channel, graph.isNameless(node) { return }
        if !isStart(node), let number = pattern(node, options.stopAt, \.stopped) {
            return halt(node, .stopAt(number))
        }
        each(node) { closure, edge in closure.join(node, edge) }
    }

    mutating func each(_ node: NodeID, _ body: (inout Closure, DependencyGraph.Incidence) -> Void) {
        let graph = graph
        graph.forEachEdge(at: node) { body(&self, $0) }
    }

    func isStart(_ node: NodeID) -> Bool { group.contains(node) && group.ways[Int(node.rawValue)] == 0 }

    private mutating func halt(_ node: NodeID, _ obstacle: Obstacle) {
        group.states[Int(node.rawValue)] |= MemberState.stop
        note(node, node, group.ways[Int(node.rawValue)] - 1, obstacle)
    }

    private mutating func expandProgram(_ node: NodeID) {
        if !isStart(node), let obstacle = stop(node) {
            halt(node, obstacle)
            // What it is made of comes along all the same.
            each(node) { closure, edge in
                if edge.mark.link == .file, !edge.isIncoming, edge.mark.access.contains(.executed) {
                    closure.follow(node, edge)
                }
            }
            return
        }
        each(node) { closure, edge in closure.follow(node, edge) }
    }

    /// What keeps the closure from going on beyond a member, if something does.
    private mutating func stop(_ node: NodeID) -> Obstacle? {
        if let number = pattern(node, options.stopAt, \.stopped) { return .stopAt(number) }
        if isIncluded(node) { return nil }
        let verdict = judge.program(node)
        if verdict.isUnknown { return .unknown }
        return (verdict.launcher ?? verdict.tool).map { .rule($0) }
    }

    private mutating func follow(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        switch edge.mark.link {
        case .listed: join(node, edge)
        case .file: if !edge.isIncoming { followFile(node, edge) }
        case .spawn:
            if edge.isIncoming, let rule = judge.program(edge.other).launcher, !isIncluded(edge.other) {
                note(node, edge.other, edge.edge.rawValue, .rule(rule))
                return
            }
            joinProgram(node, edge)
        case .connect, .accept: followConnection(node, edge)
        case .listen: join(node, edge)
        case .ipc: followChannel(node, edge)
        }
    }

    private mutating func followConnection(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let isEndpoint = graph.kind(edge.other) == .endpoint
        if isEndpoint, let obstacle = objection(edge.other, of: edge) {
            return note(node, edge.other, edge.edge.rawValue, obstacle)
        }
        if let via = graph.detail(edge.edge).via, let obstacle = objection(via, of: edge) {
            return note(node, edge.other, edge.edge.rawValue, obstacle)
        }
        if isEndpoint { return note(node, edge.other, edge.edge.rawValue, .unobserved) }
        joinProgram(node, edge)
    }

    private mutating func followChannel(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if graph.kind(edge.other) == .channel {
            if let rule = judge.object(edge.other), !isIncluded(edge.other) {
                return note(node, edge.other, edge.edge.rawValue, .rule(rule))
            }
            guard join(node, edge), !isStart(edge.other) else { return }
            haltObject(edge.other, node, edge, isReported: true)
            return
        }
        if let via = graph.detail(edge.edge).via, let obstacle = objection(via, of: edge) {
            return note(node, edge.other, edge.edge.rawValue, obstacle)
        }
        joinProgram(node, edge)
    }

    /// Marks a file or channel beyond which nothing is to be followed; says whether it is one.
    @discardableResult
    mutating func haltObject(
        _ object: NodeID, _ member: NodeID, _ edge: DependencyGraph.Incidence, isReported: Bool
    ) -> Bool {
        guard let number = pattern(object, options.stopAt, \.stopped) else { return false }
        group.states[Int(object.rawValue)] |= MemberState.stop
        if isReported { note(member, object, edge.edge.rawValue, .stopAt(number)) }
        return true
    }

    /// What keeps the closure from following a dependency over an address or channel.
    private mutating func objection(_ via: NodeID, of edge: DependencyGraph.Incidence) -> Obstacle? {
        if let rule = judge.object(via), !isIncluded(edge.other), !isIncluded(via) { return .rule(rule) }
        if let number = pattern(via, options.exclude, \.excluded) { return .exclude(number) }
        // One that leads nowhere has no beyond.
        if graph.kind(edge.other) == .endpoint { return nil }
        return pattern(via, options.stopAt, \.stopped).map { .stopAt($0) }
    }

    /// Lets a program join unless it is one that every host has.
    mutating func joinProgram(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        // One that is the start is a member, and no crossing to it stands.
        if let rule = judge.program(edge.other).system, !isIncluded(edge.other) {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        join(node, edge)
    }

    /// Lets a node join; says whether it is a member then.
    @discardableResult
    mutating func join(_ node: NodeID, _ edge: DependencyGraph.Incidence) -> Bool {
        let other = Int(edge.other.rawValue)
        if group.states[other] != 0 {
            if options.prefersEvidence { prefer(node, edge) }
            return true
        }
        if let number = pattern(edge.other, options.exclude, \.excluded) {
            note(node, edge.other, edge.edge.rawValue, .exclude(number))
            return false
        }
        group.states[other] = MemberState.member | (depth & 1 == 0 ? 0 : MemberState.odd)
        group.ways[other] = edge.edge.rawValue + 1
        group.members.append(edge.other)
        if options.prefersEvidence {
            strengths[other] = min(strength(node), edge.mark.strength)
            depths[other] = depth
        }
        return true
    }

    /// Takes a way of the same length if it is the better reason.
    private mutating func prefer(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let other = Int(edge.other.rawValue)
        guard depths[other] == depth, group.ways[other] != 0 else { return }
        let known = EdgeID(rawValue: group.ways[other] - 1)
        let strength = min(strength(node), edge.mark.strength)
        guard
            isBetter(
                (node, edge.edge, strength),
                than: (graph.end(of: known, opposite: edge.other), known, strengths[other]))
        else { return }
        strengths[other] = strength
        group.ways[other] = edge.edge.rawValue + 1
    }

    /// Whether a way is the better reason, whatever the order of the inputs.
    func isBetter(
        _ new: (from: NodeID, edge: EdgeID, strength: UInt8),
        than known: (from: NodeID, edge: EdgeID, strength: UInt8)
    ) -> Bool {
        order?.isBetter(
            ReasonOrder.Candidate(from: new.from, edge: new.edge, strength: new.strength),
            than: ReasonOrder.Candidate(from: known.from, edge: known.edge, strength: known.strength))
            ?? false
    }

    /// The weakest evidence on the way by which something is reached from a member.
    private func strength(_ node: NodeID) -> UInt8 {
        bindingStrengths[node.rawValue]?.strength ?? strengths[Int(node.rawValue)]
    }

    mutating func note(_ member: NodeID, _ other: NodeID, _ edge: UInt32, _ obstacle: Obstacle) {
        crossed.insert(
            Crossing(member: member, other: other, edge: EdgeID(rawValue: edge), obstacle: obstacle))
    }
}

/// Which of two dependencies that would bring a member in at the same distance is its reason: the one on
/// the chain of stronger evidence, then the one of stronger evidence itself, then the first in the order of
/// outputs. Numbers of nodes and edges, which the order of inputs makes, do not count.
struct ReasonOrder {
    private let graph: DependencyGraph
    private let nodes: NodeOrder

    init(_ graph: DependencyGraph) {
        self.graph = graph
        nodes = NodeOrder(graph, HostOrder(graph.hosts))
    }

    /// A dependency that would bring a member in.
    struct Candidate {
        /// The member that was there before.
        var from: NodeID
        var edge: EdgeID
        /// Weakest evidence on the way.
        var strength: UInt8
    }

    func isBetter(_ new: Candidate, than old: Candidate) -> Bool {
        if new.strength != old.strength { return new.strength > old.strength }
        let (mark, other) = (graph[new.edge].mark, graph[old.edge].mark)
        if mark.strength != other.strength { return mark.strength > other.strength }
        let order = nodes.compare(new.from, old.from)
        if order != 0 { return order < 0 }
        if mark.link != other.link { return mark.link.rawValue < other.link.rawValue }
        let isIncoming = graph[new.edge].to == new.from
        if isIncoming != (graph[old.edge].to == old.from) { return !isIncoming }
        let (detail, known) = (graph.detail(new.edge), graph.detail(old.edge))
        if detail.first != known.first { return detail.first < known.first }
        switch (detail.via, known.via) {
        case (let via?, let other?): return nodes.compare(via, other) < 0
        case (nil, .some): return true
        default: return false
        }
    }
}

extension Closure {
    /// Whether a node is to be followed though the policy would stop there.
    mutating func isIncluded(_ node: NodeID) -> Bool {
        guard !options.include.isEmpty else { return false }
        if let known = included[node] { return known }
        let (object, host) = (graph[node], graph[graph.host(node)])
        let isIncluded = options.include.contains { $0.matches(object, on: host) }
        included[node] = isIncluded
        return isIncluded
    }

    /// The number of the first pattern that means a node, found out once for each node.
    mutating func pattern(
        _ node: NodeID, _ patterns: [NodePattern], _ known: WritableKeyPath<Closure, [NodeID: Int?]>
    ) -> Int? {
        guard !patterns.isEmpty else { return nil }
        if let number = self[keyPath: known][node] { return number }
        let (object, host) = (graph[node], graph[graph.host(node)])
        let number = patterns.firstIndex { $0.matches(object, on: host) }
        self[keyPath: known][node] = .some(number)
        return number
    }
}
