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
    let origin: Origin
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
                .tell, .retire,
            ]
            where journal.stands(step) {
                try journal.write(step, .undone)
            }
            try endRedirection()
        }
        try SafeFile.write(order.value, to: folder + "/order.json")
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

    /// What stands in the way, before anything is touched. The first is what forbids the move.
    func check(_ report: Report) throws(MoveError) -> (problems: [String], notes: [String]) {
        try alone("check") { () throws(MoveError) in try verdict(report) }
    }

    func verdict(_ report: Report) throws(MoveError) -> (problems: [String], notes: [String]) {
        var problems: [String] = []
        var notes: [String] = []
        if journal.stands(.release) { problems.append("\(order.name) was given up here: it is \(state)") }
        if let missing = arrival?.missing, missing > 0, origin.cell != nil {
            problems.append(
                "\(missing) bytes of its files are still being fetched from \(arrival?.source ?? "")")
        }
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
        for tool in ["nft", "ip"] where !Tool.exists(tool) {
            problems.append("\(tool)(8) is not installed here")
        }
        if let text = order.serviceAddress, let address = ServiceAddress(text), try address.interface() == nil
        {
            problems.append("\(address.address) is no address of this host")
        }
        // A connection that nothing depends on may have died of a cut link meanwhile, which shows only when it is used.
        if sender == nil {
            link?.close()
            link = nil
        }
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
                .init("start_first", .boolean(order.startsFirst)),
            ])
        problems += (answer["problems"]?.array ?? []).compactMap { $0.string.map { "\(order.host): \($0)" } }
        notes.append(
            "\(contents?.paths.count ?? 0) entries, \(bytes) bytes; \(UInt64(max(0, rate))) bytes/s are being written"
        )
        for remark in contents?.remarks ?? [] { notes.append(remark) }
        let unknown = order.plan.unknown.count
        if unknown > 0 { notes.append("the plan says \(unknown) times what is not known: read it") }
        return (problems, notes)
    }

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
        try bringRounds(report)
        try journal.write(.precopy, .done)
    }

    /// Rounds until what is left fits into the pause or stops becoming less.
    ///
    /// - Parameter prepare: done before each; where it does nothing there is no round.
    func bringRounds(
        _ report: Report, after prepare: () throws(MoveError) -> Bool = { () throws(MoveError) in true }
    ) throws(MoveError) {
        var last = UInt64.max
        for number in 1...Self.mostRounds {
            guard try prepare() else { return }
            let begin = Clock.monotonic()
            let round = try sendRound(isFinal: false)
            let seconds = Double(Clock.monotonic() - begin) / 1e9
            report(
                .object([
                    .init("round", .integer(Int128(number))), .init("sent", .integer(Int128(round.sent))),
                    .init("offered", .integer(Int128(round.offered))), .init("seconds", .double(seconds)),
                ]))
            // A small round says more of how long files are looked at than of the link.
            if round.sent > 4 << 20 { rate = Double(round.sent) / seconds }
            let throttle = progress.bytesPerSecond
            let pace = throttle > 0 ? min(rate, Double(throttle)) : rate
            // What is changed while this is sent is about what was while the last one was.
            if Double(round.sent) <= pace * order.downtime / 4 || number > 1 && round.sent > last / 4 * 3 {
                break
            }
            last = round.sent
        }
    }

    static let mostRounds = 8

    /// Holds, stops, brings the rest and starts it there, still held. Whatever fails is undone.
    func cutover(_ report: Report) throws(MoveError) {
        try alone("cut-over") { () throws(MoveError) in
            guard state == "open" else { throw MoveError("\(order.name) is \(state)") }
            if sender == nil {
                try refuseProblems(report)
                try bring(report)
            }
            let runs = try origin.runs(recipes)
            try beforeStop(report)
            do throws(MoveError) { try cut(runs, report) } catch {
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
        try connected().ask(
            "hold",
            [
                .init("within", .integer(Int128(order.within))),
                .init("address", order.serviceAddress.map { .string($0) } ?? .null),
            ])
        try journal.write(.holdThere, .done)
        let begin = Clock.monotonic()
        status.withLock {
            $0.deadline = begin + order.within * 1_000_000_000
            $0.heldSince = begin
        }
        try journal.write(.hold, .begun)
        try beginHold()
        try journal.write(.hold, .done)
        openFiles = order.startsFirst ? origin.openFiles() : []
        try journal.write(.stop, .begun, .array(runs.map(\.value)))
        try origin.end(runs, within: 60)
        try journal.write(.stop, .done)
        phase("stopped", begin, report)
        try journal.write(.finalCopy, .begun)
        let round = try sendRound(isFinal: true)
        guard round.unsettled == 0 else {
            throw MoveError("\(round.unsettled) files are still being written by somebody else")
        }
        try furnish()
        try journal.write(.finalCopy, .done)
        try beginServing()
        phase("copied", begin, report, [.init("sent", .integer(Int128(round.sent)))])
        let link = try connected()
        try journal.write(.start, .begun)
        try link.ask("start", startMembers(runs, isCutOff: false) + fetchMembers)
        try journal.write(.start, .done)
        phase("started", begin, report)
    }

    /// Whose number is another one there. What runs in a cell has the numbers that it was given when it came.
    var owners: OwnerMap { origin.cell == nil ? OwnerMap(order.plan.accounts) : OwnerMap() }

    func startMembers(_ runs: [ProgramRun], isCutOff: Bool) -> [JSONValue.Member] {
        [
            .init("runs", .array(runs.map { owners.map($0).value })),
            .init("isolation", .string(order.isolation.rawValue)),
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

    private var forward: Forward {
        Forward(name: order.name, ports: order.ports, to: order.address, published: order.published)
    }

    /// What sends clients to where the service went, as far as that was ordered. Done again it changes nothing.
    func beginRedirection() throws(MoveError) {
        guard order.forwards, state == "moved" else { return }
        // What a run that did not come to its end has found is how the host was.
        var was = forward.isForwarding
        if journal.stands(.forward), case .boolean(let before)? = journal.detail(.forward) { was = before }
        if journal.state(.forward) != .done { try journal.write(.forward, .begun, .boolean(was)) }
        try forward.begin()
        if journal.state(.forward) != .done { try journal.write(.forward, .done) }
    }

    /// Lets it rest, until it begins again.
    func suspendRedirection() throws(MoveError) {
        if journal.stands(.forward) { try forward.suspend() }
    }

    /// The service is here again: what sends its clients elsewhere is undone.
    func endRedirection() throws(MoveError) {
        status.withLock { $0.isReturned = true }
        // Clients' hosts may not answer, and nobody waits for them: `watch` asks again.
        if journal.stands(.reconnect) { try? DetachedThread.start { [self] in watchClients() } }
        guard journal.stands(.forward) else { return }
        // Not known is as it is: another move may have begun to forward since.
        let was = journal.detail(.forward) != .boolean(false)
        try forward.end(wasForwarding: was)
        try journal.write(.forward, .undone)
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
                    }
                } else if state != "open" || journal.stands(.finalCopy) {
                    try undo(quiet)
                }
            }
        } catch { Diagnostics.say("\(order.name): \(error)") }
    }

    /// Each second: renews the hold while it is wanted, undoes a cut-over that was not committed in time, asks for an answer
    /// that did not come.
    func watch() {
        watchClients()
        serve()
        let deadline = status.withLock { $0.deadline }
        if !handover.toEnd.isEmpty {
            try? alone("end of stand-ins") { () throws(MoveError) in endStandIns() }
        }
        if state == "moved", journal.state(.tell) == .begun || journal.state(.retire) == .begun {
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

    /// Seconds after which the kernel lifts the hold of an agent that died.
    static let holdSeconds = 10

    /// Ports as clients have them: those of the network that the programs have here.
    private var heldPorts: [ServicePort] {
        origin.cell?.state.network?.wish.outside(order.ports) ?? order.ports
    }

    private var hold: Hold {
        Hold(
            name: order.name, ports: heldPorts, within: Self.holdSeconds,
            address: origin.cell?.state.network?.wish.address)
    }

    func beginHold() throws(MoveError) {
        let traffic = HeldTraffic.begin(heldPorts, for: order.name)
        status.withLock { $0.traffic = traffic }
        try hold.load()
        traffic?.beginDatagrams()
    }

    /// Not while it is lifted.
    func renewHold() {
        let hold = hold
        status.withLock { status in
            guard status.deadline > 0 else { return }
            status.traffic?.drain()
            try? hold.load()
        }
    }

    /// Lifts it, and hands to this host's kernel what was stored and not passed on: it answers whether there is a service or not.
    func endHold() throws(MoveError) {
        let name = order.name
        let traffic = try status.withLock { status throws(MoveError) in
            status.deadline = 0
            defer { status.traffic = nil }
            guard let traffic = status.traffic else {
                try Hold.lift(name: name)
                return nil as HeldTraffic?
            }
            try traffic.release { () throws(MoveError) in try Hold.lift(name: name) }
            return traffic
        }
        // What redirects the packets goes with it, behind them.
        _ = traffic
    }

    // MARK: Parts

    func connected() throws(MoveError) -> AgentLink {
        if let link { return link }
        let made = try AgentLink(to: order.host, at: order.address, port: order.port, as: identity)
        try made.ask(
            "open",
            [
                .init("name", .string(order.name)), .init("ports", .array(order.ports.map(\.value))),
                .init("network", order.network?.value ?? .null), .init("owners", owners.value),
            ])
        link = made
        return made
    }

    func pathsToBring() throws(MoveError) -> [[UInt8]] {
        if origin.cell != nil { return origin.paths() }
        if contents == nil { contents = origin.contents() } else { contents?.renew() }
        return (contents?.paths ?? []) + declared(beside: contents?.paths ?? [])
    }

    /// Files that a server declares and the plan does not have, each behind the folders above it.
    func declared(beside known: [[UInt8]]) -> [[UInt8]] {
        guard let data = order.handover?.data, !data.isEmpty else { return [] }
        var seen = Set(known)
        var more: [[UInt8]] = []
        for path in data.map({ Array($0.utf8) }) {
            for (index, byte) in path.enumerated().dropFirst() where byte == UInt8(ascii: "/") {
                if seen.insert(Array(path[..<index])).inserted { more.append(Array(path[..<index])) }
            }
            if seen.insert(path).inserted { more.append(path) }
        }
        return more
    }

    func size(_ paths: [[UInt8]]) -> UInt64 {
        var scan = FileScan(root: origin.root)
        return paths.reduce(0) {
            $0 + (scan.look(at: $1).map { $0.entry.kind == .file ? $0.entry.size : 0 } ?? 0)
        }
    }

    func sendRound(isFinal: Bool) throws(MoveError) -> FileSender.Round {
        let link = try connected()
        if sender == nil { sender = FileSender(over: link.channel, root: origin.root, progress: progress) }
        // While they run and when they ended: what was mapped has been changed behind the times' back either way.
        if !isFinal { mapped = origin.mappedFiles() }
        let paths = try pathsSent()
        let round: FileSender.Round
        do throws(TransferError) {
            let deferral: FileSender.Deferral = !order.startsFirst ? .none : isFinal ? .placeholders : .later
            round = try sender!.send(
                paths, mapped: isFinal ? mapped : [], isMirror: true, deferral: deferral,
                isDeferred: Self.isDeferred)
        } catch {
            self.link = nil
            sender = nil
            throw MoveError(error)
        }
        // At once: most of it is read while clients are served, and all of it before programs there can change it.
        try link.ask("compare")
        return round
    }

    var mapped: Set<[UInt8]> = []
    /// Bytes a second that the last large round came to; half of a link of 1 Gbit/s before there was one.
    var rate = 60e6
    /// As they last ran.
    var targets: [RecipeTarget] = []
    /// What the programs had open when they were stopped.
    var openFiles: [[UInt8]] = []

    func pathsSent() throws(MoveError) -> [[UInt8]] {
        let paths = try pathsToBring()
        let omitted = try pathsOmitted()
        return omitted.isEmpty ? paths : paths.filter { !omitted.contains($0) }
    }

    func furnish() throws(MoveError) {
        guard let contents else { return }
        let owners = owners
        let folders: [JSONValue] = contents.folders.map {
            let (user, group) = owners.map(user: $0.user, group: $0.group)
            return .object([
                .init("path", .string(PlanText.text($0.path))), .init("user", .integer(Int128(user))),
                .init("group", .integer(Int128(group))), .init("mode", .integer(Int128($0.mode))),
            ])
        }
        let files: [JSONValue] = contents.files.map {
            .object([
                .init("path", .string(PlanText.text($0.path))),
                .init("text", .string(PlanText.text($0.text))),
            ])
        }
        try connected().ask("furnish", [.init("folders", .array(folders)), .init("files", .array(files))])
    }

    func phase(
        _ name: StaticString, _ begin: UInt64, _ report: Report, _ more: [JSONValue.Member] = []
    ) {
        report(
            .object(
                [
                    .init("phase", .string("\(name)")),
                    .init("after_ns", .integer(Int128(Clock.monotonic() &- begin))),
                ] + more))
    }

    /// Removes what the plan has copied, of files that no package has; folders that are empty then go too.
    func removeFiles(_ report: Report) throws(MoveError) {
        guard origin.cell == nil else {
            throw MoveError("what an earlier move has brought here is a cell: it stays")
        }
        try journal.write(.remove, .begun)
        var count = 0
        let trees = order.plan.entries.filter {
            ($0.treatment == .preCopy || $0.treatment == .finalCopy) && $0.kind != .folder
                && $0.ground != .implied
        }
        let paths = PlanContents(order.plan, root: "/").paths().filter { path in
            trees.contains { $0.path == path || path.starts(with: $0.path + [UInt8(ascii: "/")]) }
        }
        for path in paths.reversed() {
            let name = (path + [0]).map { CChar(bitPattern: $0) }
            if unlink(name) == 0 || rmdir(name) == 0 { count += 1 }
        }
        try journal.write(.remove, .done)
        report(.object([.init("removed", .integer(Int128(count)))]))
    }
}
