import CLinux
import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// A move at its source: drives all steps, those of the destination too.
///
/// Exactly one of the two hosts lets clients in at any time. Until `release` is in the journal that is the source, and the
/// destination is never asked to admit; from then on it is the destination, unless that says that what it had started was ended,
/// which it never takes back.
final class Departure: @unchecked Sendable {
    /// What a step reports while it is done.
    typealias Report = (JSONValue) -> Void

    let order: MoveOrder
    let folder: String
    let identity: TLSIdentity
    let recipes: [Recipe]
    var origin: Origin
    /// The arrival by which the service came here, where it did.
    let arrival: Arrival?
    let journal: Journal
    let progress = TransferProgress()
    /// Held by whoever does a step.
    let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    let status = Mutex(Status())

    struct Status {
        /// What is being done, or nothing.
        var activity = ""
        /// When a cut-over that is not committed undoes itself, by the monotonic clock.
        var deadline: UInt64 = 0
        var heldSince: UInt64 = 0
        var lastPause: UInt64 = 0
        /// Whether the service came back since.
        var isReturned = false
        /// What is sent to held ports meanwhile.
        var traffic: HeldTraffic?
        /// Of files that are fetched later: whether there is a connection for them, or one is being made; what serves them.
        var isServing = false
        var server: UnitServer?
        var whyNotServing = ""
    }

    // Of the connection that is open.
    var link: AgentLink?
    var sender: FileSender?
    var contents: MoveContents?
    var handover = Handover()
    var mapped: Set<[UInt8]> = []
    /// Bytes a second that the last large round came to; half of a link of 1 Gbit/s before there was one.
    var rate = 60e6
    /// What the destination has made beside the files, over this connection.
    var furnished: JSONValue?
    /// What the destination has of the memory of processes that run, and over which connection it was brought: with that it goes.
    var memoryAhead: MemoryAhead?
    var memoryLink: AgentLink?
    /// Nanoseconds that it took to connect, and to be answered that the move is taken.
    var connectTime: UInt64 = 0
    /// Whether a round over this connection has had one of these, too.
    var furnishedIsBrought = false
    /// As they last ran.
    var targets: [RecipeTarget] = []
    /// What the programs had open when they were stopped.
    var openFiles: [[UInt8]] = []
    /// At a destination's own root: numbers of accounts there, and accounts that are missing there.
    var ownersThere = OwnerMap()
    var accountsMissing: [String] = []

    /// Where this host's own programs are sent, which are clients as well.
    let redirection: Redirection

