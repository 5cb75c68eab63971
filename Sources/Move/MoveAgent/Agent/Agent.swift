import CLinux
import Glibc
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// The daemon that moves programs away from its host, and takes them in.
final class Agent: @unchecked Sendable {
    let configuration: AgentConfiguration
    let identity: TLSIdentity
    /// What other agents know this host by.
    var name: String { identity.name }
    private let recipes: [Recipe]
    let known = Mutex(Known())

    struct Known {
        var departures: [String: Departure] = [:]
        var arrivals: [String: Arrival] = [:]
        /// Programs of this host that run at others as well.
        var spreads: [String: Spread] = [:]
        /// Servers of other hosts in whose place a stand-in is here.
        var followings: [String: Following] = [:]
        /// Connections that arrivals are served on: a new one of the same source takes the place of one that was cut.
        var channels: [String: StreamChannel] = [:]
        var connections = 0
    }

    /// Connections of other hosts at a time.
    private static let mostConnections = 32

    private var places: Arrival.Places {
        .init(
            arrivals: configuration.stateFolder + "/arrivals", cells: configuration.stateFolder + "/cells",
            patience: configuration.patience, machine: configuration.machine)
    }
    private var redirection: Redirection { Redirection(folder: configuration.stateFolder + "/redirections") }
    private var followingsFolder: String { configuration.stateFolder + "/stand-ins" }
    private var spreadsFolder: String { configuration.stateFolder + "/spreads" }
    private var departuresFolder: String { configuration.stateFolder + "/departures" }

