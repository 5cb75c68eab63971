import Records
import Synchronization
import Transfer
import Transport

/// What commands of this host, and of others that it obeys, ask for.
extension Agent {
    /// Does what a command asks for; `report` is called for what is to be reported meanwhile.
    ///
    /// - Returns: the last thing to be said.
    func obey(_ request: JSONValue, _ report: @escaping (JSONValue) -> Void) throws(MoveError) -> JSONValue {
        guard let verb = request["verb"]?.string else { throw MoveError("no request") }
        if let place = request["at"], place != .null { return try passOn(request, place, report) }
        if verb == "status" {
            let (departures, arrivals) = known.withLock { ($0.departures, $0.arrivals) }
            let (followings, spreads) = known.withLock { ($0.followings, $0.spreads) }
            return .object([
                .init("schema", .string("retinue-move-status/1")), .init("host", .string(identity.name)),
                .init("departures", .array(departures.sorted { $0.key < $1.key }.map(\.value.value))),
                .init("arrivals", .array(arrivals.sorted { $0.key < $1.key }.map(\.value.value))),
                .init("followings", .array(followings.sorted { $0.key < $1.key }.map(\.value.value))),
                .init("spreads", .array(spreads.sorted { $0.key < $1.key }.map(\.value.value))),
            ])
        }
        if verb == "load" { return try load(request) }
        if verb == "movable" { return MovableList.value() }
        if verb == "spread" || verb == "drain" { return try spread(request, report) }
        if verb == "process" { return try obey(try ProcessOrder.request(request, as: identity.name), report) }
        let departure = try addressed(request)
        switch verb {
        case "check":
            let (problems, notes, survey) = try departure.check(
                declared: HandoverOrder.declared(request), report)
            return .object([
                .init("schema", .string("retinue-move-check/1")),
                .init("name", .string(departure.order.name)),
                .init("problems", .array(problems.map { .string($0) })),
                .init("notes", .array((notes + survey.remarks).map { .string($0) })),
                .init("programs", survey.value),
            ])
        case "precopy": try departure.precopy(report)
        case "cutover": try departure.cutover(report)
        case "verify": try departure.verify(report)
        case "commit": try departure.commit(remove: request["remove"] == .boolean(true), report)
        case "rollback", "abort": try departure.rollback(report)
        case "rehearse", "copy": try departure.copy(report)
        case "run":
            guard departure.state != "moved" else {
                throw MoveError(
                    "\(departure.order.name) has moved to \(departure.order.host): going back is a move from there"
                )
            }
            if departure.state == "open" { try departure.precopy(report) }
            if departure.state == "open" { try departure.cutover(report) }
            if departure.state == "ready" { try departure.verify(report) }
            if departure.state == "ready" || departure.state == "in-doubt" {
                try departure.commit(remove: false, report)
            }
        case "throttle":
            departure.progress.bytesPerSecond = request["rate"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
        case "pause":
            guard departure.state == "open" else {
                throw MoveError("\(departure.order.name) is \(departure.state): its clients would wait")
            }
            departure.progress.isPaused = true
        case "resume": departure.progress.isPaused = false
        case "show": break
        default: throw MoveError("no request `\(verb)`")
        }
        return departure.value
    }

    /// Has programs of this host run at others as well, or no more.
    private func spread(
        _ request: JSONValue, _ report: @escaping (JSONValue) -> Void
    ) throws(MoveError) -> JSONValue {
        if request["verb"]?.string == "drain" {
            let name = request["name"]?.string ?? ""
            guard let spread = known.withLock({ $0.spreads[name] }) else {
                throw MoveError("nothing called `\(name)` is spread from this host: retinue move status")
            }
            try spread.drain(report)
            return spread.value
        }
        let order = try SpreadOrder(request)
        let (before, departure, arrival) = known.withLock {
            ($0.spreads[order.name], $0.departures[order.name], $0.arrivals[order.name])
        }
        guard arrival?.isHome != true, departure?.state ?? "open" == "open" else {
            throw MoveError(
                "\(order.name) moved, or is being moved: what runs at the host itself, where it was started, is spread"
            )
        }
        let spread: Spread
        // What was begun goes on as it was ordered.
        if let before, before.state != "open" || before.order == order {
            spread = before
        } else {
            spread = try self.spread(order)
            known.withLock { $0.spreads[order.name] = spread }
        }
        if request["check"] == .boolean(true) {
            let (problems, notes) = try spread.check(report)
            return .object([
                .init("schema", .string("retinue-move-check/1")), .init("name", .string(order.name)),
                .init("problems", .array(problems.map { .string($0) })),
                .init("notes", .array(notes.map { .string($0) })), .init("spread", spread.value),
            ])
        }
        try spread.begin(report)
        return spread.value
    }

    /// Measures what this host has to do, and the programs of moves that may begin here.
    private func load(_ request: JSONValue) throws(MoveError) -> JSONValue {
        guard let asked = request["milliseconds"]?.integer, (100...60_000).contains(asked) else {
            throw MoveError("load is measured for 100 to 60000 milliseconds")
        }
        var programs: [HostLoad.Programs] = []
        for value in request["orders"]?.array ?? [] {
            let order = try MoveOrder(value)
            programs.append(.init(name: order.name, processes: processes(of: order)))
        }
        return try HostLoad.measure(of: programs, seconds: Double(asked) / 1000, host: identity.name)
    }

    /// The processes of a move's programs, if this is where they live: they came here, or never went away.
    private func processes(of order: MoveOrder) -> [Members.Process] {
        let (departure, arrival) = known.withLock { ($0.departures[order.name], $0.arrivals[order.name]) }
        if let arrival, arrival.isHome { return Origin(order: order, cell: arrival.cell).processes() }
        guard departure?.state != "moved", order.isOfHost(named: identity.name) else { return [] }
        return Origin(order: order, cell: nil).processes()
    }

    /// Has the agent of another host do what a command asks for here.
    private func passOn(
        _ request: JSONValue, _ place: JSONValue, _ report: @escaping (JSONValue) -> Void
    ) throws(MoveError) -> JSONValue {
        guard case .object(let members) = request, let host = place["host"]?.string,
            let address = place["address"]?.string,
            let port = place["port"]?.integer.flatMap({ UInt16(exactly: $0) })
        else { throw MoveError("no host to be asked") }
        let inner = JSONValue.object(members.filter { $0.key != "at" })
        guard host != identity.name else { return try obey(inner, report) }
        let link = try AgentLink(to: host, at: address, port: port, as: identity)
        defer { link.close() }
        var answer = try link.ask("command", [.init("request", inner)])
        while let said = answer["report"] {
            report(said)
            answer = try link.next()
        }
        return answer["answer"] ?? .null
    }

    private func addressed(_ request: JSONValue) throws(MoveError) -> Departure {
        if let value = request["order"], value != .null {
            let order = try MoveOrder(value)
            if let spread = known.withLock({ $0.spreads[order.name] }), spread.state != "open" {
                throw MoveError(
                    "\(order.name) is \(spread.state): retinue move spread PLAN --drain brings it back to one host"
                )
            }
            if let arrival = known.withLock({ $0.arrivals[order.name] }), arrival.isReplica, arrival.isHome {
                throw MoveError(
                    "\(order.name) is a replica here of what lives at \(arrival.source): drain it there first"
                )
            }
            if let before = known.withLock({ $0.departures[order.name] }) {
                // What was begun is ended as it was ordered.
                guard before.state == "open" || before.state == "moved" else { return before }
                guard before.isIdle else { throw MoveError("\(order.name) is busy") }
                let isBack =
                    before.state == "moved" && known.withLock({ $0.arrivals[order.name] })?.isHome == true
                if !isBack, before.order.value == order.value,
                    before.isCurrent(known.withLock({ $0.arrivals[order.name] }))
                {
                    return before
                }
            }
            let made = try departure(order)
            known.withLock { $0.departures[order.name] = made }
            return made
        }
        guard let name = request["name"]?.string else { throw MoveError("no move is named") }
        guard let departure = known.withLock({ $0.departures[name] }) else {
            throw MoveError("no move `\(name)` begins at this host")
        }
        return departure
    }
}
