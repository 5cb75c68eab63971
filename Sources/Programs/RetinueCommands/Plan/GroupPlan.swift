import MoveGroup
import MovePlan
import SystemCalls

/// What a plan leaves out.
enum PlanRequirement: String, CaseIterable {
    /// What no record has.
    case exact
}

extension Plan {
    /// The plan of a program's group.
    ///
    /// - Parameters:
    ///   - program: as it was typed.
    ///   - roots: where files of hosts can be looked at.
    ///   - quiet: a file last written less than this before the end of the records is still being written, seconds.
    ///   - fetchesLanguagePackages: whether packages of pip, npm and gem are installed anew.
    init(
        of group: MoveGroup, program: String, _ roots: HostRoots, quiet: Double,
        require: PlanRequirement? = nil, fetchesLanguagePackages: Bool = false
    ) throws(Failure) {
        let hosts = group.observedHosts(quiet: UInt64(quiet * 1e9)).map { observed in
            let host = group.graph.hosts.first { $0.id == observed.plan.id }
            var plan = PlanBuilder.plan(
                observed, root: host.flatMap { roots.root(of: $0) },
                fetchesLanguagePackages: fetchesLanguagePackages)
            if require != nil { plan.dropLikely() }
            return plan
        }
        guard !hosts.isEmpty else {
            throw Failure("the group has no program or file on any host: there is nothing to plan")
        }
        self.init(program: program, made: Clock.wall(), hosts: hosts)
    }
}
