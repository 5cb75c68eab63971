import CLinux
import Glibc
import MovePlan
import Placeholders
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// A move at its destination: what the source's agent asks for, one connection at a time.
final class Arrival: @unchecked Sendable {
    /// Where this agent keeps what it has.
    struct Places {
        var arrivals: String
        var cells: String
        /// Seconds that a program waits for a file's bytes before it gets EIO.
        var patience: UInt64
    }

    let name: String
    let source: String
    private let folder: String
    let cell: Cell
    private let server: ServerArrival
    private let journal: Journal
    let ports: [ServicePort]
    /// The network of its own that was asked for; `nil` for the host's.
    let network: CellNetwork.Wish?
    private var receiver: FileReceiver?
    /// Whose number is another one here.
    var owners = OwnerMap()
    /// Of files that are fetched when they are touched.
    private var fetching: Fetching?
    private let patience: UInt64
    /// Everything below under this: the watchdog ends what nobody asks for any more.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// When the source is taken to be gone, by the monotonic clock.
    private var deadline: UInt64 = 0
    /// Seconds without a word of the source after which what was started is ended.
    private var lease: UInt64 = 60
    /// What is sent to held ports, until shortly after clients were let in.
    private var traffic: HeldTraffic?
    private var trafficEnd: UInt64 = 0
    /// What an earlier departure from here has left: this host sends clients on to where the service went.
    struct Redirection {
        /// While it is held here, since it would lead the check away too.
        var suspend: () throws(MoveError) -> Void = {}
        /// It is not held here any more, and still serves elsewhere.
        var resume: () throws(MoveError) -> Void = {}
        /// The service is let in here.
        var end: () throws(MoveError) -> Void = {}
    }

    var redirection = Redirection()

    /// Opens what is known of a move, or begins it.
    init(
        _ name: String, from source: String, places: Places, ports: [ServicePort],
        network: CellNetwork.Wish? = nil
    ) throws(MoveError) {
        self.network = network
        self.name = name
        self.source = source
        self.ports = ports
        folder = "\(places.arrivals)/\(name)"
        patience = places.patience
        for path in [places.arrivals, folder] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
        cell = try Cell(named: name, in: places.cells)
        server = ServerArrival(folder, cell)
        journal = try Journal(folder + "/journal")
        Fault.watch(journal)
        pthread_mutex_init(lock, nil)
        try SafeFile.write(
            .object([
                .init("source", .string(source)), .init("ports", .array(ports.map(\.value))),
                .init("network", network?.value ?? .null),
            ]),
            to: folder + "/arrival.json")
    }

    /// One that an agent before this one has left.
    static func left(_ name: String, places: Places) throws(MoveError) -> Arrival? {
        guard let known = SafeFile.read("\(places.arrivals)/\(name)/arrival.json"),
            let source = known["source"]?.string
        else {
            return nil
        }
        let ports = known["ports"]?.array?.compactMap { ServicePort($0) } ?? []
        return try Arrival(
            name, from: source, places: places, ports: ports,
            network: known["network"].flatMap(CellNetwork.Wish.init))
    }

