public import MovePlan
public import Records
import SystemCalls

/// What a person ordered: which plan, where to, and how.
public struct MoveOrder: Sendable {
    /// The host's part of the plan.
    public var plan: HostPlan
    /// What the plan was made for.
    public var program: String
    /// What the move, and the cell at the destination, are called: letters, digits, `.`, `-` and `_`.
    public var name: String
    /// The destination's name, by its certificate.
    public var host: String
    /// Where the destination's agent is reached.
    public var address: String
    /// At which port.
    public var port: UInt16
    /// How the programs are kept apart there.
    public var isolation = Isolation.chroot
    /// Whether they have a network namespace of their own there.
    public var hasOwnNetwork = false
    /// Numbers of ports there, as clients see them, of those that have another one than here.
    public var published: [UInt16: UInt16] = [:]
    /// Seconds after which a cut-over that was not committed undoes itself.
    public var within: UInt64 = 60
    /// Seconds that the last copy may take: the pre-copy goes on until what is left fits.
    public var downtime = 1.0
    /// How many rounds a pre-copy has at most; 0 for none, so that everything is brought while clients are held.
    public var rounds = 8
    /// In which order files are brought; where nobody says it, by path in a pre-copy, and as observed behind placeholders.
    public var copyOrder: CopyOrder?
    /// A shell command that says at the destination whether the programs work.
    public var check: String?
    /// `10.0.0.5/24`, which moves with the service.
    public var serviceAddress: String?
    /// Whether that stays where it is, which hands the service's packets on.
    public var addressStays = false
    /// The address that moves; `nil` where none does.
    var movingAddress: String? { addressStays ? nil : serviceAddress }
    /// The address that stays; `nil` where none does.
    var keptAddress: KeptAddress? {
        addressStays ? serviceAddress.flatMap { KeptAddress($0, name: name) } : nil
    }
    /// Whether what still comes to the source is passed on.
    public var forwards = false
    /// Hosts whose programs are clients, and are sent to the destination's address.
    var clients: [ClientHost] = []
    /// Addresses by which they know the service, beside those of the plan.
    var oldAddresses: [String] = []
    /// A shell command that starts the program, where its arguments are not known.
    public var start: String?
    /// Bytes a second; 0 for as many as possible.
    public var throttle: UInt64 = 0

    /// How an RPC server is handed over; `nil` for any other move.
    public var handover: HandoverOrder?
    /// Whether a way is made from the destination to what stays and it does not reach.
    public var tunnels = false
    /// Whether files of the destination's own root that differ give way (`Isolation.host`).
    public var replaces = false
    /// Whether packages that the destination's own root lacks are installed there (`Isolation.host`).
    public var installsPackages = false
    /// Whether in the plan's versions.
    public var exactVersions = false
    /// Whether the programs are started before large files are there, which are fetched when they are touched.
    public var startsFirst = false
    /// Whether the running processes are moved, by criu(8).
    public var isLive = false
    /// When their memory comes.
    public var memory = LiveMemory.ahead
    /// Kinds of obstacles of which something is lost that they go on without (`Obstacle.lostKinds`).
    public var lost: Set<String> = []
    var fetchesMemory: Bool { isLive && memory == .fetched }
    /// Whether what is started there is one of several, beside the source that goes on.
    var isReplica = false
    /// The one process that moves, with all that it has started; `nil` where all that run the plan's programs do.
    var process: ProcessIdentity?

