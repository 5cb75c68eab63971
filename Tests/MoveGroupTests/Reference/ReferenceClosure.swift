import MoveGroup
import Records

/// The closure as a set of implications, iterated until nothing changes; after docs/move-group.md, and not
/// after the product's order of search.
struct ReferenceClosure {
    private enum State: Hashable {
        case member(Named)
        /// A file whose readers and writers belong together.
        case bound(Named)
    }

    private struct Step: Hashable {
        var from: State
        var to: State
        var strength: UInt8
    }

    private let all: Set<Dependency>
    private let start: Set<Named>
    private let plain: PlainOptions
    private var steps: Set<Step> = []
    /// Crossings, if their state comes to hold and what they lead to stays out.
    private var candidates: Set<Pair> = []

    private struct Pair: Hashable {
        var state: State
        var crossing: NamedCrossing
    }

    static func outcome(_ all: Set<Dependency>, _ start: Set<Named>, _ plain: PlainOptions) -> Outcome {
        var closure = ReferenceClosure(all: all, start: start, plain: plain)
        if plain.isSymmetric {
            closure.relateSymmetrically()
        } else {
            closure.relate()
        }
        return closure.solve()
    }

    private init(all: Set<Dependency>, start: Set<Named>, plain: PlainOptions) {
        self.all = all
        self.start = start
        self.plain = plain
    }

    // MARK: What nodes are

    private func stopAt(_ named: Named) -> Int? {
        start.contains(named) ? nil : plain.stopAt.firstIndex { $0.matches(named) }
    }

    private func exclude(_ named: Named) -> Int? {
        start.contains(named) ? nil : plain.exclude.firstIndex { $0.matches(named) }
    }

    /// What keeps a member from being followed.
    private func halt(_ program: Named) -> Obstacle? {
        if start.contains(program) { return nil }
        if let number = stopAt(program) { return .stopAt(number) }
        if plain.isSymmetric || plain.isIncluded(program) { return nil }
        if case .program(let name) = program.node, name.isUnknown { return .unknown }
        if case .program = program.node {
            return (plain.rule(.launcher, program) ?? plain.rule(.tool, program)).map { .rule($0) }
        }
        return nil
    }

    private func isNameless(_ named: Named) -> Bool {
        if case .channel(_, let name) = named.node { return name.isEmpty }
        return false
    }

    private func installer(_ named: Named) -> Int? {
        plain.isIncluded(named) ? nil : plain.rule(.installer, named)
    }

    private func isExecution(_ use: Dependency) -> Bool {
        use.access.contains(.executed) && !use.access.contains(.written)
    }

    private func isBinding(_ file: Named) -> Bool {
        all.contains {
            $0.link == .file && $0.to == file && $0.access.contains(.written) && installer($0.from) == nil
        }
    }

    // MARK: Implications

    private mutating func cross(_ state: State, _ member: Named, _ other: Named, _ obstacle: Obstacle) {
        candidates.insert(
            Pair(
                state: state, crossing: NamedCrossing(member: member, other: other, obstacle: obstacle)))
    }

    private mutating func relateSymmetrically() {
        for one in all {
            for (here, there) in [(one.from, one.to), (one.to, one.from)] {
                if isNameless(here) { continue }
                if let obstacle = halt(here) {
                    cross(.member(here), here, here, obstacle)
                } else if let number = exclude(there) {
                    cross(.member(here), here, there, .exclude(number))
                } else {
                    steps.insert(Step(from: .member(here), to: .member(there), strength: one.strength))
                }
            }
        }
    }

    private mutating func relate() {
        for one in all {
            switch one.link {
            case .file: relateFile(one)
            case .spawn:
                relate(one, one.from, one.to)
                if !plain.isIncluded(one.from), let rule = plain.rule(.launcher, one.from) {
                    if halt(one.to) == nil { cross(.member(one.to), one.to, one.from, .rule(rule)) }
                } else {
                    relate(one, one.to, one.from)
                }
            case .connect, .accept, .ipc:
                relateOver(one, one.from, one.to)
                if isObject(one.to) {
                    if start.contains(one.to) || one.link == .ipc { relate(one, one.to, one.from) }
                } else {
                    relateOver(one, one.to, one.from)
                }
            case .listen:
                if halt(one.from) == nil { admit(.member(one.from), one.from, one.to, one.strength) }
                if start.contains(one.to) { relate(one, one.to, one.from) }
            case .listed: break
            }
        }
        for program in Set(all.flatMap { [$0.from, $0.to] }) {
            if case .program = program.node, let obstacle = halt(program) {
                cross(.member(program), program, program, obstacle)
            }
        }
    }

    private func isObject(_ named: Named) -> Bool { named.node.kind != .program }

    /// One that is followed brings the other, unless every host has that.
    private mutating func relate(_ one: Dependency, _ here: Named, _ there: Named) {
        if isObject(here) {
            if isNameless(here) || stopAt(here) != nil { return }
        } else if halt(here) != nil {
            return
        }
        admit(.member(here), here, there, one.strength)
    }

    private mutating func admit(_ state: State, _ here: Named, _ there: Named, _ strength: UInt8) {
        if !isObject(there), !start.contains(there), !plain.isIncluded(there),
            let rule = plain.rule(.system, there)
        {
            return cross(state, here, there, .rule(rule))
        }
        if let number = exclude(there) { return cross(state, here, there, .exclude(number)) }
        steps.insert(Step(from: state, to: .member(there), strength: strength))
    }

