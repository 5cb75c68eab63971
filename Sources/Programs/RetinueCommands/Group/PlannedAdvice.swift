import HostPackages
import MovePlan
import Records
import Text

/// What moving a plan takes, host by host: the isolation that it says, and what is measured of its files.
struct PlannedAdvice {
    private let hosts: [(plan: HostPlan, measure: HostMeasure)]

    init(_ plan: Plan, _ roots: HostRoots, destination: String?, walks: Bool) throws {
        hosts = try plan.hosts.map { host in
            let root = roots.root(of: host)
            return (
                host,
                try HostMeasure(
                    root.map { Self.paths(of: host, below: $0) } ?? host.entries.map(\.path), root: root,
                    walks: walks, destination: destination)
            )
        }
    }

    /// What the plan copies, and the files of its packages.
    private static func paths(of host: HostPlan, below root: String) -> [[UInt8]] {
        let contents = PlanContents(host, root: root)
        var paths = Set(contents.paths() + contents.pathsOfPackages())
        let packages = HostPackages(root: root)
        for package in host.packages {
            for id in packages.find(named: package.name, of: package.system) {
                paths.formUnion(packages.listing(of: id) ?? [])
            }
        }
        return paths.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// For people.
    func text(width: Int?) -> String {
        hosts.map { host, measure in
            let name = host.name.isEmpty ? host.id : "\(host.name) (\(host.id))"
            let advice =
                host.isolation.map { ([$0.choice] + $0.reasons).map { $0.printable + "\n" }.joined() }
                ?? "the plan does not say\n"
            let sizes = MeasureText(measure: measure, columns: width)
            var text = name.printable + "\n"
            for (title, body) in [("advice", advice), ("to move", sizes.sizes), ("packages", sizes.packages)]
            where !body.isEmpty {
                text += "\n  \(title)\n"
                for line in body.split(separator: "\n") { text += "    \(line)\n" }
            }
            return text
        }.joined(separator: "\n")
    }

    /// `retinue-advice/1`, without what only records have.
    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("schema", word: "retinue-advice/1")
            out.member("mode", word: "plan")
            out.array("hosts", hosts) { out, host in
                out.member("host", text: host.plan.id)
                if !host.plan.name.isEmpty { out.member("name", text: host.plan.name) }
                out.member("advice", textOrNull: host.plan.isolation?.choice)
                out.array("reasons", texts: host.plan.isolation?.reasons ?? [])
                AdviceJSON.append(host.measure, to: &out)
            }
        }
        out.endDocument()
        return out.bytes
    }
}
