import MovePlan
import Records

/// What a person ordered: which plan, over which hosts, and what distributes connections.
struct SpreadOrder: Equatable {
    /// More hosts are not taken.
    static let mostHosts = 64

    /// As for a move, of which the destination is one of the hosts in turn.
    let base: JSONValue
    /// Where replicas are made.
    let hosts: [ClientHost]
    let kind: Balancer.Kind
    /// Whether the map of connections to members is fixed: no health check, and none is taken out.
    let isStatic: Bool
    /// Whether the source gets connections as well.
    let hasSource: Bool
    /// Files and folders that each replica may write for itself.
    let own: [[UInt8]]
    /// How it is found out whether a member works.
    let probe: Probe
    /// What the order of the first host says, which all have in common.
    let common: MoveOrder

    var name: String { common.name }

    static func == (left: Self, right: Self) -> Bool { left.value == right.value }

    var value: JSONValue {
        .object([
            .init("order", base), .init("over", .array(hosts.map(\.value))),
            .init("balancer", .string(kind.rawValue)), .init("static", .boolean(isStatic)),
            .init("source", .boolean(hasSource)),
            .init("own", .array(own.map { .string(PlanText.text($0)) })),
            .init("probe", .string(probe.text)),
        ])
    }

    /// Reads a tree.
    ///
    /// - Throws: what is wrong with it, and what to do about it.
    init(_ value: JSONValue) throws(MoveError) {
        base = value["order"] ?? .null
        let listed = value["over"]?.array ?? []
        hosts = listed.compactMap { ClientHost($0) }
        guard !hosts.isEmpty, hosts.count == listed.count else {
            throw MoveError("no hosts to be spread over: --over HOST=ADDRESS,…")
        }
        guard hosts.count <= Self.mostHosts else {
            throw MoveError("a program is spread over \(Self.mostHosts) hosts at most")
        }
        guard Set(hosts.map(\.name)).count == hosts.count, hosts.allSatisfy({ MoveOrder.isName($0.name) })
        else { throw MoveError("--over names each host once, by its certificate") }
        let families = Set(hosts.map { Balancer.family($0.address) })
        guard families.count == 1, let family = families.first, family != nil else {
            throw MoveError(
                "connections are passed on to addresses of one family: --over HOST=ADDRESS, all IPv4 or all IPv6"
            )
        }
        guard let kind = Balancer.Kind(rawValue: value["balancer"]?.string ?? Balancer.Kind.nft.rawValue)
        else {
            throw MoveError(
                "--balancer is \(Balancer.Kind.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        self.kind = kind
        isStatic = value["static"] == .boolean(true)
        hasSource = value["source"] != .boolean(false)
        own = (value["own"]?.array ?? []).compactMap { $0.string.flatMap { PlanText.bytes($0) } }
        probe = try Probe(value["probe"]?.string)
        if kind == .haproxy, case .command = probe {
            throw MoveError(
                "haproxy checks by itself, and runs no command: --probe tcp or http:/PATH, or use --balancer nft"
            )
        }
        guard !isStatic || probe == .tcp else {
            throw MoveError("with --static nobody is asked whether it works: leave --probe out")
        }
        common = try Self.order(base, for: hosts[0])
        guard [.chroot, .container, .runc, .nspawn].contains(common.isolation), !common.hasOwnNetwork else {
            throw MoveError(
                "a replica is reached at its host's address: --isolation chroot, container, runc or nspawn")
        }
        guard !common.isLive, !common.startsFirst, !common.tunnels, common.handover == nil, !common.forwards
        else {
            throw MoveError(
                "a replica is a copy that is started: leave --live, --start-first, --tunnel and --forward out"
            )
        }
        guard !balancedPorts.isEmpty else {
            throw MoveError(
                "the plan has no TCP port that other hosts reach: connections are what is spread")
        }
    }

    /// Of a tree as for a move the order for one host.
    static func order(_ base: JSONValue, for host: ClientHost) throws(MoveError) -> MoveOrder {
        guard case .object(var members) = base else { throw MoveError("no order") }
        members.removeAll { ["host", "at", "port", "address", "replica"].contains($0.key) }
        members += [
            .init("host", .string(host.name)), .init("at", .string(host.address)),
            .init("port", .integer(Int128(host.port))), .init("replica", .boolean(true)),
        ]
        return try MoveOrder(.object(members))
    }

    /// The address that clients use, without its prefix; `nil` for any of this host's.
    var address: String? { base["address"]?.string.map { String($0.prefix { $0 != "/" }) } }

    /// TCP ports of the plan that others than this host reach.
    var balancedPorts: [UInt16] {
        Set(common.ports.filter { $0.isTCP && !$0.isLoopback }.map(\.number)).sorted()
    }

    /// The balancer with those members that take connections.
    func balancer(_ isUp: (ClientHost) -> Bool, sourceIsUp: Bool) -> Balancer {
        var members = hosts.indices.filter { isUp(hosts[$0]) }.map {
            Balancer.Member(name: hosts[$0].name, address: hosts[$0].address, number: UInt32($0) + 1)
        }
        if hasSource, sourceIsUp { members.insert(Balancer.own, at: 0) }
        return Balancer(
            name: name, ports: balancedPorts, address: address, isIPv6: hosts[0].address.contains(":"),
            isStatic: isStatic, members: members)
    }
}
