import CLinux
import Glibc
import Procfs
import Records
import SunRPC
import SystemCalls

/// An RPC server at the destination of a hand-over: started where it finds the registrar in the place of rpcbind(8), made known under
/// numbers that are free here once it is let in.
///
/// A server is asked for nothing: where the number that it registers is another program's here, a stand-in on a port of its own has
/// that number changed in calls that come under a free one.
final class ServerArrival {
    private let folder: String
    private let cell: Cell
    private var registrar: Registrar?
    private var process: Int32 = 0

    init(_ folder: String, _ cell: Cell) { (self.folder, self.cell) = (folder, cell) }

    private var path: String { folder + "/rpc.json" }
    /// Whether it is one.
    var isKnown: Bool { access(path, F_OK) == 0 }
    private var fronts: [String] { ["front", "moved"].map { "\(folder)/\($0)" } }

    /// Starts the server, which `cell.state` describes, and finds its numbers.
    ///
    /// - Returns: `route`, for clients' hosts; `numbers`, for people.
    func start(_ request: JSONValue, seconds: UInt64) throws(MoveError) -> JSONValue {
        let before = (request["registered"]?.array ?? []).compactMap(Departure.registration)
        let doors = (request["doors"]?.array ?? []).compactMap { Door($0) }
        guard !before.isEmpty, let host = request["host"]?.string else {
            throw MoveError("nothing was registered")
        }
        registrar?.close()
        let registrar = try Registrar(in: cell.root)
        self.registrar = registrar
        try cell.begin()
        let networks = ["udp", "tcp"]
        let wanted = before.filter { networks.contains($0.network) }
        let limit = Clock.monotonic() + seconds * 1_000_000_000
        var now: [Registration] = []
        while true {
            now = registrar.registrations.filter { networks.contains($0.network) && ($0.port ?? 0) != 0 }
            if networks.allSatisfy({ name in
                now.count { $0.network == name } >= wanted.count { $0.network == name }
            }) {
                break
            }
            guard cell.isRunning else { throw MoveError("it ended at once: \(cell.lastWords)") }
            guard Clock.monotonic() < limit else {
                throw MoveError(
                    "after \(seconds) s it has registered \(now.count) of \(wanted.count): \(cell.lastWords)")
            }
            usleep(500)
        }
        process = find()
        return try settle(
            wanted, now, doors, host: host, address: request["address"]?.string,
            prefersVersion: request["prefers_version"] == .boolean(true))
    }

    /// The server's process, as this host counts: the last one of those that the cell's first process started.
    private func find() -> Int32 {
        let first = cell.state.pid
        let space = ProcessDirectory(first)?.namespace("pid_for_children")
        return ProcessList.pids().last {
            guard $0 != first, let directory = ProcessDirectory($0) else { return false }
            return directory.namespace("pid") == space || directory.status()?.parent == first
        } ?? 0
    }

    /// Has the server, which runs, read its data.
    func restore(_ command: String) throws(MoveError) {
        let outcome = try Tool.run(["sh", "-c", command], seconds: 60) {
            $0.environment += [
                Array("RETINUE_PID=\(process)".utf8), Array("RETINUE_ROOT=\(cell.root)".utf8),
            ]
        }
        guard outcome.status == 0 else {
            throw MoveError("restore: exit status \(outcome.status): \(outcome.output.prefix(300))")
        }
    }

    private func settle(
        _ before: [Registration], _ now: [Registration], _ doors: [Door], host: String, address: String?,
        prefersVersion: Bool
    ) throws(MoveError) -> JSONValue {
        let taken = try rpcbind { bind throws(RPCBindError) in try bind.registrations() }
        func order(_ list: [Registration]) -> [ProgramNumber] {
            Set(list.map(\.number)).sorted { ($0.program, $0.version) < ($1.program, $1.version) }
        }
        let (old, new) = (order(before), order(now))
        guard old.count <= new.count else { throw MoveError("it serves fewer programs than before") }
        var published: [ProgramNumber: ProgramNumber] = [:]
        for number in new {
            published[number] = Self.free(
                number, taken.map(\.number) + Array(published.values), prefersVersion: prefersVersion)
        }
        let isRenumbered = published.contains { $0.key != $0.value }
        var ports: [String: UInt16] = [:]
        var shown: [Registration] = []
        for registration in now {
            let isTCP = registration.network == "tcp"
            var port = registration.port ?? 0
            if isRenumbered {
                // One stand-in for each port of the server.
                let key = "\(registration.network) \(port)"
                if ports[key] == nil { ports[key] = try FreePort.find(isTCP: isTCP) }
                port = ports[key]!
            }
            shown.append(
                Registration(published[registration.number]!, network: registration.network, port: port))
        }
        var route = StandInRoute()
        for (index, number) in old.enumerated() { route.rewriter.numbers[number] = published[new[index]]! }
        guard let here = InternetAddress(host, port: 0) else {
            throw MoveError("clients need an IPv4 address of this host, `\(host)` is none")
        }
        // A door of the old place leads to the port of the same program over the same transport.
        for door in doors {
            let network = door.isTCP ? "tcp" : "udp"
            guard let was = before.first(where: { $0.network == network && $0.port == door.place.port }),
                let index = old.firstIndex(of: was.number),
                let place = shown.first(where: {
                    $0.network == network && $0.number == published[new[index]]
                })?.port
            else { continue }
            route.places[door] = InternetAddress(address: here.address, port: place)
        }
        if isRenumbered { try startFront(now, ports, published) }
        if let address, let own = ServiceAddress(address) { try startMoved(own, route, new, published, now) }
        try SafeFile.write(.object([.init("public", .array(shown.map(Departure.value)))]), to: path)
        let numbers = zip(old, new).map { "\($0) \(published[$1]!)" }
        return .object([
            .init("route", route.value), .init("numbers", .array(numbers.map { .string($0) })),
            .init("state", .string("started")),
        ])
    }

