import CLinux
import Glibc
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// Programs of this host as several: a copy at each of some hosts, and connections distributed over them, at this host.
///
/// The source goes on all the time; what is at other hosts is a copy of one moment. Nothing is distributed before all of them have
/// passed the check, and nothing is ended before its connections have.
final class Spread: @unchecked Sendable {
    let order: SpreadOrder
    let folder: String
    private let journal: Journal
    /// A departure to each host, of which the programs do not depart.
    private let replicas: [Departure]
    /// Held by whoever does a step.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let activity = Mutex("")
    private let rules = Mutex(Rules())

    /// What distributes now.
    private struct Rules {
        var isOn = false
        /// How often something was distributed: whoever asks members does so for one of them.
        var turn: UInt64 = 0
        /// Of the source, then of each host: how often in a row its check has come out otherwise than `up` says.
        var up: [Bool]
        var against: [Int]

        init(count: Int = 0) {
            up = Array(repeating: true, count: count)
            against = Array(repeating: 0, count: count)
        }
    }

    /// How often a check has to come out otherwise, so that one packet that is lost takes nobody out.
    private static let turns = 2
    /// Microseconds between checks.
    private static let interval: UInt32 = 250_000
    /// When what could not be undone was tried last, by the monotonic clock.
    private let lastTry = Mutex(UInt64(0))

    init(
        _ order: SpreadOrder, folder: String, redirection: Redirection, identity: TLSIdentity,
        recipes: [Recipe]
    ) throws(MoveError) {
        self.order = order
        self.folder = folder
        for path in [folder, folder + "/replicas"] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
        journal = try Journal(folder + "/journal")
        Fault.watch(journal)
        var made: [Departure] = []
        for host in order.hosts {
            made.append(
                try Departure(
                    try SpreadOrder.order(order.base, for: host), redirection: redirection,
                    folder: "\(folder)/replicas/\(host.name)", identity: identity, recipes: recipes,
                    arrival: nil))
        }
        replicas = made
        pthread_mutex_init(lock, nil)
        try SafeFile.write(order.value, to: folder + "/spread.json")
    }

    deinit { lock.deallocate() }

    /// What an agent before this one was ordered.
    static func left(in folder: String) throws(MoveError) -> SpreadOrder? {
        guard let value = SafeFile.read(folder + "/spread.json") else { return nil }
        return try SpreadOrder(value)
    }

    /// `open`, `spreading`, `spread` or `draining`.
    var state: String {
        if journal.stands(.drain) { return "draining" }
        if journal.state(.balance) == .done { return "spread" }
        return journal.stands(.replicate) ? "spreading" : "open"
    }

    var value: JSONValue {
        let up = rules.withLock { $0.up }
        let state = state
        func member(_ name: String, _ address: JSONValue, _ index: Int) -> JSONValue {
            let isUp = index < up.count ? up[index] : true
            return .object([
                .init("name", .string(name)), .init("address", address),
                .init("state", .string(state != "spread" ? state : isUp ? "up" : "down")),
            ])
        }
        var members = order.hasSource ? [member("source", .null, 0)] : []
        members += order.hosts.enumerated().map {
            member($1.name, .string($1.address), $0 + 1)
        }
        let doing = activity.withLock { $0 }
        return .object([
            .init("name", .string(order.name)), .init("state", .string(state)),
            .init("activity", doing.isEmpty ? .null : .string(doing)),
            .init("balancer", .string(order.kind.rawValue)), .init("static", .boolean(order.isStatic)),
            .init("ports", .array(order.balancedPorts.map { .integer(Int128($0)) })),
            .init("members", .array(members)),
            .init(
                "journal",
                .array(journal.lines.suffix(40).map { .string("\($0.step.rawValue) \($0.state.rawValue)") })),
        ])
    }

    private func alone<Result>(
        _ what: String, _ body: () throws(MoveError) -> Result
    ) throws(MoveError) -> Result {
        guard pthread_mutex_trylock(lock) == 0 else {
            throw MoveError("\(order.name) is busy: \(activity.withLock { $0 })")
        }
        activity.withLock { $0 = what }
        defer {
            activity.withLock { $0 = "" }
            pthread_mutex_unlock(lock)
        }
        return try body()
    }

    // MARK: Before anything is done

    /// What stands in the way, and what would be done.
    func check(_ report: Departure.Report) throws(MoveError) -> (problems: [String], notes: [String]) {
        try alone("check") { () throws(MoveError) in try verdict(report) }
    }

