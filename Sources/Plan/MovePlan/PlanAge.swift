import HostPackages
import PackageFiles

/// What is no more as it was when a plan was made.
public enum PlanAge {
    /// Packages of the system that a host does not have, and those that it has in another version, a sentence each.
    ///
    /// - Parameter root: where the host's files lie on this machine.
    public static func lacking(
        _ packages: [(system: String, name: String, version: String)], root: String
    ) -> (missing: [String], other: [String]) {
        let host = HostPackages(root: root)
        var missing: [String] = []
        var other: [String] = []
        for package in packages {
            let name = PlanText.text(Array(package.name.utf8))
            let versions = host.find(named: package.name, of: package.system).map {
                host.label(of: $0).version
            }
            guard let installed = versions.first else {
                missing.append(name)
                continue
            }
            if !versions.contains(package.version) {
                other.append(
                    "\(name) is \(PlanText.text(Array(installed.utf8))) there, not \(PlanText.text(Array(package.version.utf8)))"
                )
            }
        }
        return (missing, other)
    }

    /// Packages of the system that a plan names and that have another version by now, or are gone: a sentence each.
    ///
    /// - Parameter root: where the host's files lie on this machine.
    public static func changedPackages(of plan: HostPlan, root: String) -> [String] {
        let host = HostPackages(root: root)
        guard !host.isEmpty else { return [] }
        return plan.packages.filter(\.isSystem).compactMap { package in
            let versions = host.find(named: package.name, of: package.system).map {
                host.label(of: $0).version
            }
            if versions.contains(package.version) { return nil }
            let name = PlanText.text(Array("\(package.name) \(package.version)".utf8))
            guard let installed = versions.first else { return "\(name) is not installed any more" }
            return "\(name) is \(PlanText.text(Array(installed.utf8))) by now"
        }
    }
}