    init(_ configuration: AgentConfiguration) throws(MoveError) {
        self.configuration = configuration
        do throws(TLSError) { identity = try TLSIdentity(folder: configuration.certificates) } catch {
            throw MoveError("\(error)")
        }
        recipes = try Recipe.all(in: configuration.recipes)
        for folder in [configuration.stateFolder, departuresFolder, spreadsFolder] {
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(folder): \(SystemError.text(of: errno))")
            }
        }
    }

    // MARK: Its life

    /// Takes up what an agent before it has left: what arrived here first, since it may be where a departure begins.
    func recover() throws(MoveError) {
        redirection.recover()
        for name in Self.names(in: places.arrivals) {
            guard let arrival = try Arrival.left(name, places: places) else { continue }
            known.withLock { $0.arrivals[name] = arrival }
            arrival.recover()
        }
        for name in Self.names(in: followingsFolder) {
            guard let following = try Following.left(name, in: followingsFolder) else { continue }
            known.withLock { $0.followings[name] = following }
            following.recover()
        }
        for name in Self.names(in: departuresFolder) {
            guard let value = SafeFile.read("\(departuresFolder)/\(name)/order.json") else { continue }
            let departure = try departure(try MoveOrder(value))
            known.withLock { $0.departures[name] = departure }
            // Whether the other host answers must not keep this one from serving.
            try? DetachedThread.start { departure.recover() }
        }
        for name in Self.names(in: spreadsFolder) {
            guard let order = try Spread.left(in: "\(spreadsFolder)/\(name)") else { continue }
            let spread = try spread(order)
            known.withLock { $0.spreads[name] = spread }
            spread.recover()
        }
    }

    func spread(_ order: SpreadOrder) throws(MoveError) -> Spread {
        try Spread(
            order, folder: "\(spreadsFolder)/\(order.name)", redirection: redirection, identity: identity,
            recipes: recipes)
    }

    func departure(_ order: MoveOrder) throws(MoveError) -> Departure {
        try Departure(
            order, redirection: redirection, folder: "\(departuresFolder)/\(order.name)", identity: identity,
            recipes: recipes,
            arrival: known.withLock { $0.arrivals[order.name] })
    }

    /// Each second.
    func watch() {
        let (departures, arrivals) = known.withLock {
            (Array($0.departures.values), Array($0.arrivals.values))
        }
        for spread in known.withLock({ Array($0.spreads.values) }) { spread.watch() }
        for departure in departures { departure.watch() }
        for arrival in arrivals { arrival.watch() }
    }

    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if MoveOrder.isName(name) { names.append(name) }
        }
        return names.sorted()
    }

    // MARK: Other agents

    /// Serves a connection of another host until it ends.
    func serve(_ socket: consuming FileDescriptor) {
        let isTooMany = known.withLock { known in
            known.connections += 1
            return known.connections > Self.mostConnections
        }
        defer { known.withLock { $0.connections -= 1 } }
        guard !isTooMany else { return }
        Sockets.prepare(socket.number, seconds: AgentLink.patience)
        var time = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(socket.number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let number = socket.number
        let stream: TLSStream
        do throws(TLSError) { stream = try identity.protect(socket, isClient: false, expecting: nil) } catch {
            Diagnostics.say("a connection was refused: \(error)")
            return
        }
        let channel = StreamChannel(stream)
        do {
            try greet(channel, stream.peer)
            let first = try request(channel)
            if first["verb"]?.string == "command" {
                return try obey(first, of: stream.peer, over: channel)
            }
            let isFollow = first["verb"]?.string == "follow"
            guard isFollow || configuration.accepted.contains(stream.peer) else {
                throw TransferError.refused(
                    "\(stream.peer) may not move programs to this host: retinue-agent --accept \(stream.peer)"
                )
            }
            if let reply = try redirect(first, stream.peer) {
                try channel.send(Frame(.reply, AgentLink.bytes(reply)))
                try channel.flush()
                channel.close()
                return
            }
            if first["verb"]?.string == "fetch" {
                return try fetch(first, channel, stream.peer, number)
            }
            if first["verb"]?.string == "pages" {
                guard let arrival = known.withLock({ $0.arrivals[first["name"]?.string ?? ""] }),
                    arrival.source == stream.peer
                else { throw TransferError.refused("no such move has come from \(stream.peer)") }
                return try arrival.fetchMemory(over: channel)
            }
            Self.waitForEver(number)
            if isFollow {
                try follow(channel, stream.peer, first).serve(channel)
            } else {
                try open(first, channel, stream.peer).serve(channel)
            }
        } catch TransferError.closed {
            // As each connection ends.
        } catch {
            Diagnostics.say("\(stream.peer): \(error)")
            try? channel.send(Frame(.failure, Array("\(identity.name): \(error)".utf8)))
            try? channel.flush()
        }
        channel.close()
    }

    private func request(_ channel: StreamChannel) throws -> JSONValue {
        let frame = try channel.receive()
        guard frame.kind == .request, let request = try? JSONValue(parsing: frame.payload) else {
            throw TransferError.malformed("\(frame.kind) in place of a request")
        }
        return request
    }

    private func greet(_ channel: StreamChannel, _ peer: String) throws {
        let hello = try request(channel)
        guard hello["verb"]?.string == "hello", hello["protocol"]?.integer == AgentLink.version else {
            throw TransferError.refused("this agent speaks version \(AgentLink.version) of the protocol")
        }
        guard (configuration.accepted + configuration.commanders + configuration.followed).contains(peer)
        else {
            throw TransferError.refused(
                "\(peer) may not move programs to this host: retinue-agent --accept \(peer)")
        }
        try channel.send(Frame(.reply, AgentLink.bytes(.object([.init("name", .string(identity.name))]))))
        try channel.flush()
    }

    /// Sends this host's programs to where a service went that they are clients of, or does so no more; `nil` for another request.
    private func redirect(_ request: JSONValue, _ peer: String) throws -> JSONValue? {
        guard let verb = request["verb"]?.string, verb == "redirect" || verb == "restore" else { return nil }
        do throws(MoveError) {
            if verb == "redirect" {
                guard let reconnection = Redirection.read(request["what"]) else {
                    throw MoveError("no addresses to which clients are sent")
                }
                try redirection.begin(reconnection, from: peer)
            } else {
                guard let name = request["what"]?["name"]?.string, MoveOrder.isName(name) else {
                    throw MoveError("no move's name")
                }
                try redirection.end(name)
            }
        } catch { return .object([.init("error", .string(error.description))]) }
        return .object([.init("state", .string(verb == "redirect" ? "redirected" : "restored"))])
    }

    /// A server of the other host that programs of this one call.
    private func follow(_ channel: StreamChannel, _ peer: String, _ request: JSONValue) throws -> Following {
        guard configuration.followed.contains(peer) else {
            throw TransferError.refused(
                "\(peer) may not hand servers over for this host: retinue-agent --follow \(peer)")
        }
        guard let name = request["name"]?.string, MoveOrder.isName(name) else {
            throw TransferError.refused("no server is named")
        }
        let following: Following
        if let before = known.withLock({ $0.followings[name] }), before.source == peer {
            following = before
        } else {
            guard known.withLock({ $0.followings[name] })?.state ?? "gone" == "gone" else {
                throw TransferError.refused("\(name) is followed already, for another host")
            }
            following = try Following(name, of: peer, in: followingsFolder)
            known.withLock { $0.followings[name] = following }
        }
        try channel.send(Frame(.reply, AgentLink.bytes(.object([.init("state", .string(following.state))]))))
        try channel.flush()
        return following
    }

    private static func waitForEver(_ number: Int32) {
        var none = timeval(tv_sec: 0, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &none, socklen_t(MemoryLayout<timeval>.size))
    }

    /// A connection over which this host asks its source for files.
    private func fetch(_ request: JSONValue, _ channel: StreamChannel, _ peer: String, _ number: Int32) throws
    {
        guard let arrival = known.withLock({ $0.arrivals[request["name"]?.string ?? ""] }),
            arrival.source == peer
        else {
            throw TransferError.refused("no such move has come from \(peer)")
        }
        // Whoever waits for bytes waits no longer than this.
        var most = timeval(tv_sec: AgentLink.patience, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &most, socklen_t(MemoryLayout<timeval>.size))
        try arrival.fetch(over: channel) { isComplete throws(TransferError) in
            try channel.send(
                Frame(.reply, AgentLink.bytes(.object([.init("complete", .boolean(isComplete))]))))
            try channel.flush()
        }
    }

    private func open(_ open: JSONValue, _ channel: StreamChannel, _ peer: String) throws -> Arrival {
        guard open["verb"]?.string == "open", let name = open["name"]?.string, MoveOrder.isName(name) else {
            throw TransferError.refused(
                "a move's name has letters, digits, dots, hyphens and underscores, at most 60")
        }
        let ports = open["ports"]?.array?.compactMap { ServicePort($0) } ?? []
        var network: CellNetwork.Wish?
        if let asked = open["network"], asked != .null {
            guard let wish = CellNetwork.Wish(asked) else {
                throw TransferError.refused("no network of its own")
            }
            network = wish
        }
        let isReplica = open["replica"] == .boolean(true)
        let before = known.withLock { $0.arrivals[name] }
        if let before, before.isReplica != isReplica, before.isHome || before.cell.isRunning {
            throw TransferError.refused(
                "\(name) runs here already, \(isReplica ? "and not as a replica" : "as a replica of \(before.source)")"
            )
        }
        if let before, before.source != peer, before.isHome || before.cell.isRunning {
            throw TransferError.refused("\(name) runs here already, and came from \(before.source)")
        }
        let arrival: Arrival
        // A source to which the answer did not come asks again, whatever it asks of one that was let in.
        if let before,
            before.isHome || before.ports == ports && before.network == network,
            before.isReplica == isReplica, before.source == peer
        {
            arrival = before
        } else {
            arrival = try Arrival(
                name, from: peer, places: places, ports: ports, network: network, isReplica: isReplica)
        }
        guard let owners = OwnerMap(open["owners"] ?? .object([])) else {
            throw TransferError.refused("no pairs of accounts")
        }
        if !arrival.isHome {
            arrival.owners = owners
            arrival.isolation = open["isolation"]?.string.flatMap(Isolation.init) ?? .chroot
        }
        let departure = { [unowned self] in known.withLock { $0.departures[name] } }
        arrival.redirection = .init(
            suspend: { () throws(MoveError) in try departure()?.suspendRedirection() },
            resume: { () throws(MoveError) in try departure()?.beginRedirection() },
            end: { () throws(MoveError) in try departure()?.endRedirection() })
        let cut = known.withLock { known in
            known.arrivals[name] = arrival
            defer { known.channels[name] = channel }
            return known.channels[name]
        }
        cut?.close()
        try channel.send(Frame(.reply, AgentLink.bytes(.object([.init("state", .string(arrival.state))]))))
        try channel.flush()
        return arrival
    }

    /// Does what a command asks for that runs on another host.
    private func obey(_ request: JSONValue, of peer: String, over channel: StreamChannel) throws {
        guard configuration.commanders.contains(peer) else {
            throw TransferError.refused(
                "\(peer) may not command this host's agent: retinue-agent --obey \(peer)")
        }
        func say(_ key: String, _ value: JSONValue) {
            // Where nobody listens any more the work goes on, as it does for a command of this host.
            try? channel.send(Frame(.reply, AgentLink.bytes(.object([.init(key, value)]))))
            try? channel.flush()
        }
        do throws(MoveError) {
            // It is done here, and not passed on.
            guard let inner = request["request"], inner["at"] == nil else { throw MoveError("no request") }
            say("answer", try obey(inner) { say("report", $0) })
        } catch { say("error", .string(error.description)) }
        channel.close()
    }
}
