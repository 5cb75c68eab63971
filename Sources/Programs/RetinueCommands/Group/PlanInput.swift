import ArgumentParser
import MovePlan
import Records
import SystemCalls

/// A plan that is read in place of records.
struct PlanInput: ParsableArguments {
    @Option(
        name: .customLong("plan"),
        help: ArgumentHelp("Read this plan in place of records; name no program, then.", valueName: "file"),
        completion: .file())
    var file: String?

    /// Either a program of records is meant, or a plan.
    func check(program: String?, from: [String]) throws {
        guard (program == nil) != (file == nil) else {
            throw ValidationError("name a program, or a plan by --plan")
        }
        guard file == nil || from.isEmpty else {
            throw ValidationError("--plan reads no records: give no --from")
        }
    }
}

extension HostRoots {
    /// The directory below which the files of a plan's host are; `nil` if they are not here.
    func root(of host: HostPlan) -> String? { root(host.id) { $0.names(host) } }

    /// Refuses a directory for a host that a plan does not have, and one that is not there.
    func check(against hosts: [HostPlan]) throws(Failure) {
        try check("the plan has no host of that id or name") { root in hosts.contains { root.names($0) } }
    }
}

extension HostRoot {
    fileprivate func names(_ other: HostPlan) -> Bool { host == other.id || host == other.name }
}
