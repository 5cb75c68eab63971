import CLinux
import Glibc
import Records
import SunRPC
import Synchronization
import SystemCalls
import Transfer

/// Handing over a server of ONC RPC: it rests without a call while another one takes its data over, and ends last.
///
/// In the order of the paper that describes it: stop calls, wait for those that run, deregister, copy the data, start, restore, register,
/// have the clients go on, end the old one. All up to `release` has an inverse, and the server has not been touched until then.
extension Departure {
    /// What is known of a hand-over while it is done.
    struct Handover {
        var links: [String: AgentLink] = [:]
        /// Descriptors of the server's connections, which are frozen.
        var frozen: [Int32] = []
        /// Whose stand-ins have not been asked to end yet.
        var toEnd: [HandoverOrder.Client] = []
    }

    /// From the first call that is held to the server that was started there, which nobody calls yet.
    func surrender(_ runs: [ProgramRun], _ plan: HandoverOrder, _ report: Report) throws(MoveError) {
        let pids = origin.processes().map(\.pid)
        let sockets = ServerSockets(of: pids)
        let registered = try ownRegistrations(sockets)
        let doors = try self.doors(sockets)
        // What can be done before has been done before: bytes read again, stand-ins started, connections open; a server that is
        // asked to read its data runs already.
        let link = try connected()
        try furnish()
        try link.ask("verify")
        if plan.restore != nil { try startThere(link, runs, registered, doors, plan) }
        handover.toEnd = []
        try journal.write(.standIn, .begun, .array(doors.map(\.value)))
        for client in plan.clients {
            try follower(client).ask(
                "prepare",
                [
                    .init("doors", .array(doors.map(\.value))),
                    .init("lease", .integer(Int128(order.within + plan.drain + 60))),
                ])
        }
        try journal.write(.refuse, .begun, .string(Refusal.limit))
        let refusal = refusal(sockets.ports, doors)
        try refusal.prepare()
        let begin = Clock.monotonic()
        status.withLock {
            $0.deadline = begin + (order.within + plan.drain) * 1_000_000_000
            $0.heldSince = begin
        }
        for client in plan.clients { try follower(client).ask("hold") }
        try journal.write(.standIn, .done)
        try refusal.load()
        try journal.write(.refuse, .done, .null)
        try drain(pids, seconds: plan.drain)
        phase("drained", begin, report)
        try journal.write(.deregister, .begun, .array(registered.map(Self.value)))
        for registration in registered {
            _ = try rpcbind { bind throws(RPCBindError) in try bind.unset(registration) }
        }
        try journal.write(.deregister, .done)
        if let save = plan.save { try hook(save, pids.first ?? 0, "save", report) }
        try journal.write(.freeze, .begun)
        let connections = try freezeConnections(pids)
        try journal.write(.freeze, .done, .array(connections.map(\.value)))
        phase("saved", begin, report)
        try journal.write(.finalCopy, .begun)
        let sent = try sendData(plan)
        try journal.write(.finalCopy, .done)
        phase("copied", begin, report, [.init("sent", .integer(Int128(sent)))])
        if let restore = plan.restore {
            try link.ask("restore", [.init("command", .string(restore))])
        } else {
            try startThere(link, runs, registered, doors, plan)
        }
        phase("started", begin, report)
        let route = journal.detail(.start).flatMap { StandInRoute($0) } ?? StandInRoute()
        report(
            .object([
                .init("numbers", .array(route.rewriter.numbers.map { .string("\($0.key) \($0.value)") }))
            ]))
    }

    // MARK: Its parts

    private func startThere(
        _ link: AgentLink, _ runs: [ProgramRun], _ registered: [Registration], _ doors: [Door],
        _ plan: HandoverOrder
    ) throws(MoveError) {
        try journal.write(.start, .begun)
        let answer = try link.ask(
            "start-rpc",
            startMembers(runs, isCutOff: false) + [
                .init("registered", .array(registered.map(Self.value))),
                .init("doors", .array(doors.map(\.value))),
                .init("prefers_version", .boolean(plan.prefersVersion)),
                .init("host", .string(order.address)),
                .init("address", order.serviceAddress.map { .string($0) } ?? .null),
            ])
        try journal.write(.start, .done, answer["route"] ?? .null)
    }

