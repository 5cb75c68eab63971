import CLinux
import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// What forbids a move.
extension Departure {
    /// What stands in the way, before anything is touched, the first is what forbids the move; and how lively each program can move.
    ///
    /// - Parameters:
    ///   - declared: what the programs would declare as their data, beside what the order of a hand-over names.
    ///   - report: what is called meanwhile.
    func check(
        declared: [String], _ report: Report
    ) throws(MoveError) -> (problems: [String], notes: [String], survey: Survey) {
        try alone("check") { () throws(MoveError) in
            let verdict = try verdict(report)
            let notes = verdict.notes + (try compareHosts())
            return (verdict.problems, notes, survey(declared: declared))
        }
    }

    /// What the programs find otherwise there, and how much of their files the destination has by itself.
    private func compareHosts() throws(MoveError) -> [String] {
        let link = try connected()
        let before = Clock.wall()
        let there = HostSettings(try link.ask("settings"))
        let after = Clock.wall()
        var notes: [String] = []
        if let words = HostSettings.clockDifference(there: there.clock, before: before, after: after) {
            notes.append(
                "\(order.host): \(words): what programs have written, timers and certificates of theirs see another time"
            )
        }
        let differences = HostSettings.here().differences(from: there)
        if !differences.isEmpty {
            notes.append("\(order.host): \(differences.joined(separator: "; ")): sysctl(8) sets them")
        }
        // For the host's own root it was compared already, since what differs forbids the move.
        if order.isolation != .host {
            let equal = try compare(try pathsToBring(), link).equal
            notes.append(
                "\(order.host): \(equal) bytes of them are there with the same content, and are not sent")
        }
        return notes
    }

    func verdict(_ report: Report) throws(MoveError) -> (problems: [String], notes: [String]) {
        var problems: [String] = []
        var notes: [String] = []
        if journal.stands(.release) { problems.append("\(order.name) was given up here: it is \(state)") }
        if let missing = arrival?.missing, missing > 0, origin.cell != nil {
            problems.append(
                "\(missing) bytes of its files are still being fetched from \(arrival?.source ?? "")")
        }
        if let arrival, origin.cell != nil, arrival.memoryState == "missing" {
            problems.append("its memory is still being fetched from \(arrival.source)")
        }
        // What lives in a cell came by this plan; that of another host or another day is none of what runs here.
        if origin.cell == nil { problems += strange() }
        do throws(MoveError) {
            let runs = try origin.runs(recipes)
            let count = origin.processes().count
            if order.isolation.isBundled {
                for run in runs {
                    _ = try ContainerBundle(run: run, root: origin.root, isolation: order.isolation)
                        .configuration()
                }
            }
            notes.append(
                "\(runs.count == 1 ? "1 program is" : "\(runs.count) programs are") started, of \(count) processes"
            )
        } catch { problems.append(error.description) }
        problems += liveProblems()
        for tool in ["nft", "ip"] where !Tool.exists(tool) {
            problems.append("\(tool)(8) is not installed here")
        }
        if let text = order.serviceAddress, let address = ServiceAddress(text), try address.interface() == nil
        {
            problems.append("\(address.address) is no address of this host")
        }
        var isKeptHere = false
        if let kept = order.keptAddress {
            isKeptHere = try kept.interface() != nil
            if let obstacle = try kept.obstacle(order.ports, to: order.address) { problems.append(obstacle) }
        }
        // A connection that nothing depends on may have died of a cut link meanwhile, which shows only when it is used.
        if sender == nil {
            link?.close()
            link = nil
        }
        let shared = try findShared()
        problems += shared.problems
        notes += shared.notes
        let before = origin.bytesWritten()
        let begin = Clock.monotonic()
        let bytes = size(try pathsToBring())
        usleep(500_000)
        let rate = Double(origin.bytesWritten() &- before) / Double(Clock.monotonic() - begin) * 1e9
        let answer = try connected().ask(
            "check",
            [
                .init("bytes", .integer(Int128(bytes))),
                .init("isolation", .string(order.isolation.rawValue)),
                .init("address", order.serviceAddress.map { .string($0) } ?? .null),
                .init("address_stays", .boolean(order.addressStays)),
                .init("address_is_kept", .boolean(isKeptHere)),
                .init("start_first", .boolean(order.startsFirst)), .init("live", .boolean(order.isLive)),
                .init("fetches_memory", .boolean(order.fetchesMemory)),
                .init(
                    "units",
                    .array(order.isolation == .host ? origin.plannedUnits.map { .string($0) } : [])),
            ])
        if order.fetchesMemory {
            let patience = answer["patience"]?.integer ?? 120
            notes.append(
                "--memory fetched: from the commit on, until all memory is at \(order.host), a failure of either host, or a link that is cut for \(patience) s (--fetch-patience there), ends the programs for good; before the commit they go on here"
            )
        }
        if order.isolation == .host {
            let more = try hostVerdict()
            problems += more.problems
            notes += more.notes
        }
        problems += (answer["problems"]?.array ?? []).compactMap { $0.string.map { "\(order.host): \($0)" } }
        notes += (answer["notes"]?.array ?? []).compactMap { $0.string.map { "\(order.host): \($0)" } }
        notes.append(
            "\(contents?.paths.count ?? 0) entries, \(bytes) bytes; \(UInt64(max(0, rate))) bytes/s are being written"
        )
        for remark in contents?.remarks ?? [] { notes.append(remark) }
        if let far = try? unreachable(), !far.isEmpty {
            let words =
                "\(order.host) does not reach \(far.joined(separator: ", ")), where a program connects to"
            notes.append(words + (order.tunnels ? ": a tunnel is made" : "; --tunnel makes a way"))
        }
        let unknown = order.plan.unknown.count
        if unknown > 0 { notes.append("the plan says \(unknown) times what is not known: read it") }
        return (problems, notes)
    }

    /// Why the plan is not one of this host as it is.
    private func strange() -> [String] {
        guard order.isOfHost(named: identity.name) else {
            let names = [order.plan.id, order.plan.name].filter { !$0.isEmpty }
            return [
                "the plan is of \(Printable.text(names.last?.utf8 ?? "".utf8)), and this is \(identity.name)"
            ]
        }
        let changed = PlanAge.changedPackages(of: order.plan, root: origin.root)
        guard let first = changed.first else { return [] }
        let more = changed.count > 1 ? ", and \(changed.count - 1) more packages changed" : ""
        return ["the plan is older than this host: \(first)\(more); make it anew"]
    }
}