    /// Where calls under the numbers of this host come to the server, which knows its own.
    private func startFront(
        _ now: [Registration], _ ports: [String: UInt16], _ published: [ProgramNumber: ProgramNumber]
    ) throws(MoveError) {
        var route = StandInRoute()
        var doors: [Door] = []
        for registration in now {
            guard let port = registration.port, let front = ports["\(registration.network) \(port)"] else {
                continue
            }
            let door = Door(isTCP: registration.network == "tcp", place: .init(address: 0, port: front))
            guard route.places[door] == nil else { continue }
            doors.append(door)
            route.places[door] = InternetAddress("127.0.0.1", port: port)
        }
        route.rewriter.numbers = Dictionary(uniqueKeysWithValues: published.map { ($0.value, $0.key) })
        let process = StandInProcess(fronts[0], .init(doors: doors, lease: 86400, rules: ""))
        try process.start()
        try process.pass(to: route)
    }

    /// Under the address that moves, the ports that the server does not have any more.
    private func startMoved(
        _ own: ServiceAddress, _ route: StandInRoute, _ new: [ProgramNumber],
        _ published: [ProgramNumber: ProgramNumber],
        _ now: [Registration]
    ) throws(MoveError) {
        var here = StandInRoute()
        here.rewriter = route.rewriter
        let busy = Set(now.map { "\($0.network) \($0.port ?? 0)" })
        for (door, place) in route.places where door.place.host == own.address {
            guard !busy.contains("\(door.isTCP ? "tcp" : "udp") \(door.place.port)") else { continue }
            here.places[door] = InternetAddress("127.0.0.1", port: place.port)
        }
        guard !here.places.isEmpty else { return }
        let process = StandInProcess(
            fronts[1], .init(doors: Array(here.places.keys), lease: 86400, rules: ""))
        try process.start()
        try process.pass(to: here)
    }

    /// The number itself, or one like it that nothing has.
    static func free(_ number: ProgramNumber, _ taken: [ProgramNumber], prefersVersion: Bool) -> ProgramNumber
    {
        guard taken.contains(number) else { return number }
        var other = number
        if prefersVersion {
            let most = taken.filter { $0.program == number.program }.map(\.version).max() ?? number.version
            other.version = most &+ 1
            if !taken.contains(other) { return other }
        }
        let programs = Set(taken.map(\.program))
        other = number
        // Where a site gives numbers to what comes and goes; one after another, from a place that the number itself names.
        for offset in 0..<UInt32(1 << 16) {
            other.program =
                ProgramNumber.transient.lowerBound | (number.program &+ offset) & 0x1fff_ffff
            if !programs.contains(other.program) { return other }
        }
        return other
    }

    // MARK: Its being known here

    private func rpcbind<Result>(_ body: (RPCBind) throws(RPCBindError) -> Result) throws(MoveError) -> Result
    {
        do throws(RPCBindError) { return try body(RPCBind()) } catch { throw MoveError("\(error)") }
    }

    private var published: [Registration] {
        (SafeFile.read(path)?["public"]?.array ?? []).compactMap(Departure.registration)
    }

    /// Makes it known at rpcbind(8); may be done again.
    func register() throws(MoveError) {
        for registration in published {
            let isSet = try rpcbind { bind throws(RPCBindError) in try bind.set(registration) }
            if isSet { continue }
            let known = try rpcbind { bind throws(RPCBindError) in try bind.registrations() }
            guard
                known.contains(where: {
                    ($0.number, $0.network, $0.port) == (
                        registration.number, registration.network, registration.port
                    )
                })
            else { throw MoveError("\(registration) was taken meanwhile") }
        }
    }

    /// Takes all of it back.
    func end() throws(MoveError) {
        for registration in published {
            _ = try? rpcbind { bind throws(RPCBindError) in try bind.unset(registration) }
        }
        for front in fronts { try StandInProcess(at: front)?.end() }
        registrar?.close()
        registrar = nil
        unlink(path)
    }

    /// After a restart of the agent: what stands before the server stands again.
    func recover() throws(MoveError) {
        for front in fronts { try StandInProcess(at: front)?.resume() }
        if registrar == nil { registrar = try Registrar(in: cell.root) }
        try register()
    }
}
