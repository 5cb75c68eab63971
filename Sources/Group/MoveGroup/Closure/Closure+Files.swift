import Records

/// Files are copied along, or bind those who use them.
extension Closure {
    mutating func followFile(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if let rule = judge.object(edge.other), !isIncluded(edge.other) {
            note(node, edge.other, edge.edge.rawValue, .rule(rule))
            return
        }
        guard join(node, edge), !isStart(edge.other) else { return }
        // Beyond a member where the closure stops nothing is followed, not even what it writes.
        let couldBind = !edge.mark.access.isExecution && !group.isStop(node)
        if haltObject(edge.other, node, edge, isReported: couldBind) { return }
        if couldBind { bind(edge.other, by: node, edge) }
    }

    /// Finds out whether a member's use of a file binds those who use it too.
    private mutating func bind(_ file: NodeID, by member: NodeID, _ use: DependencyGraph.Incidence) {
        let state = group.states[Int(file.rawValue)]
        if state & MemberState.bound != 0 { return preferBinding(file, by: member, use) }
        // Half of a host reads its libraries: whether somebody writes them is found out once.
        guard state & MemberState.unwritten == 0 else { return }
        guard hasWriter(file) else {
            group.states[Int(file.rawValue)] |= MemberState.unwritten
            return
        }
        group.states[Int(file.rawValue)] |= MemberState.bound
        if options.prefersEvidence {
            let strength = min(strengths[Int(member.rawValue)], use.mark.strength)
            bindingStrengths[file.rawValue] = (strength, depth)
        }
        // What binds is this use, and not that of a member which executes the file.
        if options.prefersEvidence || group.ways[Int(file.rawValue)] != use.edge.rawValue + 1 {
            group.bindings[file.rawValue] = use.edge.rawValue + 1
        }
        let isNew = state & MemberState.expanded == 0 && (state & MemberState.odd != 0) == (depth & 1 != 0)
        if !isNew {
            group.states[Int(file.rawValue)] |= MemberState.late
            rebound.append(file)
        }
    }

    private mutating func hasWriter(_ file: NodeID) -> Bool {
        var hasWriter = false
        each(file) { closure, edge in
            guard !hasWriter, edge.isIncoming, edge.mark.access.contains(.written) else { return }
            hasWriter = closure.installer(edge) == nil
        }
        return hasWriter
    }

    private mutating func preferBinding(
        _ file: NodeID, by member: NodeID, _ use: DependencyGraph.Incidence
    ) {
        guard let known = bindingStrengths[file.rawValue], known.depth == depth else { return }
        let strength = min(strengths[Int(member.rawValue)], use.mark.strength)
        let binding = EdgeID(rawValue: (group.bindings[file.rawValue] ?? group.ways[Int(file.rawValue)]) - 1)
        guard
            isBetter(
                (member, use.edge, strength), than: (graph[binding].from, binding, known.strength))
        else { return }
        bindingStrengths[file.rawValue] = (strength, depth)
        group.bindings[file.rawValue] = use.edge.rawValue + 1
    }

    /// The rule by which a program that writes a file binds nobody to it.
    private mutating func installer(_ edge: DependencyGraph.Incidence) -> Int? {
        guard let rule = judge.program(edge.other).installer, !isIncluded(edge.other) else { return nil }
        return rule
    }

    mutating func expandFile(_ file: NodeID) {
        let state = group.states[Int(file.rawValue)]
        group.states[Int(file.rawValue)] |= MemberState.expanded
        if isStart(file) {
            // A file as the start: everything that uses it, or nobody would be there to need it.
            each(file) { closure, edge in
                guard edge.isIncoming else { return }
                if edge.mark.access.contains(.written), closure.installer(edge) != nil { return }
                closure.joinProgram(file, edge)
            }
        } else if state & MemberState.bound != 0, state & MemberState.late == 0 {
            expandBound(file)
        }
    }

    /// Lets everything join that reads or writes a file.
    mutating func expandBound(_ file: NodeID) {
        each(file) { closure, edge in
            guard edge.isIncoming, !edge.mark.access.isExecution else { return }
            if edge.mark.access.contains(.written), closure.installer(edge) != nil { return }
            closure.joinProgram(file, edge)
        }
    }

    /// Notes who writes the members' files and did not join for it.
    ///
    /// Known last: a file can join as one that is only executed, and be bound by what joins later.
    mutating func noteWriters() {
        for file in group.members where graph.kind(file) == .file && !group.isStop(file) {
            var writers: [(writer: DependencyGraph.Incidence, installer: Int?)] = []
            each(file) { closure, edge in
                guard edge.isIncoming, edge.mark.access.contains(.written), edge.mark.link == .file,
                    !closure.group.contains(edge.other)
                else { return }
                writers.append((edge, closure.installer(edge)))
            }
            if writers.isEmpty { continue }
            let isBound = isStart(file) || group.states[Int(file.rawValue)] & MemberState.bound != 0
            if isStart(file) { note(writers, of: file, onlyExecuted: false) }
            each(file) { closure, edge in
                guard edge.isIncoming, closure.group.contains(edge.other) else { return }
                let isStop = closure.group.isStop(edge.other)
                if isStop, !edge.mark.access.contains(.executed) { return }
                let onlyExecuted = !isBound && (isStop || edge.mark.access.isExecution)
                closure.note(writers, of: edge.other, onlyExecuted: onlyExecuted)
            }
        }
    }

    private mutating func note(
        _ writers: [(writer: DependencyGraph.Incidence, installer: Int?)], of member: NodeID,
        onlyExecuted: Bool
    ) {
        for (edge, installer) in writers {
            if let installer {
                note(member, edge.other, edge.edge.rawValue, .rule(installer))
            } else if onlyExecuted {
                note(member, edge.other, edge.edge.rawValue, .executed)
            }
        }
    }
}

extension Access {
    /// Whether the file is what a program is made of: executed, and not written.
    var isExecution: Bool { contains(.executed) && !contains(.written) }
}