    /// Whether a text can be a move's name.
    public static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 60 && text.first != "." && text.first != "-"
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (97...122).contains($0 | 32) || "._-".utf8.contains($0)
            }
    }

    /// As a tree.
    public var value: JSONValue {
        func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
        return .object([
            .init("plan", PlanDocument.value(Plan(program: program, made: 0, hosts: [plan]))),
            .init("name", .string(name)),
            .init("host", .string(host)), .init("at", .string(address)),
            .init("port", .integer(Int128(port))),
            .init("isolation", .string(isolation.rawValue)), .init("network", network?.value ?? .null),
            .init("within", .integer(Int128(within))),
            .init("downtime", .double(downtime)), .init("rounds", .integer(Int128(rounds))),
            .init("order", text(copyOrder?.rawValue)), .init("check", text(check)),
            .init("address", text(serviceAddress)), .init("address_stays", .boolean(addressStays)),
            .init("forward", .boolean(forwards)), .init("clients", .array(clients.map(\.value))),
            .init("old_addresses", .array(oldAddresses.map { .string($0) })), .init("start", text(start)),
            .init("throttle", .integer(Int128(throttle))),
            .init("handover", handover?.value ?? .null),
            .init("start_first", .boolean(startsFirst)), .init("tunnel", .boolean(tunnels)),
            .init("live", .boolean(isLive)), .init("memory", .string(memory.rawValue)),
            .init("lose", .array(lost.sorted().map { .string($0) })),
            .init("process", process?.value ?? .null),
            .init("replica", .boolean(isReplica)),
            .init("replace", .boolean(replaces)), .init("install_packages", .boolean(installsPackages)),
            .init("exact_versions", .boolean(exactVersions)),
        ])
    }

    /// Reads a tree.
    ///
    /// - Throws: what is wrong with it.
    public init(_ value: JSONValue) throws(MoveError) {
        let plan: Plan
        do throws(PlanDocument.Flaw) { plan = try PlanDocument.plan(value["plan"] ?? .null) } catch {
            throw MoveError("the plan: \(error)")
        }
        guard plan.hosts.count == 1 else {
            throw MoveError("the plan is of \(plan.hosts.count) hosts, not of one")
        }
        self.plan = plan.hosts[0]
        program = plan.program
        guard let name = value["name"]?.string, Self.isName(name) else {
            throw MoveError("a move's name has letters, digits, dots, hyphens and underscores, at most 60")
        }
        guard let host = value["host"]?.string,
            let port = value["port"]?.integer.flatMap({ UInt16(exactly: $0) }), port > 0
        else {
            throw MoveError("no destination")
        }
        (self.name, self.host, self.port) = (name, host, port)
        address = value["at"]?.string ?? host
        guard let isolation = Isolation(rawValue: value["isolation"]?.string ?? "chroot") else {
            throw MoveError(
                "isolation is one of \(Isolation.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.isolation = isolation
        if let network = value["network"], network != .null {
            guard let wish = CellNetwork.Wish(network) else { throw MoveError("no network of its own") }
            guard isolation.isContainer else {
                throw MoveError(
                    "--own-network is for containers and machines: --isolation container, runc, nspawn or machine"
                )
            }
            (hasOwnNetwork, published) = (true, wish.published)
        }
        // It has a kernel of its own.
        if isolation == .machine { hasOwnNetwork = true }
        if let within = value["within"]?.integer {
            guard (5...86400).contains(within) else { throw MoveError("--within is from 5 to 86400 seconds") }
            self.within = UInt64(within)
        }
        switch value["downtime"] {
        case .double(let seconds): downtime = seconds
        case .integer(let seconds): downtime = Double(Int64(clamping: seconds))
        default: break
        }
        if let rounds = value["rounds"]?.integer {
            guard (0...64).contains(rounds) else { throw MoveError("--rounds is from 0 to 64") }
            self.rounds = Int(rounds)
        }
        if let text = value["order"]?.string {
            guard let order = CopyOrder(rawValue: text) else {
                throw MoveError("--order is observed or path")
            }
            copyOrder = order
        }
        check = value["check"]?.string
        serviceAddress = value["address"]?.string
        if let serviceAddress, ServiceAddress(serviceAddress) == nil {
            throw MoveError("`\(serviceAddress)` is no address with a prefix, such as 10.0.0.5/24")
        }
        if hasOwnNetwork {
            if serviceAddress?.contains(":") == true {
                throw MoveError("a network of its own is reached by IPv4: --address is to be of that")
            }
            if let one = ports.first(where: { $0.address != nil && !$0.isLoopback }) {
                throw MoveError(
                    "a program listens on \(one.address!), port \(one.number), alone: there is no such address in a network of its own"
                )
            }
        }
        forwards = value["forward"] == .boolean(true)
        for client in value["clients"]?.array ?? [] {
            guard let client = ClientHost(client) else { throw MoveError("no host of clients") }
            clients.append(client)
        }
        oldAddresses = (value["old_addresses"]?.array ?? []).compactMap(\.string)
        if !clients.isEmpty, reconnection.redirects.isEmpty {
            throw MoveError(
                "the plan has no address by which clients reach the service: say by --old-address, as an address of the family of "
                    + address)
        }
        start = value["start"]?.string
        if let handover = value["handover"], handover != .null { self.handover = try HandoverOrder(handover) }
        startsFirst = value["start_first"] == .boolean(true)
        tunnels = value["tunnel"] == .boolean(true)
        replaces = value["replace"] == .boolean(true)
        if isolation == .host, startsFirst || handover != nil {
            throw MoveError("at the host itself programs start with their files: leave --start-first out")
        }
        if isolation == .machine, startsFirst {
            throw MoveError("a machine has all its files when its programs start: leave --start-first out")
        }
        guard !replaces || isolation == .host else { throw MoveError("--replace is for --isolation host") }
        installsPackages = value["install_packages"] == .boolean(true)
        exactVersions = value["exact_versions"] == .boolean(true)
        guard !installsPackages || isolation == .host else {
            throw MoveError("--install-packages is for --isolation host")
        }
        guard !exactVersions || installsPackages else {
            throw MoveError("--exact-versions is for --install-packages")
        }
        if tunnels, !Tunnel.isAddress(address) {
            throw MoveError("a tunnel needs the destination's IPv4 address: --to \(host)=ADDRESS")
        }
        if handover != nil, startsFirst || tunnels || hasOwnNetwork {
            throw MoveError(
                "a server is handed over without --start-first, --tunnel and --own-network: its files and network are what it declares"
            )
        }
        isLive = value["live"] == .boolean(true)
        if let text = value["memory"]?.string {
            guard let memory = LiveMemory(rawValue: text) else {
                throw MoveError("--memory is ahead, whole or fetched")
            }
            self.memory = memory
        }
        for kind in value["lose"]?.array ?? [] {
            guard let kind = kind.string, Obstacle.lostKinds.contains(kind) else {
                throw MoveError("--lose is one of \(Obstacle.lostKinds.joined(separator: ", "))")
            }
            lost.insert(kind)
        }
        guard lost.isEmpty || isLive else { throw MoveError("--lose KIND is for a move with --live") }
        isReplica = value["replica"] == .boolean(true)
        if let process = value["process"], process != .null {
            guard let identity = ProcessIdentity(process) else { throw MoveError("no process") }
            guard isLive else { throw MoveError("one process moves alive") }
            self.process = identity
        }
        guard !isLive || isolation == .chroot && handover == nil && !startsFirst else {
            throw MoveError("--live is for --isolation chroot, without --start-first and a hand-over")
        }
        addressStays = value["address_stays"] == .boolean(true)
        guard !addressStays || isLive && keptAddress != nil else {
            throw MoveError("--address-stays is for --live and an IPv4 --address")
        }
        guard !addressStays || !forwards && clients.isEmpty else {
            throw MoveError(
                "with --address-stays clients go on by the address that they have: leave --forward and --client out"
            )
        }
        throttle = value["throttle"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
    }

    /// Where clients go.
    var reconnection: Reconnection {
        Reconnection(of: plan, name: name, old: oldAddresses, new: address)
    }

    /// Whether the plan is of this host, which has a name by its certificate.
    func isOfHost(named name: String) -> Bool {
        let own = [MachineID.read(), MachineID.hostName(), name]
        // A daemon of a network namespace appends its name to the machine's.
        return [plan.id, plan.name].contains { text in
            !text.isEmpty && own.contains { text == $0 || text.hasPrefix($0 + "/") }
        }
    }

    /// What of a network of its own is asked for; `nil` for the host's.
    var network: CellNetwork.Wish? {
        guard hasOwnNetwork else { return nil }
        return CellNetwork.Wish(
            address: serviceAddress.flatMap { ServiceAddress($0)?.address }, published: published)
    }

    /// Ports on which the programs wait.
    public var ports: [ServicePort] {
        var seen: Set<ServicePort> = []
        return plan.ports.compactMap { ServicePort(planned: $0.address) }.filter { seen.insert($0).inserted }
    }
}
