import MovePlan
import Records
import SystemCalls
import Text

/// Packages of the plan that this host lacks.
extension Arrival {
    /// What of the plan's packages is not installed here, by a request that has them.
    private static func lacking(
        _ request: JSONValue
    ) -> (wanted: [PackageInstallation.Wanted], foreign: [String], missing: [String], other: [String]) {
        let packages = (request["packages"]?.array ?? []).compactMap {
            value -> (system: String, name: String, version: String)? in
            guard let system = value["system"]?.string, let name = value["name"]?.string,
                let version = value["version"]?.string
            else { return nil }
            return (system, name, version)
        }
        let (missing, other) = PlanAge.lacking(packages, root: "/")
        let names = Set(missing)
        let lacking = packages.filter { names.contains(PlanText.text(Array($0.name.utf8))) }
        return (
            lacking.filter { $0.system == "debian" }.map { .init(name: $0.name, version: $0.version) },
            lacking.filter { $0.system != "debian" }.map {
                "\(Printable.text($0.name.utf8)) is a package of \(Printable.text($0.system.utf8)): apt does not install it"
            }, missing, other
        )
    }

    /// Packages that are not installed here, and those with another version; where they are to be installed, what that comes to.
    static func lackingPackages(_ request: JSONValue) -> JSONValue {
        let (wanted, foreign, missing, other) = lacking(request)
        var problems: [String] = []
        var notes: [String] = []
        if request["install"] == .boolean(true), !missing.isEmpty {
            problems = foreign
            do throws(MoveError) {
                if let obstacle = PackageInstallation.obstacle { throw MoveError(obstacle) }
                if !wanted.isEmpty {
                    let found = try PackageInstallation(
                        of: wanted, isExact: request["exact"] == .boolean(true)
                    ).verdict()
                    problems += found.problems
                    notes = found.notes
                }
            } catch { problems.append(error.description) }
        }
        func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
        return .object([
            .init("missing", list(missing)), .init("other", list(other)), .init("problems", list(problems)),
            .init("notes", list(notes)),
        ])
    }

    private var lockPath: String { folder + "/packages.lock" }
    private func say(_ line: String) { Diagnostics.say("\(name): \(line)") }

    private var installation: PackageInstallation? {
        journal.detail(.install).flatMap(PackageInstallation.init)
    }

    /// Installs what is missing; the list of it is in the journal, on the disk, before that.
    func install(_ request: JSONValue) throws(MoveError) {
        guard isolation == .host else { throw MoveError("packages are installed at the host itself alone") }
        if journal.state(.install) == .begun { try uninstall() }
        let (wanted, foreign, _, _) = Self.lacking(request)
        guard foreign.isEmpty else { throw MoveError(foreign.joined(separator: "; ")) }
        guard !wanted.isEmpty else { return }
        let isExact = request["exact"] == .boolean(true)
        var all = try PackageInstallation(of: wanted, isExact: isExact)
        // What an earlier pre-copy of this move has brought goes with a rollback too.
        if journal.stands(.install), let installation { all.packages += installation.packages }
        try journal.write(.install, .begun, all.value)
        do throws(MoveError) {
            let policy = ServicePolicy(name: name)
            try policy.begin()
            try all.install(wanted, isExact: isExact, lock: lockPath, say)
            try policy.end()
            try journal.write(.install, .done)
        } catch {
            let reason = error
            do throws(MoveError) { try uninstall() } catch {
                throw MoveError("\(reason); what was installed is still there: \(error)")
            }
            throw reason
        }
    }

    /// The inverse of `install`.
    func uninstall() throws(MoveError) {
        guard journal.stands(.install) else { return }
        guard let installation else {
            throw MoveError("\(journal.path) does not say which packages were installed")
        }
        // Purging may start what was stopped for it, as well.
        let policy = ServicePolicy(name: name)
        try installation.purge(lock: lockPath, say)
        try policy.end()
        try journal.write(.install, .undone)
    }

    /// Settings that came with these packages, to which the moved ones are preferred.
    func yielding() throws(MoveError) -> Set<[UInt8]> {
        guard journal.stands(.install), let installation else { return [] }
        return try installation.conffiles()
    }
}
