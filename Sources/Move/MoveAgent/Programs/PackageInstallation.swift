import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls
import Text

/// Packages that a move has apt-get(8) install at the host's own root, and purge again.
///
/// Which were not there before is known by a simulation, and written to the journal, before anything is done: the inverse purges those
/// and no others, whatever else was installed meanwhile.
struct PackageInstallation: Equatable {
    /// A package of the plan that is not there.
    struct Wanted: Equatable {
        var name: String
        var version: String
    }

    /// What was not there before, dependencies too.
    var packages: [AptSimulation.Package] = []

    // MARK: As JSON

    var value: JSONValue {
        .array(packages.map { .array([.string($0.label), .string($0.version), .string($0.architecture)]) })
    }

    init(_ packages: [AptSimulation.Package]) { self.packages = packages }

    init?(_ value: JSONValue) {
        guard let list = value.array else { return nil }
        for one in list {
            guard let parts = one.array?.map(\.string), parts.count == 3, let label = parts[0],
                let version = parts[1], let architecture = parts[2], AptSimulation.isName(label),
                AptSimulation.isVersion(version), AptSimulation.isName(architecture)
            else { return nil }
            packages.append(.init(label: label, version: version, architecture: architecture))
        }
    }

    // MARK: What would be done

    /// Why nothing can be installed here; `nil` where it can.
    static var obstacle: String? {
        for tool in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] where !Tool.exists(tool) {
            return "\(tool) is not here: packages are installed by apt alone"
        }
        return nil
    }

    private static func words(_ wanted: [Wanted], isExact: Bool) -> [String] {
        [
            "install", "--no-install-recommends", "--no-remove", "-y", "-o",
            "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=60", "--",
        ] + wanted.map { isExact ? "\($0.name)=\($0.version)" : $0.name }
    }

    /// Finds out what apt-get would install, without changing anything.
    ///
    /// - Throws: what is not available, or what a rollback could not undo.
    init(of wanted: [Wanted], isExact: Bool) throws(MoveError) {
        if let obstacle = Self.obstacle { throw MoveError(obstacle) }
        for one in wanted {
            guard AptSimulation.isName(one.name), AptSimulation.isVersion(one.version) else {
                throw MoveError(
                    "\(Printable.text(one.name.utf8)) \(Printable.text(one.version.utf8)) is no package of Debian's"
                )
            }
        }
        let outcome = try Self.run(
            ["apt-get", "--simulate"] + Self.words(wanted, isExact: isExact), seconds: 120)
        guard outcome.status == 0, !outcome.isCut, let simulation = AptSimulation(outcome.output) else {
            throw MoveError("packages cannot be installed: \(Self.lastWords(outcome))")
        }
        let undoable = simulation.changed + simulation.removed + simulation.purged
        guard undoable.isEmpty else {
            throw MoveError(
                "apt-get would change or remove \(undoable.joined(separator: ", ")), which a rollback could not undo: install by hand"
            )
        }
        for one in wanted
        where !simulation.installed.contains(where: { $0.label == one.name || $0.key == one.name }) {
            throw MoveError("there is no package \(one.name) to be installed")
        }
        packages = simulation.installed
        let audit = try Self.run(["dpkg", "--audit"], seconds: 60)
        guard audit.status == 0, audit.output.isEmpty else {
            throw MoveError("packages are half installed here: dpkg --audit says which")
        }
        let left = try states().keys.sorted()
        guard left.isEmpty else {
            throw MoveError(
                "\(left.joined(separator: ", ")) left settings here when removed, which a rollback would purge: purge before"
            )
        }
    }

    /// Bytes that are fetched, and bytes of disk, as the archive says (`Size`, `Installed-Size` of deb-control(5)).
    func size() throws(MoveError) -> (fetched: UInt64, disk: UInt64) {
        var (fetched, disk): (UInt64, UInt64) = (0, 0)
        // A record has some thousand bytes.
        for package in packages {
            let outcome = try Self.run(
                ["apt-cache", "show", "--no-all-versions", "\(package.label)=\(package.version)"], seconds: 60
            )
            func number(_ key: String) -> UInt64 {
                outcome.output.split(separator: "\n").first { $0.hasPrefix(key + ": ") }
                    .flatMap { UInt64($0.dropFirst(key.utf8.count + 2)) } ?? 0
            }
            fetched = fetched.addingReportingOverflow(number("Size")).partialValue
            disk =
                disk.addingReportingOverflow(
                    number("Installed-Size").multipliedReportingOverflow(by: 1024).partialValue
                ).partialValue
        }
        return (fetched, disk)
    }

    /// What would be installed, in words, and what stands in its way.
    func verdict() throws(MoveError) -> (problems: [String], notes: [String]) {
        let size = try size()
        let names = packages.map { "\($0.label) \($0.version)" }.joined(separator: ", ")
        let notes = [
            "apt-get installs \(names): \(size.fetched) bytes to be fetched, \(size.disk) bytes of disk"
        ]
        var status = statvfs()
        guard statvfs("/usr", &status) == 0 else { return ([], notes) }
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        guard free < size.disk else { return ([], notes) }
        return (["there is room for \(free) bytes, and packages take \(size.disk)"], notes)
    }

    // MARK: Installing, and purging

    /// Seconds that apt-get may take.
    private static let patience = 1800.0

    /// Installs them; the list of them is in the journal.
    ///
    /// - Parameters:
    ///   - lock: held as long as anything that was started here runs, whatever becomes of the agent.
    ///   - say: each line that apt-get writes.
    func install(
        _ wanted: [Wanted], isExact: Bool, lock: String, _ say: (String) -> Void
    ) throws(MoveError) {
        let file = try Self.hold(lock, seconds: 60)
        let outcome = try Self.run(
            ["apt-get", "-q"] + Self.words(wanted, isExact: isExact), seconds: Self.patience,
            input: file.number)
        outcome.output.split(separator: "\n").forEach { say(Printable.text($0.utf8)) }
        Fault.pass("apt")
        guard !outcome.isLate else { throw MoveError("apt-get took longer than \(Int(Self.patience)) s") }
        guard outcome.status == 0 else {
            throw MoveError("apt-get ends with \(outcome.status): \(Self.lastWords(outcome))")
        }
    }

    /// Purges whatever of them is there; may be done again.
    ///
    /// - Throws: what else would have to go, or why it failed.
    func purge(lock: String, _ say: (String) -> Void) throws(MoveError) {
        // An agent that was killed has left apt-get running.
        let file = try Self.hold(lock, seconds: Self.patience)
        guard try !states().isEmpty else { return }
        if try !Self.run(["dpkg", "--audit"], seconds: 60).output.isEmpty {
            // One of which a dependency was not unpacked yet stays as it is, and is purged all the same.
            let outcome = try Self.run(
                ["dpkg", "--force-confold", "--configure", "-a"], seconds: Self.patience, input: file.number)
            outcome.output.split(separator: "\n").forEach { say(Printable.text($0.utf8)) }
        }
        let present = try states()
        let labels = packages.filter { present[$0.key] != nil }.map(\.label)
        let words = [
            "purge", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=60", "--",
        ]
        let simulated = try Self.run(["apt-get", "--simulate"] + words + labels, seconds: 120)
        guard simulated.status == 0, let simulation = AptSimulation(simulated.output) else {
            throw MoveError("packages cannot be purged: \(Self.lastWords(simulated))")
        }
        let others =
            simulation.purged.filter { !labels.contains($0) } + simulation.removed + simulation.changed
            + simulation.installed.map(\.label)
        guard others.isEmpty else {
            throw MoveError(
                "packages are not purged: \(others.joined(separator: ", ")) would be changed with them")
        }
        let outcome = try Self.run(
            ["apt-get", "-q"] + words + labels, seconds: Self.patience, input: file.number)
        outcome.output.split(separator: "\n").forEach { say(Printable.text($0.utf8)) }
        Fault.pass("purge")
        let left = try states().keys.sorted()
        guard left.isEmpty else {
            throw MoveError("\(left.joined(separator: ", ")) cannot be purged: \(Self.lastWords(outcome))")
        }
    }

    /// What dpkg knows of them: the two letters of dpkg-query(1) by `NAME:ARCHITECTURE`, of those that are there in any way.
    private func states() throws(MoveError) -> [String: String] {
        var found: [String: String] = [:]
        let known = Set(packages.map(\.key))
        for line in try query("${Package}:${Architecture}\\t${db:Status-Abbrev}\\n").split(separator: "\n") {
            let parts = line.split(separator: "\t")
            guard parts.count == 2, known.contains(String(parts[0])), !parts[1].hasPrefix("un") else {
                continue
            }
            found[String(parts[0])] = String(parts[1].prefix(2))
        }
        return found
    }

    /// Settings that they have put at the host (`conffile` of dpkg(1)).
    func conffiles() throws(MoveError) -> Set<[UInt8]> {
        Set(
            try query("${Conffiles}\\n").split(separator: "\n").compactMap { line in
                // A path, which may have blanks, and its digest.
                guard line.first == " ", let end = line.dropFirst().lastIndex(of: " ") else { return nil }
                let path = line[line.index(after: line.startIndex)..<end]
                return path.first == "/" ? Array(path.utf8) : nil
            })
    }

    private func query(_ format: String) throws(MoveError) -> String {
        guard !packages.isEmpty else { return "" }
        let names = packages.map { String($0.label.prefix { $0 != ":" }) }
        // It ends with 1 where one of them is not known.
        let outcome = try Self.run(["dpkg-query", "-W", "-f", format, "--"] + names, seconds: 60)
        guard outcome.status < 2, !outcome.isCut else {
            throw MoveError("dpkg-query: \(Self.lastWords(outcome))")
        }
        return outcome.output
    }

    /// What apt and dpkg ask nobody, and start nothing by.
    private static func run(
        _ words: [String], seconds: Double, input: Int32 = -1
    ) throws(MoveError) -> Tool.Outcome {
        try Tool.run(words, seconds: seconds) {
            // needrestart(1) would start services that others have.
            $0.environment += ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"].map {
                Array($0.utf8)
            }
            $0.mask = 0o022
            if input >= 0 { $0.input = input }
        }
    }

    /// A lock (flock(2)) that goes with the last process that has the file, which is the standard input of what is started.
    private static func hold(_ path: String, seconds: Double) throws(MoveError) -> FileDescriptor {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        } catch { throw MoveError("\(path): \(error)") }
        let end = Clock.monotonic() + UInt64(seconds * 1e9)
        while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            guard Clock.monotonic() < end else {
                throw MoveError("\(path): apt-get still runs after \(Int(seconds)) s")
            }
            usleep(50_000)
        }
        return file
    }

    private static func lastWords(_ outcome: Tool.Outcome) -> String {
        let lines = outcome.output.split(separator: "\n").filter { !$0.allSatisfy { $0 == " " } }
        return lines.isEmpty
            ? "exit status \(outcome.status)"
            : lines.suffix(4).map { Printable.text($0.utf8) }.joined(separator: "; ")
    }
}
