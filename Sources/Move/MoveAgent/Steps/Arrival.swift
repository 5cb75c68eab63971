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
        /// Seconds that a program waits for a file's bytes before it gets EIO, and for its memory before it is ended.
        var patience: UInt64
        /// What machines get.
        var machine: Machine.Settings
    }

    let name: String
    let source: String
    let folder: String
    let cell: Cell
    let server: ServerArrival
    let journal: Journal
    let ports: [ServicePort]
    /// The network of its own that was asked for; `nil` for the host's.
    let network: CellNetwork.Wish?
    /// Whether what is here is one of several, and not where the service lives.
    let isReplica: Bool
    var receiver: FileReceiver?
    /// While images are brought: what receives files.
    var filesReceiver: FileReceiver?
    /// Over which memory of running processes came.
    var memoryChannel: StreamChannel?
    /// Whose number is another one here.
    var owners = OwnerMap()
    /// Where the programs are to run.
    var isolation = Isolation.chroot
    /// Of files that are fetched when they are touched.
    var fetching: Fetching?
    let patience: UInt64
    let machine: Machine.Settings
    /// Everything below under this: the watchdog ends what nobody asks for any more.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// When the source is taken to be gone, by the monotonic clock.
    var deadline: UInt64 = 0
    /// Seconds without a word of the source after which what was started is ended.
    var lease: UInt64 = 60
    /// What is sent to held ports, until shortly after clients were let in.
    var traffic: HeldTraffic?
    var trafficEnd: UInt64 = 0
    /// What will start the programs, which clients need not wait for then.
    var waiting: Cell.Waiting?
    /// What writes the last round to the device.
    private var sync: DeferredSync?
    /// Whether there still is what held clients, which holds nobody any more.
    var hasEmptyHold = false
    /// At which the address that moves will be, as it was found when the hold began; clients need not wait for that.
    var addressInterface: String?
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
        network: CellNetwork.Wish? = nil, isReplica: Bool = false
    ) throws(MoveError) {
        self.isReplica = isReplica
        self.network = network
        self.name = name
        self.source = source
        self.ports = ports
        folder = "\(places.arrivals)/\(name)"
        (patience, machine) = (places.patience, places.machine)
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
                .init("network", network?.value ?? .null), .init("replica", .boolean(isReplica)),
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
            network: known["network"].flatMap(CellNetwork.Wish.init),
            isReplica: known["replica"] == .boolean(true))
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
                hasEmptyHold = !server.isKnown
                try removeHold()
                // Before any program is started that would read zeros.
                if Fetching.isPending(cell) {
                    fetching = try Fetching.resume(cell, patience: patience)
                    fetching?.goAhead()
                }
                if cell.state.isOn {
                    loseMemory()
                    try tunnel.renew()
                    if server.isKnown { try server.recover() }
                    try cell.begin()
                    // It is gone after a reboot.
                    try takeAddress()
                    try kept?.take()
                }
            } else if journal.stands(.start) || journal.stands(.place) || journal.stands(.holdThere)
                || Fetching.isPending(cell)
            {
                try undo()
            } else {
                removeMemory()
            }
            if journal.stands(.install), !journal.stands(.admit) {
                // What it takes must not keep other services of this host waiting.
                try detach { () throws(MoveError) in try self.uninstall() }
            }
        } catch { Diagnostics.say("\(name): \(error)") }
    }

    /// Ends what was started, if the source has been silent for too long. It never ends what was let in.
    func watch() {
        try? locked { () throws(MoveError) in
            if trafficEnd > 0, Clock.monotonic() > trafficEnd { traffic = nil } else { traffic?.drain() }
            // Where the source has not asked for it.
            if trafficEnd > 0, Clock.monotonic() > trafficEnd { try removeHold() }
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
            try uninstall()
        }
    }

    /// Does something that takes its time on a thread of its own; whatever is asked for waits for it.
    private func detach(_ body: @escaping @Sendable () throws(MoveError) -> Void) throws(MoveError) {
        do throws(SystemError) {
            try DetachedThread.start {
                do throws(MoveError) { try self.locked(body) } catch {
                    Diagnostics.say("\(self.name): \(error)")
                }
            }
        } catch { throw MoveError("\(error)") }
    }

    // MARK: What it is asked

    /// Serves one connection until it ends.
    func serve(_ channel: StreamChannel) throws(TransferError) {
        receiver = nil
        defer { try? locked { () throws(MoveError) in try forgetMemory(channel) } }
        // What another connection brings may take away what it has laid its mounts on.
        try? locked { () throws(MoveError) in waiting = nil }
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
                        let begin = Timeline.begin()
                        defer { Timeline.end(begin, "answer \(verb)") }
                        if verb == "images" {
                            guard let part = request["part"]?.string.flatMap(LivePart.init) else {
                                throw MoveError("no part of the programs' memory")
                            }
                            try beginImages(
                                channel, part,
                                bytes: request["bytes"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0)
                        }
                        return try answer(verb, request)
                    }
                } catch { reply = .object([.init("error", .string(error.description))]) }
                try channel.send(Frame(.reply, AgentLink.bytes(reply)))
                try channel.flush()
            case .entries, .remove, .roundEnd:
                guard !isHome else { throw .refused("\(name) lives here already") }
                // A server that is handed over reads what is brought when it is asked to.
                if cell.isRunning, !server.isKnown || journal.stands(.admit) {
                    throw .refused("programs run in the cell \(name)")
                }
                if receiver == nil {
                    do throws(SystemError) {
                        receiver = try FileReceiver(
                            over: channel, root: cell.root, owners: owners, leavesEqual: isolation == .host)
                        receiver!.placeholders = placeholders
                    } catch { throw .file(Array(cell.root.utf8), error) }
                }
                deadline = Clock.monotonic() + lease * 1_000_000_000
                try receiver!.receive(begunWith: frame)
                try beginSync()
                deadline = Clock.monotonic() + lease * 1_000_000_000
            default: throw .malformed("\(frame.kind) outside of a round")
            }
        }
    }

    /// After a round of which the source has not waited for the device.
    private func beginSync() throws(TransferError) {
        guard receiver?.owesSync == true else { return }
        do throws(MoveError) {
            try endSync()
            sync = try DeferredSync(cell.root)
        } catch { throw .refused("\(error)") }
    }

    /// Waits until all that was brought is on the device.
    private func endSync() throws(MoveError) {
        defer { sync = nil }
        try sync?.wait()
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

    /// What a source may ask once it was answered that clients are let in, or was not.
    private static let questionsAtHome: Set = [
        "accounts", "state", "memory", "admit", "deliver", "undo", "connections", "retire",
    ]

    private func answer(_ verb: String, _ request: JSONValue) throws(MoveError) -> JSONValue {
        func number(_ key: String) -> UInt64? { request[key]?.integer.flatMap { UInt64(exactly: $0) } }
        // Whoever asks for more begins another move of what is here.
        guard !isHome || Self.questionsAtHome.contains(verb) else {
            throw MoveError("\(name) lives here already")
        }
        switch verb {
        case "images": break
        case "images-end": endImages()
        case "memory": return .object([.init("memory", .string(memoryState))])
        case "state": return .object([.init("state", .string(state))])
        case "check": return try check(request, bytes: number("bytes") ?? 0)
        case "furnish": try furnish(request)
        case "hold":
            lease = max(5, min(number("within") ?? lease, 86400))
            try hold(address(request))
            try bootMachine()
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
                request, runs, isolation, isCutOff: request["cut_off"] == .boolean(true),
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
        case "accounts": return try mapAccounts(request)
        case "settings": return HostSettings.here().value
        case "shared": return try shared(request)
        case "packages": return Self.lackingPackages(request)
        case "install": try install(request)
        case "compare-own": return try compareOwn(request)
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
            try endSync()
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
                try endSync()
                try journal.write(.admit, .begun, request["address"] ?? .null)
            }
            try finishAdmission(request["packets"])
        case "deliver":
            guard isHome else { throw MoveError("\(name) was not let in here") }
            defer { traffic = nil }
            defer { try? removeHold() }
            if let kept, let interface = addressInterface, let traffic {
                try traffic.release { () throws(MoveError) in
                    traffic.add(request["packets"], to: kept.address, at: interface)
                }
            } else if let address = journal.detail(.admit)?.string.flatMap({ ServiceAddress($0) }),
                let traffic,
                let interface = try address.interface()
            {
                try traffic.release { () throws(MoveError) in
                    traffic.add(request["packets"], to: address, at: interface)
                }
            }
        case "undo":
            try undo()
            try uninstall()
        case "connections":
            return .object([.init("connections", .integer(Int128(try connections())))])
        case "retire": try retire()
        default: throw MoveError("no request `\(verb)`")
        }
        return .object([.init("state", .string(state))])
    }

    /// Ends what was started and lifts the hold; after this nothing of this move is let in.
    func undo() throws(MoveError) {
        guard !journal.stands(.admit) else {
            throw MoveError("\(name) was let in here: going back is a move of its own")
        }
        if journal.stands(.start) {
            try server.end()
            endCell()
        }
        // A machine that has no programs yet, or one of which nothing but its network is left.
        if cell.state.isWaiting { cell.end(within: 1) }
        (traffic, waiting) = (nil, nil)
        // The programs have ended: nobody reads what is not there.
        if let begun = fetching {
            begun.abandon()
            fetching = nil
        } else if Fetching.isPending(cell) {
            Fetching.abandon(cell)
        }
        if journal.stands(.start) {
            try endLive(leavesAddress: true)
            try journal.write(.start, .undone)
        }
        removeMemory()
        try takeBack()
        // Before the line by which an agent that is started again knows that there is something to be undone.
        try tunnel.end()
        if journal.stands(.holdThere) {
            try redirection.resume()
            try Hold.remove(name: name)
            try journal.write(.holdThere, .undone)
        }
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
        if let kept {
            try kept.leave()
            state.addressStays = false
            cell.state = state
        }
        if journal.stands(.admit) { try journal.write(.admit, .undone) }
        try leaveHost()
        if journal.stands(.start) { try journal.write(.start, .undone) }
        if journal.stands(.holdThere) { try journal.write(.holdThere, .undone) }
    }
}