    private func verdict(_ report: Departure.Report) throws(MoveError) -> (
        problems: [String], notes: [String]
    ) {
        var shared = SharedState(planned: order.common.plan, own: order.own)
        shared.add(order.common.plan, order.common.members.processes, own: order.own)
        var (problems, notes) = (shared.problems, shared.notes)
        if let text = order.base["address"]?.string {
            if let address = ServiceAddress(text) {
                if try address.interface() == nil {
                    problems.append("\(address.address) is no address of this host")
                }
            } else {
                problems.append("--address is ADDRESS/PREFIX, and not \(text)")
            }
        }
        problems += obstacles()
        for port in order.common.ports where !port.isTCP && !port.isLoopback {
            notes.append("\(port) stays with the source: connections are what is spread")
        }
        for replica in replicas {
            let found = try replica.verdict(report)
            // What is said of this host is said once.
            for problem in found.problems where !problems.contains(problem) { problems.append(problem) }
            for note in found.notes where !notes.contains(note) { notes.append(note) }
        }
        return (problems, notes + intentions)
    }

    /// What of this host distribution would need.
    private func obstacles() -> [String] {
        var problems: [String] = []
        if order.kind == .haproxy, !Tool.exists(HAProxy.tool) {
            problems.append("\(HAProxy.tool)(1) is not installed here: install it, or use --balancer nft")
        }
        // Whether the kernel has what the rules need.
        let balancer = order.balancer({ _ in true }, sourceIsUp: true)
        // haproxy's own connections are not passed on.
        if order.kind == .nft, let obstacle = balancer.obstacle { problems.append(obstacle) }
        if let outcome = try? Tool.run(["nft", "-c", "-f", "-"], input: balancer.text, seconds: 10),
            outcome.status != 0
        {
            problems.append(
                "the kernel does not take the rules that distribute connections (nf_tables with nat, numgen and hash): \(outcome.output.prefix(200))"
            )
        }
        return problems
    }

    /// In words, what `begin` does.
    private var intentions: [String] {
        let names = (order.hasSource ? ["this host"] : []) + order.hosts.map(\.name)
        let list = order.balancedPorts.map { "tcp/\($0)" }.joined(separator: ", ")
        let how =
            order.isStatic
            ? "by each client's address and port, whether a member answers or not"
            : order.probe == .tcp
                ? "in turn, to those that take a connection"
                : "in turn, to those that pass --probe \(order.probe.text)"
        return order.hosts.map { "a copy is started at \($0.name) (\($0.address)); the programs here go on" }
            + [
                "new connections from other hosts to \(list) of \(order.address ?? "this host's addresses") are passed on by \(order.kind.rawValue) \(how): \(names.joined(separator: ", "))",
                "members see this host's address in place of the client's",
            ]
    }

    // MARK: Steps that people ask for

    /// Makes the replicas, then has connections distributed. Whatever fails is undone.
    func begin(_ report: Departure.Report) throws(MoveError) {
        try alone("spread") { () throws(MoveError) in
            guard state == "open" else {
                throw MoveError("\(order.name) is \(state): retinue move spread PLAN --drain ends that")
            }
            let problems = try verdict(report).problems
            guard problems.isEmpty else { throw MoveError(problems.joined(separator: "; ")) }
            try journal.write(.replicate, .begun)
            do throws(MoveError) {
                for replica in replicas {
                    report(.object([.init("phase", .string("replica at \(replica.order.host)"))]))
                    try replica.replicate(report)
                }
                try journal.write(.replicate, .done)
                try journal.write(.balance, .begun)
                try distribute()
                try journal.write(.balance, .done)
                try watchMembers()
            } catch {
                let reason = error
                do throws(MoveError) { try undo(report) } catch { throw MoveError("\(reason); and \(error)") }
                throw MoveError("\(reason); the source serves as before")
            }
            report(.object([.init("phase", .string("spread"))]))
        }
    }

    /// Takes connections from the replicas, waits until theirs have ended, ends them and removes the copies.
    func drain(_ report: Departure.Report) throws(MoveError) {
        try alone("drain") { () throws(MoveError) in
            guard state != "open" else { throw MoveError("\(order.name) is not spread") }
            try undo(report)
        }
    }

    private func undo(_ report: Departure.Report) throws(MoveError) {
        rules.withLock { $0.isOn = false }
        if !journal.stands(.drain) { try journal.write(.drain, .begun) }
        if journal.stands(.balance) {
            try distributeToSource()
            report(.object([.init("phase", .string("new connections go to the source"))]))
            waitForConnections(report)
        }
        var reasons: [String] = []
        for replica in replicas {
            do throws(MoveError) { try replica.endReplica() } catch {
                reasons.append(
                    "the replica at \(replica.order.host) is not ended yet (\(error)): it gets no connections, and is ended when the agent there answers"
                )
            }
        }
        guard reasons.isEmpty else { throw MoveError(reasons.joined(separator: "; ")) }
        if journal.stands(.balance) {
            try order.balancer({ _ in false }, sourceIsUp: false).end()
            try haproxy.end()
            try journal.write(.balance, .undone)
        }
        if journal.stands(.replicate) { try journal.write(.replicate, .undone) }
        try journal.write(.drain, .undone)
        rules.withLock {
            let turn = $0.turn
            $0 = Rules(count: order.hosts.count + 1)
            $0.turn = turn
        }
        report(.object([.init("phase", .string("drained"))]))
    }

