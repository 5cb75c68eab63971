@testable import MovePlan
import Records

/// Texts of plans, and what a trial is told by strace(1).
enum PlanTargets {
    static let all = [
        FuzzTarget(name: "plan") { bytes in
            guard let value = try? JSONValue(parsing: bytes), let plan = try? PlanDocument.plan(value) else {
                return
            }
            // What was read can be written, and is read as the same.
            let again = try? PlanDocument.plan(PlanDocument.value(plan))
            require(again == plan, "a plan that is read again is another")
            require(PlanChanges(from: plan, to: plan).lines.isEmpty, "a plan has changed against itself")
            for host in plan.hosts {
                _ = PlanSummary(of: host).line
                for entry in host.entries {
                    require(
                        PlanText.bytes(PlanText.text(entry.path)) == entry.path, "a path does not come back")
                }
            }
        },
        FuzzTarget(name: "plan-texts") { bytes in
            let rest = Array(bytes.dropFirst())
            switch (bytes.first ?? 0) % 6 {
            case 0:
                for path in FailedLookups(rest, root: Array("/r".utf8)).paths.keys {
                    require(path.first == 0x2f, "not absolute")
                }
            case 1:
                for path in NamedPaths.paths(in: rest) {
                    require(path.first == 0x2f && path.count > 1, "not absolute")
                }
            case 2: _ = ImportedModules.names(in: rest, .python)
            case 3: _ = ImportedModules.names(in: rest, .perl)
            case 4: _ = ImportedModules.names(in: rest, .node)
            default: require(PlanText.bytes(PlanText.text(rest)) == rest, "a text does not come back")
            }
        },
    ]
}
