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
    func root(of host: HostPlan) -> String? {
        if let root = given.first(where: { $0.host == host.id || $0.host == host.name }) {
            return root.directory
        }
        guard let machineID, !machineID.isEmpty else { return nil }
        return host.id == machineID || host.id.hasPrefix(machineID + "/") ? "/" : nil
    }

    /// Refuses a directory for a host that a plan does not have, and one that is not there.
    func check(against hosts: [HostPlan]) throws(Failure) {
        for root in given {
            guard hosts.contains(where: { root.host == $0.id || root.host == $0.name }) else {
                throw Failure(
                    "--root \(root.host)=…: the plan has no host of that id or name",
                    status: ExitStatus.badInput)
            }
            guard FileProbe.isDirectory(root.directory) else {
                throw Failure(
                    "--root \(root.host)=\(root.directory): no such directory", status: ExitStatus.badInput)
            }
        }
    }
}
