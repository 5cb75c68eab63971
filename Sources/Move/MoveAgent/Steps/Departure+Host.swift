import Glibc
import MovePlan
import Records
import SystemCalls
import Text
import Transfer

/// A move to the destination's own root: what that has already.
extension Departure {
    /// Entries that are compared by one request.
    private static let mostCompared = 2000

    /// Accounts with the numbers that they have here.
    var accountsHere: JSONValue {
        .array(
            order.plan.accounts.filter { !$0.name.isEmpty }.map { account in
                // In a cell they have those that they were given when they came.
                let number =
                    origin.isAtHost
                    ? Arrival.number(of: account.name, isUser: account.isUser) ?? account.number
                    : account.destination ?? account.number
                return .object([
                    .init("kind", .string(account.isUser ? "user" : "group")),
                    .init("name", .string(account.name)), .init("number", .integer(Int128(number))),
                ])
            })
    }

    /// Which numbers they have there, and which are missing.
    func askAccounts(_ link: AgentLink) throws(MoveError) {
        let answer = try link.ask("accounts", [.init("accounts", accountsHere)])
        ownersThere = answer["owners"].flatMap(OwnerMap.init) ?? OwnerMap()
        accountsMissing = (answer["missing"]?.array ?? []).compactMap(\.string)
    }

    private var packageMembers: [JSONValue.Member] {
        let packages = order.plan.packages.filter(\.isSystem)
        return [
            .init(
                "packages",
                .array(
                    packages.map {
                        .object([
                            .init("system", .string($0.system)), .init("name", .string($0.name)),
                            .init("version", .string($0.version)),
                        ])
                    })), .init("install", .boolean(order.installsPackages)),
            .init("exact", .boolean(order.exactVersions)),
        ]
    }

    /// Has the destination install what it lacks.
    func installPackages(_ report: Report) throws(MoveError) {
        guard order.installsPackages else { return }
        let link = try connected()
        let missing = try link.ask("packages", packageMembers)["missing"]?.array ?? []
        guard !missing.isEmpty else { return }
        let begin = Clock.monotonic()
        try journal.write(.install, .begun)
        do throws(MoveError) {
            try link.ask("install", packageMembers)
            // Packages make accounts.
            try askAccounts(link)
            if let account = accountsMissing.first {
                throw MoveError("\(order.host): there is no \(account), with its packages either")
            }
        } catch {
            let reason = error
            try undo(report)
            throw reason
        }
        try journal.write(.install, .done)
        phase("packages installed", begin, report)
    }

    /// What stands in the way at the host itself, and what may be of interest.
    func hostVerdict() throws(MoveError) -> (problems: [String], notes: [String]) {
        var problems: [String] = []
        var notes: [String] = []
        let link = try connected()
        let lacking = try link.ask("packages", packageMembers)
        func said(_ key: String) -> [String] { (lacking[key]?.array ?? []).compactMap(\.string) }
        let missing = said("missing")
        for account in accountsMissing {
            if order.installsPackages, !missing.isEmpty {
                notes.append("\(order.host): there is no \(account) yet: a package has to make it")
            } else {
                problems.append("\(order.host): there is no \(account), which the files or programs have")
            }
        }
        if !missing.isEmpty, !order.installsPackages {
            problems.append(
                "\(order.host): packages are to be installed before, by its package manager or with --install-packages: "
                    + missing.joined(separator: " "))
        }
        problems += said("problems").map { "\(order.host): \($0)" }
        notes += said("notes").map { "\(order.host): \($0)" }
        for package in said("other") {
            if order.exactVersions {
                problems.append(
                    "\(order.host): \(package): --exact-versions changes no package that is there")
            } else {
                notes.append("\(order.host): \(package)")
            }
        }
        let (differing, equal) = try compare(try pathsToBring(), link)
        notes.append("\(equal) bytes are there already, with the same content")
        if !differing.isEmpty {
            let names = differing.prefix(8).map { Printable.text($0) }.joined(separator: ", ")
            let more = differing.count > 8 ? ", and \(differing.count - 8) more" : ""
            if order.replaces {
                notes.append("\(order.host): \(names)\(more) differ there, and give way")
            } else {
                problems.append(
                    "\(order.host): \(names)\(more) \(differing.count == 1 ? "is" : "are") there already, and differ\(differing.count == 1 ? "s" : ""); --replace has what is there give way"
                )
            }
        }
        return (problems, notes)
    }

    /// Paths at which the destination has something else, and how many bytes it has that are equal.
    func compare(
        _ paths: [[UInt8]], _ link: AgentLink
    ) throws(MoveError) -> (differing: [[UInt8]], equal: UInt64) {
        var scan = FileScan(root: origin.root)
        var differing: [[UInt8]] = []
        var equal: UInt64 = 0
        var batch: [OfferedEntry] = []
        func ask(_ batch: [OfferedEntry]) throws(MoveError) -> [OfferedEntry] {
            guard !batch.isEmpty else { return [] }
            let answer = try link.ask("compare-own", [.init("entries", .array(batch.map(\.value)))])
            func chosen(_ key: String) -> [OfferedEntry] {
                (answer[key]?.array ?? []).compactMap {
                    $0.integer.flatMap { Int(exactly: $0) }.flatMap {
                        batch.indices.contains($0) ? batch[$0] : nil
                    }
                }
            }
            differing += chosen("differs").map(\.entry.path)
            equal += answer["equal"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
            return chosen("unsure")
        }
        func settle() throws(MoveError) {
            // Only what has the same size there is read.
            var unsure = try ask(batch)
            for index in unsure.indices {
                unsure[index].hash =
                    OfferedEntry.hash(of: unsure[index].entry.path, root: scan.prefix)
                    ?? BlockHash(high: 0, low: 0)
            }
            _ = try ask(unsure)
            batch = []
        }
        for path in paths {
            guard let entry = scan.look(at: path)?.entry else { continue }
            batch.append(OfferedEntry(entry, hash: nil))
            if batch.count == Self.mostCompared { try settle() }
        }
        try settle()
        return (differing, equal)
    }

    /// After the service has gone: a unit that is started at boot would have it serve here as well then.
    func disableUnits() {
        guard origin.cell == nil else { return }
        do throws(MoveError) {
            try SystemdUnits.enable(SystemdUnits.enabled(origin.plannedUnits), false)
        } catch { Diagnostics.say("\(order.name): its units are still started at boot: \(error)") }
    }
}