    /// Brings what the server declares, as it is now; all else was brought before, and nobody has called since.
    private func sendData(_ plan: HandoverOrder) throws(MoveError) -> UInt64 {
        guard !plan.data.isEmpty else { return 0 }
        let paths = declared(beside: [])
        do throws(TransferError) {
            let round = try sender?.send(
                paths, mapped: Set(paths), isMirror: false, isPart: true, syncsLater: true)
            guard round?.unsettled == 0 else {
                throw TransferError.refused("declared data is still being written")
            }
            return round?.sent ?? 0
        } catch {
            (link, sender) = (nil, nil)
            throw MoveError(error)
        }
    }

    func rpcbind<Result>(_ body: (RPCBind) throws(RPCBindError) -> Result) throws(MoveError) -> Result {
        do throws(RPCBindError) { return try body(RPCBind()) } catch { throw MoveError("\(error)") }
    }

    /// What the server's own sockets are registered for.
    private func ownRegistrations(_ sockets: ServerSockets) throws(MoveError) -> [Registration] {
        let ports = Set(sockets.ports.map { "\($0.isTCP) \($0.number)" })
        let own = try rpcbind { bind throws(RPCBindError) in try bind.registrations() }.filter {
            registration in
            guard let port = registration.port else { return false }
            switch registration.network {
            case "udp", "udp6": return ports.contains("false \(port)")
            case "tcp", "tcp6": return ports.contains("true \(port)")
            default: return false
            }
        }
        guard !own.isEmpty else { throw MoveError("rpcbind knows no program that \(order.program) serves") }
        return own
    }

    /// Where clients call it: under each address of this host.
    private func doors(_ sockets: ServerSockets) throws(MoveError) -> [Door] {
        let addresses = try ServiceAddress.all().filter { !$0.hasPrefix("127.") }
        var doors: [Door] = []
        for address in addresses {
            for port in sockets.ports {
                guard let place = InternetAddress(address, port: port.number) else { continue }
                doors.append(Door(isTCP: port.isTCP, place: place))
            }
        }
        return doors
    }

    private func refusal(_ ports: [ServicePort], _ doors: [Door]) -> Refusal {
        Refusal(
            name: order.name, ports: ports, addresses: Set(doors.map(\.place.host)).sorted(),
            seconds: order.within + 60)
    }

    private func follower(_ client: HandoverOrder.Client) throws(MoveError) -> AgentLink {
        if let link = handover.links[client.name] { return link }
        let link = try AgentLink(to: client.name, at: client.address, port: client.port, as: identity)
        try link.ask("follow", [.init("name", .string(order.name))])
        handover.links[client.name] = link
        return link
    }

    private func drop(_ client: HandoverOrder.Client) {
        handover.links[client.name]?.close()
        handover.links[client.name] = nil
    }

    /// Has stand-ins give back what they have kept. One whose agent is away is asked again each second; one that hears nothing at all
    /// does so by itself in the end. All other clients are served already.
    func endStandIns() {
        for client in handover.toEnd {
            do throws(MoveError) {
                try follower(client).ask("end")
                handover.toEnd.removeAll { $0 == client }
            } catch { Diagnostics.say("\(order.name): \(client.name): \(error)") }
            drop(client)
        }
    }

    /// Waits until nothing waits in the server's sockets and no call runs.
    private func drain(_ pids: [Int32], seconds: UInt64) throws(MoveError) {
        let limit = Clock.monotonic() + seconds * 1_000_000_000
        var times = 0
        while times < 3 {
            let isEmpty = TakenSocket.all(of: pids)?.allSatisfy(\.isEmpty) ?? ServerSockets(of: pids).isEmpty
            times = isEmpty && ServerSockets.areIdle(pids) ? times + 1 : 0
            guard Clock.monotonic() < limit else {
                throw MoveError("after \(seconds) s a call still runs, or waits, in \(order.program)")
            }
            usleep(500)
        }
    }

    /// Runs a command of the plan with the server's pid.
    private func hook(_ command: String, _ pid: Int32, _ name: String, _ report: Report) throws(MoveError) {
        let outcome = try Tool.run(["sh", "-c", command], seconds: 60) {
            $0.environment += [Array("RETINUE_PID=\(pid)".utf8), Array("RETINUE_ROOT=\(origin.root)".utf8)]
        }
        guard outcome.status == 0 else {
            throw MoveError("\(name): exit status \(outcome.status): \(outcome.output.prefix(300))")
        }
    }

    // MARK: Connections that are open

