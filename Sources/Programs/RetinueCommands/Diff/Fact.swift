import Records
import Text

/// One thing that an input says: what it is about, which two inputs can both say, and what else is said of it.
struct Fact {
    /// What it is about; two facts with the same members are about the same thing.
    var members: [(name: String, value: [UInt8])]
    /// It in words, fit for a terminal.
    var text: String
    /// What makes a difference.
    var traits: [(name: String, value: String)] = []
    /// What differs between any two dumps of a host that is not idle: counts, times, bytes.
    var measures: [(name: String, value: String)] = []
    /// Why it is there, fit for a terminal; empty where nothing says so.
    var why = ""

    /// The members as one text; lengths keep those of different facts apart.
    fileprivate var key: [UInt8] {
        members.flatMap { Array("\($0.name) \($0.value.count) ".utf8) + $0.value }
    }

    /// What two facts about the same thing are put in order by.
    fileprivate var rest: String {
        (traits + measures).map { "\($0.name) \($0.value)" }.joined(separator: "\n")
    }
}

/// What one of two inputs says and the other does not.
struct Difference {
    enum Change: String { case added, removed, changed }

    var change: Change
    /// The fact as the input has it that has it; of a change as the second one has it.
    var fact: Fact
    /// What has changed: from, to.
    var changes: [(name: String, from: String, to: String)] = []
}

/// The differences of two inputs, in an order that depends on nothing but what they say.
struct Differences {
    private(set) var list: [Difference] = []
    /// Facts of which only counts, times or bytes differ, if those were not asked for.
    private(set) var measuredOnly = 0

    /// Compares what two inputs say.
    ///
    /// - Parameter withMeasures: whether counts, times and bytes make a difference, too.
    init(from old: [Fact], to new: [Fact], withMeasures: Bool) {
        let (old, new) = (Self.sorted(old), Self.sorted(new))
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if right == new.count || left < old.count && Self.precedes(old[left].key, new[right].key) {
                list.append(Difference(change: .removed, fact: old[left].fact))
                left += 1
            } else if left == old.count || Self.precedes(new[right].key, old[left].key) {
                list.append(Difference(change: .added, fact: new[right].fact))
                right += 1
            } else {
                compare(old[left].fact, new[right].fact, withMeasures)
                left += 1
                right += 1
            }
        }
    }

    func count(_ change: Difference.Change) -> Int { list.count { $0.change == change } }

    private mutating func compare(_ old: Fact, _ new: Fact, _ withMeasures: Bool) {
        let changes = Self.changes(old.traits, new.traits)
        let measured = Self.changes(old.measures, new.measures)
        if changes.isEmpty, !withMeasures {
            measuredOnly += measured.isEmpty ? 0 : 1
            return
        }
        let all = withMeasures ? changes + measured : changes
        if !all.isEmpty { list.append(Difference(change: .changed, fact: new, changes: all)) }
    }

    private static func changes(
        _ old: [(name: String, value: String)], _ new: [(name: String, value: String)]
    ) -> [(name: String, from: String, to: String)] {
        var changes: [(name: String, from: String, to: String)] = []
        for trait in new {
            let former = old.first { $0.name == trait.name }?.value ?? ""
            if former != trait.value { changes.append((trait.name, former, trait.value)) }
        }
        for trait in old where !new.contains(where: { $0.name == trait.name }) {
            changes.append((trait.name, trait.value, ""))
        }
        return changes
    }

    private struct Keyed {
        var key: [UInt8]
        var fact: Fact
    }

    /// In order, those about the same thing by what is said of it: a list that was put together of several may say
    /// a thing more than once.
    private static func sorted(_ facts: [Fact]) -> [Keyed] {
        facts.map { Keyed(key: $0.key, fact: $0) }.sorted { left, right in
            left.key == right.key ? left.fact.rest < right.fact.rest : precedes(left.key, right.key)
        }
    }

    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.lexicographicallyPrecedes(right)
    }
}
