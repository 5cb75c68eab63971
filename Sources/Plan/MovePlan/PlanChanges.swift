/// What a person has changed in a plan.
public struct PlanChanges {
    /// A line for each, in the order of hosts and paths.
    public private(set) var lines: [String] = []

    /// Compares the plan as it was made with the edited one.
    public init(from old: Plan, to new: Plan) {
        for host in new.hosts {
            let title = host.title
            guard let before = old.hosts.first(where: { $0.id == host.id }) else {
                lines.append("\(title): added")
                continue
            }
            compare(title, before, host)
        }
        for host in old.hosts where !new.hosts.contains(where: { $0.id == host.id }) {
            lines.append("\(host.title): taken out")
        }
    }

    private mutating func compare(_ title: String, _ old: HostPlan, _ new: HostPlan) {
        let before = Dictionary(old.entries.map { ($0.path, $0) }) { first, _ in first }
        let after = Dictionary(new.entries.map { ($0.path, $0) }) { first, _ in first }
        for entry in new.entries {
            let path = PlanText.text(entry.path)
            guard let former = before[entry.path] else {
                lines.append("\(title): \(path): added, \(entry.treatment.rawValue)")
                continue
            }
            if former.treatment != entry.treatment {
                lines.append("\(title): \(path): \(former.treatment.rawValue) -> \(entry.treatment.rawValue)")
            }
            if former.kind != entry.kind {
                lines.append("\(title): \(path): \(former.kind.rawValue) -> \(entry.kind.rawValue)")
            }
            if former.target != entry.target || former.owner?.user != entry.owner?.user
                || former.owner?.group != entry.owner?.group || former.owner?.mode != entry.owner?.mode
            {
                lines.append("\(title): \(path): owner, mode or target")
            }
        }
        for entry in old.entries where after[entry.path] == nil {
            lines.append("\(title): \(PlanText.text(entry.path)): taken out")
        }
        let ways = [old, new].map { $0.consistency ?? Consistency(.stop) }
        if ways[0] != ways[1] {
            let isSame = ways[0].way == ways[1].way
            let change = isSame ? "its commands" : "\(ways[0].way.rawValue) -> \(ways[1].way.rawValue)"
            lines.append("\(title): consistency: \(change)")
        }
        difference(
            title, "package", old.packages.map(\.changeName), new.packages.map(\.changeName))
        difference(title, "account", old.accounts.map(\.changeName), new.accounts.map(\.changeName))
        difference(title, "service", old.services.map(\.name), new.services.map(\.name))
        difference(title, "program", old.programs.map(\.changeName), new.programs.map(\.changeName))
        difference(title, "port", old.ports.map(\.address), new.ports.map(\.address))
        difference(title, "endpoint", old.endpoints.map(\.address), new.endpoints.map(\.address))
        let choices = [old, new].map { $0.isolation?.choice ?? "none" }
        if choices[0] != choices[1] { lines.append("\(title): isolation: \(choices[0]) -> \(choices[1])") }
        let orders = Dictionary(old.programs.map { ($0.key, $0.order) }) { first, _ in first }
        for program in new.programs {
            guard let former = orders[program.key], former != program.order else { continue }
            let words = [former, program.order].map { $0.map { "\($0)" } ?? "none" }
            lines.append("\(title): program \(program.changeName): order \(words[0]) -> \(words[1])")
        }
    }

    private mutating func difference(_ title: String, _ what: String, _ old: [String], _ new: [String]) {
        for name in new where !old.contains(name) { lines.append("\(title): \(what) \(name): added") }
        for name in old where !new.contains(name) { lines.append("\(title): \(what) \(name): taken out") }
    }
}

extension HostPlan {
    /// What it is called, fit for a terminal.
    fileprivate var title: String { PlanText.text(Array((name.isEmpty ? id : name).utf8)) }
}

extension PlannedAccount {
    fileprivate var changeName: String {
        "\(PlanText.text(Array(name.utf8))) \(number)" + (destination.map { " -> \($0)" } ?? "")
    }
}

extension PlannedProgram {
    fileprivate var changeName: String {
        ([executable, script].filter { !$0.isEmpty }.map(PlanText.text)
            + (workload.isEmpty ? [] : ["@\(PlanText.text(workload))"])).joined(separator: " ")
    }
}

extension PlannedPackage {
    /// By what two plans are compared: packages of languages may be there several times.
    fileprivate var changeName: String {
        PlanText.text(Array("\(name) \(version)".utf8)) + (folder.map { " in \(PlanText.text($0))" } ?? "")
            + (isCopied ? ", copied" : "")
    }
}

/// A plan in a line.
public struct PlanSummary {
    private let host: HostPlan
    /// Entries that are copied.
    public let copied: Int
    /// Bytes of these.
    public let bytes: UInt64
    /// Entries that stay, are made anew or come with a package.
    public let others: Int

    /// Sums up a host.
    public init(of host: HostPlan) {
        self.host = host
        let copied = host.entries.filter { $0.treatment == .preCopy || $0.treatment == .finalCopy }
        self.copied = copied.count
        bytes = copied.reduce(UInt64(0)) { $0 &+ ($1.bytes ?? 0) }
        others = host.entries.count - copied.count
    }

    /// Programs, packages, entries and bytes.
    public var line: String {
        "\(host.title): \(host.programs.count) programs, \(host.packages.count { !$0.isCopied }) packages, "
            + "\(copied) entries to copy (\(bytes) bytes), \(others) that stay or are made anew"
    }
}