    /// Until no replica has a connection any more, or `within` is over: what is idle then ends with its program.
    private func waitForConnections(_ report: Departure.Report) {
        let limit = Clock.monotonic() + order.common.within * 1_000_000_000
        var calm = 0
        while Clock.monotonic() < limit {
            // One that does not answer has none that could be waited for.
            let open = replicas.reduce(UInt64(0)) { $0 + ((try? $1.replicaConnections()) ?? 0) }
            // A first packet may be on its way.
            calm = open == 0 ? calm + 1 : 0
            if calm == 3 { return }
            usleep(50_000)
        }
        report(
            .object([
                .init("phase", .string("connections that are still open after \(order.common.within) s end"))
            ]))
    }

    // MARK: What distributes

    private var haproxy: HAProxy { HAProxy(folder: folder, order: order) }

    private func balancer(_ rules: Rules) -> Balancer {
        var up: [String: Bool] = [:]
        for (index, host) in order.hosts.enumerated() { up[host.name] = rules.up[index + 1] }
        return order.balancer({ up[$0.name] ?? false }, sourceIsUp: rules.up[0])
    }

    private func distribute() throws(MoveError) {
        try rules.withLock { rules throws(MoveError) in
            let turn = rules.turn + 1
            rules = Rules(count: order.hosts.count + 1)
            rules.turn = turn
            var balancer = balancer(rules)
            if order.kind == .haproxy { balancer.redirected = try haproxy.begin() }
            try balancer.load()
            rules.isOn = true
        }
    }

    /// New connections alone: those that are translated stay so, as long as the table is there.
    private func distributeToSource() throws(MoveError) {
        try order.balancer({ _ in false }, sourceIsUp: false).load()
        try haproxy.stopAccepting()
    }

    /// Takes members out that do not answer, and in that do again. Each is asked by a thread of its own: one that keeps whoever asks
    /// waiting must not keep the others from being asked.
    private func watchMembers() throws(MoveError) {
        // A fixed map is one whatever they answer; haproxy asks by itself.
        guard !order.isStatic, order.kind == .nft else { return }
        let port = order.balancedPorts[0]
        let own = order.address ?? (order.hosts[0].address.contains(":") ? "::1" : "127.0.0.1")
        let addresses = [order.hasSource ? own : nil] + order.hosts.map { Optional($0.address) }
        let turn = rules.withLock { $0.turn }
        for (index, address) in addresses.enumerated() {
            guard let address else { continue }
            do throws(SystemError) {
                try DetachedThread.start { [self] in
                    while rules.withLock({ $0.isOn && $0.turn == turn }) {
                        note(order.probe.ask(address, port), of: index, address, turn)
                        usleep(Self.interval)
                    }
                }
            } catch { throw MoveError("\(error)") }
        }
    }

    private func note(_ answer: Probe.Answer, of index: Int, _ address: String, _ turn: UInt64) {
        rules.withLock { rules in
            // What was asked before a drain says nothing of what is distributed since.
            guard rules.isOn, rules.turn == turn else { return }
            let isUp = answer == .up
            rules.against[index] = isUp == rules.up[index] ? 0 : rules.against[index] + 1
            guard rules.against[index] >= Self.turns else { return }
            (rules.up[index], rules.against[index]) = (isUp, 0)
            Diagnostics.say(
                "\(order.name): \(address) \(isUp ? "answers again" : "does not answer as it should: it gets no connections")"
            )
            do throws(MoveError) {
                try balancer(rules).load()
                let all = order.balancer({ _ in true }, sourceIsUp: true)
                for member in all.members where member.number > 0 && !rules.up[Int(member.number)] {
                    let isGone = Int(member.number) == index && answer == .refused
                    try all.forget(member, isGone: isGone)
                }
            } catch { Diagnostics.say("\(order.name): \(error)") }
        }
    }

    // MARK: After a crash, and from time to time

    /// After the agent was started: what was distributed is so again; what was not yet, or not any more, is undone by `watch`.
    func recover() {
        // The source must not rest meanwhile.
        for replica in replicas { replica.endRest() }
        guard state == "spread" else { return }
        do throws(MoveError) {
            try distribute()
            try watchMembers()
        } catch { Diagnostics.say("\(order.name): \(error)") }
    }

    /// Each second: tries again to undo what could not be.
    func watch() {
        guard ["spreading", "draining"].contains(state), activity.withLock({ $0.isEmpty }) else { return }
        let now = Clock.monotonic()
        let isDue = lastTry.withLock { last in
            guard last == 0 || now > last + 5_000_000_000 else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        // Whoever does not answer must not keep the others waiting.
        try? DetachedThread.start { [self] in
            do throws(MoveError) {
                try alone("drain") { () throws(MoveError) in
                    if ["spreading", "draining"].contains(state) { try undo { _ in } }
                }
            } catch { Diagnostics.say("\(order.name): \(error)") }
        }
    }
}