    /// Takes the state of each client's connection; from here on the server's end of it is silent.
    private func freezeConnections(_ pids: [Int32]) throws(MoveError) -> [OpenConnection] {
        var found: [OpenConnection] = []
        guard let sockets = TakenSocket.all(of: pids) else {
            guard let one = ServerSockets(of: pids).connections.first else { return [] }
            throw MoveError("a connection of process \(one.pid) cannot be taken: pidfd_getfd(2), Linux 5.6")
        }
        for socket in TakenSocket.connections(sockets) {
            let number = socket.release()
            handover.frozen.append(number)
            found.append(try OpenConnection.freeze(number))
        }
        return found
    }

    /// Lets the server's connections go on, those too that an agent before this one has frozen.
    private func thawConnections() {
        for number in handover.frozen {
            OpenConnection.thaw(number)
            close(number)
        }
        handover.frozen = []
        let left = TakenSocket.all(of: origin.processes().map(\.pid)) ?? []
        for socket in TakenSocket.connections(left) { OpenConnection.thaw(socket.number) }
    }

    // MARK: There and back

    /// After clients were let in there: those of the plan's hosts are informed, then the old server ends. May be done again.
    func finishHandover() throws(MoveError) {
        guard let plan = order.handover, journal.state(.retire) != .done else { return }
        var route = StandInRoute()
        if let known = journal.detail(.start).flatMap({ StandInRoute($0) }) { route = known }
        let connections = (journal.detail(.freeze)?.array ?? []).compactMap { OpenConnection($0) }
        if journal.state(.announce) == nil || journal.state(.announce) == .undone {
            try journal.write(.announce, .begun)
        }
        var failure: MoveError?
        for client in plan.clients {
            do throws(MoveError) {
                let link = try follower(client)
                let addresses = (try link.ask("addresses")["addresses"]?.array ?? []).compactMap(\.string)
                route.connections = connections.filter { addresses.contains($0.remote.host) }
                    .map { $0.aged(at: Clock.wall()) }
                try link.ask("go", [.init("route", route.value)])
            } catch {
                // The others are not to wait for one whose agent is away; it is tried again each second.
                drop(client)
                failure = MoveError("\(client.name): \(error)")
            }
        }
        if let failure { throw failure }
        try journal.write(.announce, .done)
        try journal.write(.retire, .begun)
        // Its connections are frozen: no client sees them end.
        try origin.end((journal.detail(.stop)?.array ?? []).compactMap { ProgramRun($0) }, within: 30)
        for number in handover.frozen { close(number) }
        handover.frozen = []
        try liftRefusal()
        try journal.write(.retire, .done)
        for link in handover.links.values { link.close() }
        handover.links = [:]
    }

    private func liftRefusal() throws(MoveError) {
        guard journal.stands(.refuse) else { return }
        try refusal([], []).lift(limit: journal.detail(.refuse)?.string ?? "")
        try journal.write(.refuse, .undone)
    }

    /// The inverse of `surrender`, before the destination was asked to let clients in: the server, which never ended, is called again.
    func takeBack() throws(MoveError) {
        guard let plan = order.handover else { return }
        if journal.stands(.freeze) {
            thawConnections()
            try journal.write(.freeze, .undone)
        }
        if journal.stands(.deregister) {
            for value in journal.detail(.deregister)?.array ?? [] {
                guard let registration = Self.registration(value) else { continue }
                _ = try rpcbind { bind throws(RPCBindError) in try bind.set(registration) }
            }
            try journal.write(.deregister, .undone)
        }
        try liftRefusal()
        if journal.stands(.standIn) {
            handover.toEnd = plan.clients
            endStandIns()
            try journal.write(.standIn, .undone)
        }
        for link in handover.links.values { link.close() }
        handover.links = [:]
    }

    static func value(_ registration: Registration) -> JSONValue {
        .object([
            .init("program", .integer(Int128(registration.number.program))),
            .init("version", .integer(Int128(registration.number.version))),
            .init("network", .string(registration.network)), .init("address", .string(registration.address)),
        ])
    }

    static func registration(_ value: JSONValue) -> Registration? {
        guard let program = value["program"]?.integer.flatMap({ UInt32(exactly: $0) }),
            let version = value["version"]?.integer.flatMap({ UInt32(exactly: $0) }),
            let network = value["network"]?.string, let address = value["address"]?.string
        else { return nil }
        return Registration(.init(program: program, version: version), network: network, address: address)
    }
}
