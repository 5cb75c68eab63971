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

    /// What stands in the way at the host itself, and what may be of interest.
    func hostVerdict() throws(MoveError) -> (problems: [String], notes: [String]) {
        var problems: [String] = []
        var notes: [String] = []
        let link = try connected()
        for account in accountsMissing {
            problems.append("\(order.host): there is no \(account), which the files or programs have")
        }
        let packages = order.plan.packages.filter(\.isSystem)
        let lacking = try link.ask(
            "packages",
            [
                .init(
                    "packages",
                    .array(
                        packages.map {
                            .object([
                                .init("system", .string($0.system)), .init("name", .string($0.name)),
                                .init("version", .string($0.version)),
                            ])
                        }))
            ])
        let missing = (lacking["missing"]?.array ?? []).compactMap(\.string)
        if !missing.isEmpty {
            problems.append(
                "\(order.host): packages are to be installed before, by its package manager: "
                    + missing.joined(separator: " "))
        }
        for package in (lacking["other"]?.array ?? []).compactMap(\.string) {
            notes.append("\(order.host): \(package)")
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
    private func compare(
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
