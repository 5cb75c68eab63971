import Records

/// Computes a move group by the meaning of each relation (docs/move-group.md has the table).
struct Closure {
    private let graph: DependencyGraph
    private let options: ClosureOptions
    private var judge: PolicyJudge
    private var group: MoveGroup
    private var crossed: Set<Crossing> = []
    private var excluded: [NodeID: Int?] = [:]
    private var included: [NodeID: Bool] = [:]
    private var stopped: [NodeID: Int?] = [:]
    /// The weakest evidence on the way to each member, if evidence counts.
    private var strengths: [UInt8] = []
    private var depths: [UInt32] = []
    private var depth: UInt32 = 0

    /// The group of some nodes.
    static func group(
        of start: [NodeID], in graph: DependencyGraph, _ options: ClosureOptions
    ) -> MoveGroup {
        let hasPatterns = !(options.stopAt.isEmpty && options.exclude.isEmpty)
        if options.isSymmetric, !hasPatterns, !options.prefersEvidence {
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
        while head < group.members.count {
            levels.append(head)
            let end = group.members.count
            depth += 1
            while head < end {
                expand(group.members[head])
                head += 1
            }
        }
        group.levels = levels.isEmpty ? [0] : levels
        // A file can join as a copy, and be bound by what joins later: who reads it then is known last.
        group.crossings = crossed.filter { isOpen($0) }.sorted { left, right in
            (left.member, left.other, left.edge) < (right.member, right.other, right.edge)
        }
    }

    /// Whether what a crossing did not follow stayed out, or at least unfollowed.
    private func isOpen(_ crossing: Crossing) -> Bool {
        switch crossing.obstacle {
        case .stopAt: true
        case .rule(let number) where options.policy.rules[number].kind == .launcher:
            !group.contains(crossing.other) || group.isStop(crossing.other)
        default: !group.contains(crossing.other)
        }
    }

    private mutating func expand(_ node: NodeID) {
        switch graph.kind(node) {
        case .program, .entry: expandProgram(node)
        case .file: expandFile(node)
        case .channel:
            if options.isSymmetric { return expandAll(node) }
            guard !isNameless(node) else { return }
            each(node) { closure, edge in if edge.isIncoming { closure.join(node, edge) } }
        case .endpoint: if options.isSymmetric { expandAll(node) }
        }
    }

    private func isNameless(_ node: NodeID) -> Bool {
        if case .channel(_, let name) = graph[node] { return name.isEmpty }
        return false
    }

    private mutating func expandAll(_ node: NodeID) {
        each(node) { closure, edge in closure.join(node, edge) }
    }

    private mutating func each(
        _ node: NodeID, _ body: (inout Closure, DependencyGraph.Incidence) -> Void
    ) {
        let graph = graph
        graph.forEachEdge(at: node) { body(&self, $0) }
    }

    private mutating func expandProgram(_ node: NodeID) {
        if options.isSymmetric { return expandAll(node) }
        let isStart = group.ways[Int(node.rawValue)] == 0
        if !isStart, let obstacle = stop(node) {
            group.states[Int(node.rawValue)] |= MemberState.stop
            note(node, node, group.ways[Int(node.rawValue)] - 1, obstacle)
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
        return verdict.launcher.map { .rule($0) }
    }

    private mutating func follow(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        switch edge.mark.link {
        case .listed: join(node, edge)
        case .file: if !edge.isIncoming { followFile(node, edge) }
        case .spawn:
            if edge.isIncoming {
                if let rule = judge.program(edge.other).launcher, !isIncluded(edge.other) {
                    note(node, edge.other, edge.edge.rawValue, .rule(rule))
                    return
                }
                joinProgram(node, edge)
            } else {
                joinProgram(node, edge)
            }
        case .connect, .accept: followConnection(node, edge)
        case .listen: if !edge.isIncoming { join(node, edge) }
        case .ipc: followChannel(node, edge)
        }
    }

    private mutating func followFile(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if let rule = judge.object(edge.other), !isIncluded(edge.other) {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        guard join(node, edge) else { return }
        bind(edge.other, by: node, edge)
    }

    /// Finds out whether a member's use of a file binds those who use it too.
    private mutating func bind(
        _ file: NodeID, by member: NodeID, _ use: DependencyGraph.Incidence
    ) {
        let state = group.states[Int(file.rawValue)]
        guard state & MemberState.bound == 0 else { return }
        if let number = pattern(file, options.stopAt, \.stopped) {
            note(member, file, use.edge.rawValue, .stopAt(number))
            return
        }
        let executes = use.mark.access.isExecution
        var hasWriter = false
        each(file) { closure, edge in
            guard edge.isIncoming, edge.mark.access.contains(.written) else { return }
            if let rule = closure.judge.program(edge.other).installer, !closure.isIncluded(edge.other) {
                if edge.other != member { closure.note(member, edge.other, edge.edge.rawValue, .rule(rule)) }
                return
            }
            if executes {
                closure.note(member, edge.other, edge.edge.rawValue, .executed)
                return
            }
            hasWriter = true
        }
        guard hasWriter else { return }
        group.states[Int(file.rawValue)] |= MemberState.bound
        // What binds is this use, and not that of a member which executes the file.
        let way = group.ways[Int(file.rawValue)]
        if way != 0, graph[EdgeID(rawValue: way - 1)].mark.access.isExecution {
            group.ways[Int(file.rawValue)] = use.edge.rawValue + 1
        }
        // It may have been passed by already, as a file that is only executed.
        if isExpanded(file) { expandFile(file) }
    }

    private mutating func expandFile(_ file: NodeID) {
        if options.isSymmetric { return expandAll(file) }
        group.states[Int(file.rawValue)] |= MemberState.expanded
        guard group.states[Int(file.rawValue)] & MemberState.bound != 0 else {
            // A file as the start: what writes it, and by that what reads it.
            if group.ways[Int(file.rawValue)] == 0 { expandStart(file) }
            return
        }
        each(file) { closure, edge in
            guard edge.isIncoming, !edge.mark.access.isExecution else { return }
            if edge.mark.access.contains(.written), closure.judge.program(edge.other).installer != nil,
                !closure.isIncluded(edge.other)
            {
                return
            }
            closure.joinProgram(file, edge)
        }
    }

    private mutating func expandStart(_ file: NodeID) {
        group.states[Int(file.rawValue)] |= MemberState.bound
        each(file) { closure, edge in
            guard edge.isIncoming else { return }
            if edge.mark.access.contains(.written), let rule = closure.judge.program(edge.other).installer {
                closure.note(file, edge.other, edge.edge.rawValue, .rule(rule))
                return
            }
            closure.joinProgram(file, edge)
        }
    }

    private func isExpanded(_ node: NodeID) -> Bool {
        group.states[Int(node.rawValue)] & MemberState.expanded != 0
    }

    private mutating func followConnection(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let at = graph.kind(edge.other) == .endpoint ? edge.other : graph.detail(edge.edge).via
        if let at, let rule = judge.object(at), !isIncluded(edge.other), !isIncluded(at) {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        if graph.kind(edge.other) == .endpoint {
            if let number = pattern(edge.other, options.exclude, \.excluded) {
                note(node, edge.other, edge.edge.rawValue, .exclude(number))
            } else {
                note(node, edge.other, edge.edge.rawValue, .unobserved)
            }
            return
        }
        joinProgram(node, edge)
    }

    private mutating func followChannel(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let at = graph.kind(edge.other) == .channel ? edge.other : graph.detail(edge.edge).via
        if let at, let rule = judge.object(at), !isIncluded(edge.other), !isIncluded(at) {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        if graph.kind(edge.other) == .channel {
            join(node, edge)
        } else {
            joinProgram(node, edge)
        }
    }

    /// Lets a program join unless it is one that every host has.
    private mutating func joinProgram(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if let rule = judge.program(edge.other).system, !isIncluded(edge.other),
            group.ways[Int(edge.other.rawValue)] != 0 || !group.contains(edge.other)
        {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        join(node, edge)
    }

    /// Lets a node join; says whether it is a member then.
    @discardableResult
    private mutating func join(_ node: NodeID, _ edge: DependencyGraph.Incidence) -> Bool {
        let other = Int(edge.other.rawValue)
        if group.states[other] != 0 {
            if options.prefersEvidence { prefer(node, edge) }
            return true
        }
        if let number = pattern(edge.other, options.exclude, \.excluded) {
            note(node, edge.other, edge.edge.rawValue, .exclude(number))
            return false
        }
        group.states[other] = MemberState.member
        group.ways[other] = edge.edge.rawValue + 1
        group.members.append(edge.other)
        if options.prefersEvidence {
            strengths[other] = min(strengths[Int(node.rawValue)], edge.mark.strength)
            depths[other] = depth
        }
        return true
    }

    /// Takes a way of the same length if its weakest evidence is stronger.
    private mutating func prefer(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let other = Int(edge.other.rawValue)
        guard depths[other] == depth, group.ways[other] != 0 else { return }
        let strength = min(strengths[Int(node.rawValue)], edge.mark.strength)
        guard strength > strengths[other] else { return }
        strengths[other] = strength
        group.ways[other] = edge.edge.rawValue + 1
    }

    private mutating func note(_ member: NodeID, _ other: NodeID, _ edge: UInt32, _ obstacle: Obstacle) {
        crossed.insert(
            Crossing(member: member, other: other, edge: EdgeID(rawValue: edge), obstacle: obstacle))
    }

    private mutating func isIncluded(_ node: NodeID) -> Bool {
        guard !options.include.isEmpty else { return false }
        if let known = included[node] { return known }
        let (object, host) = (graph[node], graph[graph.host(node)])
        let isIncluded = options.include.contains { $0.matches(object, on: host) }
        included[node] = isIncluded
        return isIncluded
    }

    private mutating func pattern(
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

extension Access {
    /// Whether the file is what a program is made of: executed, and not written.
    var isExecution: Bool { contains(.executed) && !contains(.written) }
}