    private func locked<Result>(_ body: () throws(MoveError) -> Result) throws(MoveError) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body()
    }

    // MARK: What it is

    /// `admitted`, `started`, `held`, `undone` or `new`.
    var state: String {
        if journal.stands(.admit) { return "admitted" }
        if journal.stands(.start) { return "started" }
        if journal.stands(.holdThere) { return "held" }
        return journal.lines.isEmpty ? "new" : "undone"
    }

    var value: JSONValue {
        .object([
            .init("name", .string(name)), .init("from", .string(source)), .init("state", .string(state)),
            .init("running", .boolean(cell.isRunning)), .init("home", .boolean(isHome)),
            .init("missing", .integer(Int128(missing))),
            .init(
                "journal",
                .array(journal.lines.suffix(40).map { .string("\($0.step.rawValue) \($0.state.rawValue)") })),
        ])
    }

    /// Bytes that are to be fetched when they are touched, or before.
    var missing: UInt64 { fetching?.missing ?? 0 }

    /// Whether the service lives here now.
    var isHome: Bool { journal.stands(.admit) && cell.state.isOn }

    /// After the agent was started: what was begun and not let in is ended; what was let in, or was about to be, is.
    func recover() {
        do throws(MoveError) {
            if journal.stands(.admit) {
                if journal.state(.admit) == .begun { try finishAdmission() }
                // Before any program is started that would read zeros.
                if Fetching.isPending(cell) {
                    fetching = try Fetching.resume(cell, patience: patience)
                    fetching?.goAhead()
                }
                if cell.state.isOn {
                    try tunnel.renew()
                    if server.isKnown { try server.recover() }
                    try cell.begin()
                    // It is gone after a reboot.
                    try takeAddress()
                }
            } else if journal.stands(.start) || journal.stands(.holdThere) || Fetching.isPending(cell) {
                try undo()
            }
        } catch { Diagnostics.say("\(name): \(error)") }
    }

    /// Ends what was started, if the source has been silent for too long. It never ends what was let in.
    func watch() {
        try? locked { () throws(MoveError) in
            if trafficEnd > 0, Clock.monotonic() > trafficEnd { traffic = nil } else { traffic?.drain() }
            if fetching?.watch() == true {
                Diagnostics.say("\(name): all files are here")
                fetching = nil
            }
            guard journal.stands(.start) || journal.stands(.holdThere), !journal.stands(.admit), deadline > 0,
                Clock.monotonic() > deadline
            else { return }
            Diagnostics.say(
                "\(name): nothing was heard of \(source) for \(lease) s: what was started is ended")
            try undo()
        }
    }

    // MARK: What it is asked

    /// Serves one connection until it ends.
    func serve(_ channel: StreamChannel) throws(TransferError) {
        receiver = nil
        // Placeholders that nobody fills would keep whoever reads them waiting.
        try? locked { () throws(MoveError) in
            guard let begun = fetching, !begun.isSealed else { return }
            begun.abandon()
            fetching = nil
        }
        while true {
            let frame = try channel.receive()
            switch frame.kind {
            case .request:
                let reply: JSONValue
                do throws(MoveError) {
                    guard let request = try? JSONValue(parsing: frame.payload),
                        let verb = request["verb"]?.string
                    else {
                        throw MoveError("no request")
                    }
                    reply = try locked { () throws(MoveError) in
                        deadline = Clock.monotonic() + lease * 1_000_000_000
                        // What takes its time is not an absence of the source.
                        defer { deadline = Clock.monotonic() + lease * 1_000_000_000 }
                        return try answer(verb, request)
                    }
                } catch { reply = .object([.init("error", .string(error.description))]) }
                try channel.send(Frame(.reply, AgentLink.bytes(reply)))
                try channel.flush()
            case .entries, .remove, .roundEnd:
                // A server that is handed over reads what is brought when it is asked to.
                if cell.isRunning, !server.isKnown || journal.stands(.admit) {
                    throw .refused("programs run in the cell \(name)")
                }
                if receiver == nil {
                    do throws(SystemError) {
                        receiver = try FileReceiver(over: channel, root: cell.root, owners: owners)
                        receiver!.placeholders = placeholders
                    } catch { throw .file(Array(cell.root.utf8), error) }
                }
                deadline = Clock.monotonic() + lease * 1_000_000_000
                try receiver!.receive(begunWith: frame)
                deadline = Clock.monotonic() + lease * 1_000_000_000
            default: throw .malformed("\(frame.kind) outside of a round")
            }
        }
    }

    /// Begins with the first placeholder.
    private var placeholders: FileReceiver.Placeholders {
        func begun() throws(SystemError) -> Fetching {
            if let fetching { return fetching }
            let made = try Fetching.begin(cell, patience: patience)
            fetching = made
            return made
        }
        return FileReceiver.Placeholders(
            keep: { (number: UInt32, file: Int32) throws(SystemError) in
                try begun().placeholders.keep(number, file)
            },
            made: { (number: UInt32, entry: FileEntry, file: Int32) throws(SystemError) in
                try begun().placeholders.made(number, entry, file)
            })
    }

    /// A connection of the source over which files are fetched.
    ///
    /// - Parameter answer: called with whether everything is here already.
    func fetch(over channel: StreamChannel, _ answer: (Bool) throws(TransferError) -> Void)
        throws(TransferError)
    {
        if let fetching {
            try answer(false)
            fetching.units.use(channel)
        } else {
            guard isHome, !Fetching.isPending(cell) else { throw .refused("\(name) fetches nothing here") }
            try answer(true)
        }
    }

    private func answer(_ verb: String, _ request: JSONValue) throws(MoveError) -> JSONValue {
        func number(_ key: String) -> UInt64? { request[key]?.integer.flatMap { UInt64(exactly: $0) } }
        switch verb {
        case "state": return .object([.init("state", .string(state))])
        case "check": return try check(request, bytes: number("bytes") ?? 0)
        case "furnish": try furnish(request)
        case "hold":
            lease = max(5, min(number("within") ?? lease, 86400))
            try hold(address(request))
        case "reach": return ArrivalTunnel.unreachable(request["endpoints"]?.array ?? [])
        case "tunnel":
            guard journal.stands(.holdThere), !journal.stands(.start) else {
                throw MoveError("a tunnel is made before the start")
            }
            try tunnel.begin(request["tunnel"] ?? .null)
        case "start":
            guard let runs = request["runs"]?.array?.compactMap({ ProgramRun($0) }), !runs.isEmpty,
                let isolation = request["isolation"]?.string.flatMap(Isolation.init)
            else { throw MoveError("no programs to be started") }
            return try start(
                runs, isolation, isCutOff: request["cut_off"] == .boolean(true),
                seconds: number("seconds") ?? 30,
                fetchFirst: (request["fetch_first"]?.array ?? []).compactMap {
                    $0.integer.flatMap { UInt32(exactly: $0) }
                })
        case "start-rpc":
            guard let runs = request["runs"]?.array?.compactMap({ ProgramRun($0) }), !runs.isEmpty,
                let isolation = request["isolation"]?.string.flatMap(Isolation.init)
            else { throw MoveError("no programs to be started") }
            return try startServer(runs, isolation, request, seconds: number("seconds") ?? 30)
        case "restore":
            guard journal.stands(.start), let command = request["command"]?.string else {
                throw MoveError("no command for a server that was started")
            }
            try server.restore(command)
        case "try":
            guard let command = request["command"]?.string else { throw MoveError("no command") }
            return try attempt(command, seconds: number("seconds") ?? 10)
        case "compare":
            guard !cell.isRunning else { throw MoveError("programs run in the cell \(name)") }
            do throws(TransferError) { _ = try receiver?.verify() } catch { throw MoveError(error) }
        case "verify":
            if !journal.stands(.verify) || journal.state(.verify) == .begun {
                try journal.write(.verify, .begun)
            }
            // What was written before the start: the programs change files by now.
            try journal.write(.verify, .done)
            return .object([
                .init("bytes", .integer(Int128(receiver?.figures.verified ?? 0))),
                .init("received", .integer(Int128(receiver?.figures.received ?? 0))),
                .init("taken", .integer(Int128(receiver?.figures.taken ?? 0))),
            ])
        case "admit":
            guard state == "started" || state == "admitted" else {
                throw MoveError("\(name) is not started here, it is \(state): it was ended, and stays so")
            }
            if !journal.stands(.admit) {
                guard cell.isRunning else { throw MoveError("\(name) has ended here: \(cell.lastWords)") }
                try journal.write(.admit, .begun, request["address"] ?? .null)
            }
            try finishAdmission(request["packets"])
        case "deliver":
            guard isHome else { throw MoveError("\(name) was not let in here") }
            defer { traffic = nil }
            if let address = journal.detail(.admit)?.string.flatMap({ ServiceAddress($0) }), let traffic,
                let interface = try address.interface()
            {
                try traffic.release { () throws(MoveError) in
                    traffic.add(request["packets"], to: address, at: interface)
                }
            }
        case "undo": try undo()
        case "left":
            // The service has gone on to another host; what lies here is what a way back begins with.
            guard !cell.isRunning else { throw MoveError("programs run in the cell \(name)") }
        default: throw MoveError("no request `\(verb)`")
        }
        return .object([.init("state", .string(state))])
    }

    private func check(_ request: JSONValue, bytes: UInt64) throws(MoveError) -> JSONValue {
        var problems: [String] = []
        if cell.isRunning { problems.append("\(name) runs here already, in the cell of that name") }
        // The folder may have gone since it was made.
        mkdir(cell.root, 0o755)
        var status = statvfs()
        if statvfs(cell.root, &status) == 0 {
            let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
            if free < bytes { problems.append("there is room for \(free) bytes, and \(bytes) are to come") }
        }
        let isolation = request["isolation"]?.string.flatMap(Isolation.init) ?? .chroot
        problems += try conflicts(isolation)
        for tool in ["nft", "ip"] + [isolation.tool].compactMap({ $0 }) where !Tool.exists(tool) {
            problems.append("\(tool) is not installed here")
        }
        if request["start_first"] == .boolean(true), let obstacle = AccessGroup.obstacle(in: cell.root) {
            problems.append(
                "files cannot be fetched when they are touched (Linux 6.14, on ext4, xfs or btrfs): \(obstacle)"
            )
        }
        if let text = request["address"]?.string, let address = ServiceAddress(text) {
            if try address.interface() != nil {
                problems.append("\(address.address) is an address of this host already")
            }
            if try address.interfaceOfNetwork() == nil {
                problems.append("no interface of this host lies in the network of \(address.text)")
            }
        }
        return .object([
            .init("problems", .array(problems.map { .string($0) })), .init("state", .string(state)),
            .init("kernel", .string("\(KernelRelease.running.major).\(KernelRelease.running.minor)")),
        ])
    }

    /// Ports that somebody has here already.
    private func conflicts(_ isolation: Isolation) throws(MoveError) -> [String] {
        guard !cell.isRunning else { return [] }
        func list(_ ports: [ServicePort]) -> String { ports.map(\.description).joined(separator: ", ") }
        let outside = network?.outside(ports) ?? ports
        var problems: [String] = []
        // What comes to an address of its own comes to nobody else who listens here.
        let busy = outside.filter { !Listening.missing([$0], in: getpid()).contains($0) }
        if !busy.isEmpty, network?.address == nil {
            problems.append(
                "something listens here on \(list(busy)): "
                    + (network == nil
                        ? "a container with --own-network and --address, or with --publish, does not mind"
                        : "--publish it under another number, or give it an address of its own by --address"))
        }
        let published = CellNetwork.conflicts(network, ports, beside: cell.folder)
        if !published.isEmpty { problems.append("another cell here has \(list(published))") }
        return problems
    }

    private func furnish(_ request: JSONValue) throws(MoveError) {
        var folders: [MoveContents.Folder] = []
        for value in request["folders"]?.array ?? [] {
            guard let path = value["path"]?.string.flatMap({ PlanText.bytes($0) }),
                let user = value["user"]?.integer.flatMap({ UInt32(exactly: $0) }),
                let group = value["group"]?.integer.flatMap({ UInt32(exactly: $0) }),
                let mode = value["mode"]?.integer.flatMap({ UInt32(exactly: $0) })
            else { throw MoveError("no folder") }
            folders.append(.init(path: path, user: user, group: group, mode: mode & 0o7777))
        }
        var files: [(path: [UInt8], text: [UInt8])] = []
        for value in request["files"]?.array ?? [] {
            guard let path = value["path"]?.string.flatMap({ PlanText.bytes($0) }),
                let text = value["text"]?.string.flatMap({ PlanText.bytes($0) })
            else { throw MoveError("no file") }
            files.append((path, text))
        }
        try cell.furnish(folders, files)
    }

    private func start(
        _ runs: [ProgramRun], _ isolation: Isolation, isCutOff: Bool, seconds: UInt64, fetchFirst: [UInt32]
    ) throws(MoveError) -> JSONValue {
        guard !journal.stands(.admit) || !cell.isRunning else { throw MoveError("\(name) runs here already") }
        var state = cell.state
        (state.isolation, state.runs, state.isOn, state.isCutOff) = (isolation, runs, false, isCutOff)
        state.network = nil
        if let network, !isCutOff {
            state.network = CellNetwork(
                of: cell.folder, ports: ports, wish: network,
                number: try CellNetwork.freeNumber(beside: cell.folder))
        }
        cell.state = state
        // It is lifted when nothing is heard of the source, as in a last copy that takes longer than that.
        if !isCutOff { try hold(nil) }
        try journal.write(.start, .begun)
        if let fetching, !fetching.isSealed { try fetching.seal(fetchFirst) }
        try cell.begin()
        try journal.write(.start, .done)
        let begin = Clock.monotonic()
        let limit = begin + seconds * 1_000_000_000
        while true {
            guard cell.isRunning else {
                let words = cell.lastWords
                try undo()
                throw MoveError("it ended at once\(words.isEmpty ? "" : ": \(words)")")
            }
            let missing = Listening.missing(ports, in: cell.state.pid)
            if missing.isEmpty { break }
            guard Clock.monotonic() < limit else {
                let words = cell.lastWords
                try undo()
                throw MoveError(
                    "after \(seconds) s nobody waits on \(missing.map(\.description).joined(separator: ", "))"
                        + (words.isEmpty ? "" : ": \(words)"))
            }
            usleep(2_000)
        }
        return .object([
            .init("state", .string(self.state)), .init("took", .integer(Int128(Clock.monotonic() - begin))),
        ])
    }

    private func startServer(
        _ runs: [ProgramRun], _ isolation: Isolation, _ request: JSONValue, seconds: UInt64
    ) throws(MoveError) -> JSONValue {
        guard !journal.stands(.admit) || !cell.isRunning else { throw MoveError("\(name) runs here already") }
        var state = cell.state
        (state.isolation, state.runs, state.isOn, state.isCutOff) = (isolation, runs, false, false)
        cell.state = state
        try journal.write(.start, .begun)
        do throws(MoveError) {
            let answer = try server.start(request, seconds: seconds)
            try journal.write(.start, .done)
            return answer
        } catch {
            let reason = error
            try undo()
            throw reason
        }
    }

    /// Runs a command where the programs run: in their network, on this host.
    private func attempt(_ command: String, seconds: UInt64) throws(MoveError) -> JSONValue {
        guard cell.isRunning else { throw MoveError("it does not run: \(cell.lastWords)") }
        let network: Int32 =
            cell.state.isCutOff || cell.state.network != nil
            ? open("/proc/\(cell.state.pid)/ns/net", O_RDONLY | O_CLOEXEC) : -1
        defer { if network >= 0 { close(network) } }
        let outcome = try Tool.run(["sh", "-c", command], seconds: Double(min(seconds, 3600))) {
            $0.network = network
        }
        return .object([
            .init("status", .integer(Int128(outcome.isLate ? 124 : outcome.status))),
            .init("output", .string(outcome.output)),
        ])
    }

    /// Holds new clients here, if that is not so yet.
    private func hold(_ address: ServiceAddress?) throws(MoveError) {
        guard !journal.stands(.holdThere) else { return }
        try journal.write(.holdThere, .begun)
        let held = network?.outside(ports) ?? ports
        (traffic, trafficEnd) = (HeldTraffic.begin(held, for: name), 0)
        try Hold(name: name, ports: held, within: nil, address: network?.address).load()
        try redirection.suspend()
        traffic?.beginDatagrams()
        try journal.write(.holdThere, .done)
        traffic?.prepare(try address?.interfaceOfNetwork())
    }

    private func address(_ request: JSONValue) -> ServiceAddress? {
        request["address"]?.string.flatMap { ServiceAddress($0) }
    }

    private func finishAdmission(_ packets: JSONValue? = nil) throws(MoveError) {
        if let taken = try takeAddress() { traffic?.add(packets, to: taken.address, at: taken.interface) }
        try redirection.end()
        var state = cell.state
        state.isOn = true
        cell.state = state
        if server.isKnown {
            try server.register()
        } else if let traffic {
            try traffic.release { () throws(MoveError) in try Hold.lift(name: name) }
            // Until the source has passed on the rest.
            trafficEnd = Clock.monotonic() + 5_000_000_000
        } else {
            try Hold.lift(name: name)
        }
        fetching?.goAhead()
        if journal.state(.admit) == .begun { try journal.write(.admit, .done) }
    }

    /// Gives this host the address that moved with the service, where it has not; `nil` where none moved.
    @discardableResult
    private func takeAddress() throws(MoveError) -> (address: ServiceAddress, interface: String)? {
        guard let text = journal.detail(.admit)?.string, let address = ServiceAddress(text) else {
            return nil
        }
        var interface = try address.interface()
        if interface == nil { interface = try address.interfaceOfNetwork() }
        guard let interface else {
            throw MoveError("no interface of this host lies in the network of \(address.text)")
        }
        try address.add(to: interface)
        return (address, interface)
    }

    /// Ends what was started and lifts the hold; after this nothing of this move is let in.
    private func undo() throws(MoveError) {
        guard !journal.stands(.admit) else {
            throw MoveError("\(name) was let in here: going back is a move of its own")
        }
        if journal.stands(.start) {
            try server.end()
            cell.end(within: 10)
        }
        traffic = nil
        // The programs have ended: nobody reads what is not there.
        if let begun = fetching {
            begun.abandon()
            fetching = nil
        } else if Fetching.isPending(cell) {
            Fetching.abandon(cell)
        }
        if journal.stands(.start) { try journal.write(.start, .undone) }
        if journal.stands(.holdThere) {
            try redirection.resume()
            try Hold.lift(name: name)
            try journal.write(.holdThere, .undone)
        }
        try tunnel.end()
        if journal.stands(.verify) { try journal.write(.verify, .undone) }
    }

    private var tunnel: ArrivalTunnel { ArrivalTunnel(name: name, folder: folder) }

    /// The service goes on from here to another host, or stays after all: what was let in ends being so, or is again.
    func give(_ isGone: Bool) throws(MoveError) {
        var state = cell.state
        state.isOn = !isGone
        cell.state = state
        guard isGone else { return }
        try server.end()
        try tunnel.end()
        if journal.stands(.admit) { try journal.write(.admit, .undone) }
        if journal.stands(.start) { try journal.write(.start, .undone) }
        if journal.stands(.holdThere) { try journal.write(.holdThere, .undone) }
    }
}