    /// Over an address or a channel, which may be a boundary.
    private mutating func relateOver(_ one: Dependency, _ here: Named, _ there: Named) {
        guard halt(here) == nil else { return }
        let isChannel = there.node.kind == .channel
        for object in [isObject(there) ? there : nil, one.via].compactMap({ $0 }) {
            let kind: BoundaryRule.Kind = one.link == .ipc ? .ipc : .endpoint
            if !plain.isIncluded(object), !plain.isIncluded(there), let rule = plain.rule(kind, object) {
                return cross(.member(here), here, there, .rule(rule))
            }
            if let number = plain.exclude.firstIndex(where: { $0.matches(object) }),
                !(isChannel && start.contains(object))
            {
                return cross(.member(here), here, there, .exclude(number))
            }
            if !isObject(there), let number = plain.stopAt.firstIndex(where: { $0.matches(object) }) {
                return cross(.member(here), here, there, .stopAt(number))
            }
        }
        if there.node.kind == .endpoint { return cross(.member(here), here, there, .unobserved) }
        if isChannel, let number = stopAt(there) { cross(.member(here), here, there, .stopAt(number)) }
        admit(.member(here), here, there, one.strength)
    }

    private mutating func relateFile(_ use: Dependency) {
        let (program, file) = (use.from, use.to)
        if !isExecution(use) { relateBound(.bound(file), use) }
        if start.contains(file) { relateBound(.member(file), use) }
        let isHalted = halt(program) != nil
        if isHalted, !use.access.contains(.executed) { return }
        if !plain.isIncluded(file), let rule = plain.rule(.file, file) {
            return cross(.member(program), program, file, .rule(rule))
        }
        if let number = exclude(file) {
            return cross(.member(program), program, file, .exclude(number))
        }
        steps.insert(Step(from: .member(program), to: .member(file), strength: use.strength))
        if isHalted || isExecution(use) { return }
        if let number = stopAt(file) {
            return cross(.member(program), program, file, .stopAt(number))
        }
        if isBinding(file), !start.contains(file) {
            steps.insert(Step(from: .member(program), to: .bound(file), strength: use.strength))
        }
    }

    /// Who uses a bound file joins.
    private mutating func relateBound(_ state: State, _ use: Dependency) {
        if use.access.contains(.written), installer(use.from) != nil { return }
        admit(state, use.to, use.from, use.strength)
    }

    // MARK: The least solution

    private func solve() -> Outcome {
        var distance: [State: Int] = [:]
        for named in start { distance[.member(named)] = 0 }
        var isChanged = true
        while isChanged {
            isChanged = false
            for step in steps {
                guard let here = distance[step.from] else { continue }
                if here + 1 < distance[step.to, default: .max] {
                    distance[step.to] = here + 1
                    isChanged = true
                }
            }
        }
        var best: [State: UInt8] = [:]
        for named in start { best[.member(named)] = 9 }
        isChanged = true
        while isChanged {
            isChanged = false
            for step in steps {
                guard let here = best[step.from], distance[step.from]! + 1 == distance[step.to] else {
                    continue
                }
                let strength = min(here, step.strength)
                if best[step.to] == nil || best[step.to]! < strength {
                    best[step.to] = strength
                    isChanged = true
                }
            }
        }
        var outcome = Outcome()
        for (state, steps) in distance {
            guard case .member(let named) = state else { continue }
            outcome.members.insert(named)
            outcome.distances[named] = steps
            outcome.strengths[named] = best[state]
        }
        for pair in candidates where distance[pair.state] != nil {
            if isOpen(pair.crossing, outcome.members) { outcome.crossings.insert(pair.crossing) }
        }
        if !plain.isSymmetric { addWriters(Set(distance.keys), &outcome) }
        return outcome
    }

    private func isOpen(_ crossing: NamedCrossing, _ members: Set<Named>) -> Bool {
        let other = crossing.other
        if !members.contains(other) { return true }
        let isHalted = isObject(other) ? stopAt(other) != nil : halt(other) != nil
        switch crossing.obstacle {
        case .stopAt, .unknown: return isHalted
        case .rule(let number):
            return (plain.rules[number].kind == .launcher || plain.rules[number].kind == .tool) && isHalted
        default: return false
        }
    }

    /// Who writes a member's file and stays out.
    private func addWriters(_ states: Set<State>, _ outcome: inout Outcome) {
        for write in all where write.link == .file && write.access.contains(.written) {
            let (writer, file) = (write.from, write.to)
            guard outcome.members.contains(file), !outcome.members.contains(writer), stopAt(file) == nil
            else { continue }
            let isBound = states.contains(.bound(file)) || start.contains(file)
            var users: [(Named, Bool)] = start.contains(file) ? [(file, false)] : []
            for use in all where use.link == .file && use.to == file && outcome.members.contains(use.from) {
                let isHalted = halt(use.from) != nil
                if isHalted, !use.access.contains(.executed) { continue }
                users.append((use.from, isHalted || isExecution(use)))
            }
            for (user, isOnlyExecuted) in users {
                var obstacle: Obstacle?
                if let rule = installer(writer) {
                    obstacle = .rule(rule)
                } else if isOnlyExecuted, !isBound {
                    obstacle = .executed
                }
                if let obstacle {
                    outcome.crossings.insert(
                        NamedCrossing(member: user, other: writer, obstacle: obstacle))
                }
            }
        }
    }
}