    init(
        _ order: MoveOrder, redirection: Redirection, folder: String, identity: TLSIdentity,
        recipes: [Recipe], arrival: Arrival?
    ) throws(MoveError) {
        self.order = order
        self.folder = folder
        self.identity = identity
        self.recipes = recipes
        self.redirection = redirection
        self.arrival = arrival
        origin = Origin(
            order: order, cell: arrival.flatMap { $0.isHome || $0.cell.isRunning ? $0.cell : nil })
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(folder): \(SystemError.text(of: errno))")
        }
        journal = try Journal(folder + "/journal")
        Fault.watch(journal)
        pthread_mutex_init(lock, nil)
        progress.bytesPerSecond = order.throttle
        // It went away from here, and came back.
        if arrival?.isHome == true, state == "moved" {
            try journal.write(.admit, .undone)
            try journal.write(.release, .undone)
            try journal.write(.stop, .undone)
            for step in [
                MoveStep.verify, .start, .holdThere, .finalCopy, .fetch, .standIn, .refuse, .deregister,
                .freeze,
                .announce, .retire, .install,
            ]
            where journal.stands(step) {
                try journal.write(step, .undone)
            }
            try endRedirection()
            try endTunnel()
        }
        try SafeFile.write(order.value, to: folder + "/order.json")
        recallShared()
    }

    // MARK: What it is

    /// `open`, `held`, `ready`, `in-doubt`, `moved`.
    var state: String {
        // Asked is not answered.
        if journal.state(.admit) == .done { return "moved" }
        if journal.stands(.release) { return "in-doubt" }
        if journal.stands(.start) { return "ready" }
        if [.standIn, .holdThere, .hold, .stop, .freeze].contains(where: journal.stands) { return "held" }
        return "open"
    }

    var value: JSONValue {
        let now = progress.now
        let figures = status.withLock { $0 }
        return .object([
            .init("name", .string(order.name)), .init("to", .string(order.host)),
            .init("state", .string(state)),
            .init("activity", figures.activity.isEmpty ? .null : .string(figures.activity)),
            .init("entries", .integer(Int128(now.entries))), .init("files", .integer(Int128(now.files))),
            .init("sent", .integer(Int128(now.sent))), .init("present", .integer(Int128(now.present))),
            .init("throttle", .integer(Int128(progress.bytesPerSecond))),
            .init("paused", .boolean(progress.isPaused)),
            .init("pause_ns", .integer(Int128(figures.lastPause))), .init("fetch", fetchValue ?? .null),
            .init(
                "journal",
                .array(journal.lines.suffix(40).map { .string("\($0.step.rawValue) \($0.state.rawValue)") })),
        ])
    }

    /// Whether nothing is being done.
    var isIdle: Bool { status.withLock { $0.activity.isEmpty } }

    /// Whether the programs still are where they were when this was made.
    func isCurrent(_ arrival: Arrival?) -> Bool { (arrival?.isHome ?? false) == (origin.cell != nil) }

    /// Does something alone; what is asked for meanwhile is refused.
    func alone<Result>(
        _ activity: String, _ body: () throws(MoveError) -> Result
    ) throws(MoveError) -> Result {
        guard pthread_mutex_trylock(lock) == 0 else {
            throw MoveError("\(order.name) is busy: \(status.withLock { $0.activity })")
        }
        status.withLock { $0.activity = activity }
        defer {
            status.withLock { $0.activity = "" }
            pthread_mutex_unlock(lock)
        }
        return try body()
    }

    // MARK: Steps that people ask for

    /// Brings files while the programs run, until what is left fits into the pause.
    func precopy(_ report: Report) throws(MoveError) {
        try alone("pre-copy") { () throws(MoveError) in
            try refuseProblems(report)
            try bring(report)
        }
    }

    func refuseProblems(_ report: Report) throws(MoveError) {
        guard state == "open" else { return }
        let verdict = try verdict(report)
        guard verdict.problems.isEmpty else { throw MoveError(verdict.problems.joined(separator: "; ")) }
    }

    func bring(_ report: Report) throws(MoveError) {
        try journal.write(.precopy, .begun)
        // Before the first round: what they bring needs not be sent.
        try installPackages(report)
        // The last copy looks at as many files, and brings about as much as was changed during the last round.
        let expected = try bringRounds(report)
        // Here, and not only while clients are held: most of the time a later round leaves it as it is. The first one does not.
        if order.rounds > 0 { try furnish() }
        report(.object([.init("expected_ns", .integer(Int128(expected * 1e9)))]))
        try journal.write(.precopy, .done)
    }

    /// Rounds until what is left fits into the pause or stops becoming less.
    ///
    /// - Parameter prepare: done before each; where it does nothing there is no round.
    /// - Returns: how long the last one took, in seconds.
    @discardableResult
    func bringRounds(
        _ report: Report, after prepare: () throws(MoveError) -> Bool = { () throws(MoveError) in true }
    ) throws(MoveError) -> Double {
        var seconds = 0.0
        var last = UInt64.max
        // What has to be run before the copy is run all the same.
        if order.rounds == 0 { _ = try prepare() }
        for number in 0..<order.rounds {
            guard try prepare() else { break }
            let begin = Clock.monotonic()
            let round = try sendRound(isFinal: false)
            seconds = Double(Clock.monotonic() - begin) / 1e9
            report(
                .object([
                    .init("round", .integer(Int128(number + 1))), .init("sent", .integer(Int128(round.sent))),
                    .init("offered", .integer(Int128(round.offered))), .init("seconds", .double(seconds)),
                ]))
            // A small round says more of how long files are looked at than of the link.
            if round.sent > 4 << 20 { rate = Double(round.sent) / seconds }
            let throttle = progress.bytesPerSecond
            let pace = throttle > 0 ? min(rate, Double(throttle)) : rate
            // What is changed while this is sent is about what was while the last one was.
            if Double(round.sent) <= pace * order.downtime / 4 || number > 0 && round.sent > last / 4 * 3 {
                break
            }
            last = round.sent
        }
        return seconds
    }

    /// Holds, stops, brings the rest and starts it there, still held. Whatever fails is undone.
    func cutover(_ report: Report) throws(MoveError) {
        try alone("cut-over") { () throws(MoveError) in
            guard state == "open" else { throw MoveError("\(order.name) is \(state)") }
            if sender == nil {
                try refuseProblems(report)
                try bring(report)
            }
            try refuseLive()
            let runs = try origin.runs(recipes)
            try beforeStop(report)
            do throws(MoveError) {
                try bringMemory(report)
                try cut(runs, report)
            } catch {
                let reason = error
                try undo(report)
                throw MoveError("\(reason); the source serves again")
            }
        }
    }

    func cut(_ runs: [ProgramRun], _ report: Report) throws(MoveError) {
        if let handover = order.handover { return try surrender(runs, handover, report) }
        // There first: nobody notices it before the address is there, and none of it has to be done while clients wait.
        try journal.write(.holdThere, .begun)
        var parts = StopParts()
        let there = try connected()
        parts.add("connect", connectTime)
        try parts.measure("accepted") { () throws(MoveError) in
            try there.ask(
                "hold",
                [
                    .init("within", .integer(Int128(order.within))),
                    .init("address", order.serviceAddress.map { .string($0) } ?? .null),
                ])
            return nil
        }
        if order.isLive {
            try parts.measure("round trip") { () throws(MoveError) in
                try there.ask("state")
                return nil
            }
        }
        try journal.write(.holdThere, .done)
        try beginTunnel()
        try journal.write(.hold, .begun)
        try prepareHold()
        let begin = Clock.monotonic()
        status.withLock {
            $0.deadline = begin + order.within * 1_000_000_000
            $0.heldSince = begin
        }
        try beginHold()
        try journal.write(.hold, .done)
        openFiles = order.startsFirst ? origin.openFiles() : []
        RequestsUnderWay.wait(order.ports, in: processOfNetwork)
        if order.isLive {
            try parts.measure("written down") { () throws(MoveError) in
                try freezeLive()
                return nil
            }
        } else {
            try journal.write(.stop, .begun, .array(runs.map(\.value)))
            try origin.end(runs, within: 60)
            try journal.write(.stop, .done)
        }
        phase("stopped", begin, report)
        try journal.write(.finalCopy, .begun)
        let filesBegin = Clock.monotonic()
        let round = try sendRound(isFinal: true)
        guard round.unsettled == 0 else {
            throw MoveError("\(round.unsettled) files are still being written by somebody else")
        }
        try furnish()
        try journal.write(.finalCopy, .done)
        try beginServing()
        phase("copied", begin, report, [.init("sent", .integer(Int128(round.sent)))])
        if order.isLive {
            parts.add("files", Clock.monotonic() - filesBegin, round.sent)
            let compareBegin = Clock.monotonic()
            if let figures = try compareMemory() {
                parts.add("compared", Clock.monotonic() - compareBegin, figures.all)
                phase(
                    "compared", begin, report,
                    [
                        .init("memory", .integer(Int128(figures.all))),
                        .init("differs", .integer(Int128(figures.all - figures.known))),
                    ])
            }
            var bytes: UInt64 = 0
            try parts.measure("image") { () throws(MoveError) in
                bytes = try sendImages(from: dump.images) + sendSharedMemory()
                return bytes
            }
            phase("images", begin, report, [.init("sent", .integer(Int128(bytes)))])
        }
        let link = try connected()
        try journal.write(.start, .begun)
        serveMemory()
        try parts.measure("started") { () throws(MoveError) in
            try link.ask("start", startMembers(runs, isCutOff: false) + fetchMembers)
            return nil
        }
        try journal.write(.start, .done)
        if order.isLive { report(parts.report) }
        phase("started", begin, report)
    }

    /// Whose number is another one there. What runs in a cell has the numbers that it was given when it came.
    /// At a host itself they go by their names.
    var owners: OwnerMap {
        if order.isolation == .host { return ownersThere }
        return origin.cell == nil ? OwnerMap(order.plan.accounts) : OwnerMap()
    }

    func startMembers(_ runs: [ProgramRun], isCutOff: Bool) -> [JSONValue.Member] {
        [
            .init("runs", .array(runs.map { owners.map($0).value })),
            .init("isolation", .string(order.isolation.rawValue)),
            .init("units", .array(order.isolation == .host ? origin.plannedUnits.map { .string($0) } : [])),
            .init(
                "enabled",
                .array(
                    order.isolation == .host
                        ? SystemdUnits.enabled(origin.plannedUnits).map { .string($0) } : [])),
            .init("replace", .boolean(order.replaces)),
            .init("shared", .array(origin.shared.map(\.value))),
            .init("live", .boolean(order.isLive)),
            .init("fetches_memory", .boolean(order.fetchesMemory && !isCutOff)),
            .init("address_stays", .boolean(order.addressStays)),
            .init("address", order.serviceAddress.map { .string($0) } ?? .null),
            .init("cut_off", .boolean(isCutOff)), .init("seconds", .integer(Int128(min(order.within, 120)))),
        ]
    }

    /// Reads at the destination what was written, and tries the check.
    func verify(_ report: Report) throws(MoveError) {
        try alone("verify") { () throws(MoveError) in
            guard state == "ready" else {
                throw MoveError("\(order.name) is not started at \(order.host): it is \(state)")
            }
            do throws(MoveError) { try prove(report) } catch {
                let reason = error
                try undo(report)
                throw MoveError("\(reason); the source serves again")
            }
        }
    }

    func prove(_ report: Report) throws(MoveError) {
        try journal.write(.verify, .begun)
        let link = try connected()
        let answer = try link.ask("verify")
        try passCheck(link)
        try journal.write(.verify, .done)
        phase(
            "verified", status.withLock { $0.heldSince }, report, [.init("bytes", answer["bytes"] ?? .null)])
    }

    func passCheck(_ link: AgentLink) throws(MoveError) {
        guard let check = order.check else { return }
        let limit = Clock.monotonic() + min(order.within, 60) * 1_000_000_000
        var last = ""
        repeat {
            let answer = try link.ask(
                "try", [.init("command", .string(check)), .init("seconds", .integer(10))])
            if answer["status"]?.integer == 0 { return }
            last = answer["output"]?.string ?? ""
            usleep(20_000)
        } while Clock.monotonic() < limit
        throw MoveError("at \(order.host) the check does not succeed: \(last.prefix(300))")
    }

    /// Lets clients in at the destination. From here on there is no way back but another move.
    func commit(remove: Bool, _ report: Report) throws(MoveError) {
        try alone("commit") { () throws(MoveError) in
            guard state == "ready" || state == "in-doubt" || state == "moved" && remove else {
                throw MoveError("\(order.name) is not ready to be committed: it is \(state)")
            }
            if remove { try needFetched() }
            if state == "ready" {
                guard journal.state(.verify) == .done else {
                    throw MoveError("\(order.name) was not verified")
                }
                try handOver(report)
            } else if state == "in-doubt" {
                try resolve(report)
            }
            if remove { try removeFiles(report) }
        }
    }

    // MARK: After a crash, and from time to time

    /// After the agent was started: what was not given up serves here again, what was is asked for.
    func recover() {
        let quiet: Report = { _ in }
        do throws(MoveError) {
            try alone("recovery") { () throws(MoveError) in
                if journal.stands(.release) {
                    if state != "moved" {
                        try resolve(quiet)
                    } else if journal.state(.release) != .done {
                        try tidy()
                    } else {
                        // The kernel forgets it with a restart.
                        try beginRedirection()
                        try renewTunnel()
                    }
                } else if state != "open" || journal.stands(.finalCopy) || journal.stands(.install) {
                    try undo(quiet)
                } else if order.isLive {
                    dump.clear()
                }
            }
        } catch { Diagnostics.say("\(order.name): \(error)") }
    }

    /// Each second: renews the hold while it is wanted, undoes a cut-over that was not committed in time, asks for an answer
    /// that did not come.
    func watch() {
        watchClients()
        serve()
        watchMemory()
        let deadline = status.withLock { $0.deadline }
        if !handover.toEnd.isEmpty {
            try? alone("end of stand-ins") { () throws(MoveError) in endStandIns() }
        }
        if state == "moved", journal.state(.announce) == .begun || journal.state(.retire) == .begun {
            try? alone("hand-over") { () throws(MoveError) in
                do throws(MoveError) { try finishHandover() } catch {
                    Diagnostics.say("\(order.name): \(error)")
                }
            }
        }
        if deadline > 0, journal.stands(.hold) || journal.stands(.standIn), !journal.stands(.release) {
            if Clock.monotonic() < deadline {
                if order.handover == nil { renewHold() }
            } else {
                try? alone("rollback: not committed in time") { () throws(MoveError) in
                    guard !journal.stands(.release) else { return }
                    Diagnostics.say("\(order.name): not committed within \(order.within) s: undone")
                    try undo { _ in }
                }
            }
        } else if state == "in-doubt" {
            try? alone("resolution") { () throws(MoveError) in
                if state == "in-doubt" { try resolve { _ in } }
            }
        }
    }
}
