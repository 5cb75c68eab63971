import ArgumentParser
import MovePlan
import Records
import Text

/// Which move: a plan, and where to.
struct MoveOptions: ParsableArguments {
    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp(
            "The destination, by its certificate's name, and where its agent is reached; else what the plan says (`move`).",
            valueName: "host[=address[:port]]"))
    var to: String?

    @Option(help: ArgumentHelp("Of which host of the plan: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What the move, and the cell there, are called; else the program's last name.", valueName: "name")
    )
    var name: String?

    @Option(
        help: ArgumentHelp(
            "chroot, container, runc, nspawn, machine or host; else what the plan says.", valueName: "kind"))
    var isolation: String?

    @Flag(
        help:
            "Give the container a network of its own there: to it goes what comes to --address, or to the ports."
    )
    var ownNetwork = false

    @Option(
        help: ArgumentHelp(
            "With --own-network: under which number clients reach a port there.", valueName: "port=number"))
    var publish: [String] = []

    @Option(
        help: ArgumentHelp("Seconds after which what was not committed undoes itself.", valueName: "seconds"))
    var within = 60

    @Option(help: ArgumentHelp("Pre-copy until what is left fits into this pause.", valueName: "seconds"))
    var downtime = 1.0

    @Option(
        help: ArgumentHelp(
            "Rounds of the pre-copy at most, from 0, which has everything brought while clients are held.",
            valueName: "count"))
    var rounds = 8

    @Option(
        help: ArgumentHelp(
            "In which order files are brought: path, or observed: those last that programs were seen to open, as they opened them.",
            valueName: "kind"))
    var order: String?

    @Option(
        help: ArgumentHelp(
            "Says at the destination whether the programs work, by a shell, while clients are held.",
            valueName: "command"))
    var confirm: String?

    @Option(help: ArgumentHelp("An address that moves with the service.", valueName: "address/prefix"))
    var address: String?

    @Flag(
        help:
            "With --live: --address stays at its host, which hands the service's packets on to the destination (IPv4, one network)."
    )
    var addressStays = false

    @Flag(help: "Pass on what still comes to the source (destination NAT).")
    var forward = false

    @Option(
        help: ArgumentHelp(
            "A host whose programs are clients: its agent, and this one's, send them to the destination; repeatable.",
            valueName: "host[=address[:port]]"))
    var client: [String] = []

    @Option(
        help: ArgumentHelp(
            "An address by which clients know the service, beside those of the plan; repeatable.",
            valueName: "address"))
    var oldAddress: [String] = []

    @Option(
        help: ArgumentHelp(
            "What starts the program, by a shell, where its arguments are not known.", valueName: "command"))
    var start: String?

    @Flag(
        help:
            "Start the programs before large files are there, which are fetched when they are touched (Linux 6.14 there)."
    )
    var startFirst = false

    @Flag(help: "Move the running processes with their connections (CRIU 4.2 at both hosts).")
    var live = false

    @Option(
        help: ArgumentHelp(
            "With --live, when memory comes: ahead: while the programs run, and what differs when they are stopped; whole: when they are stopped; or fetched: once they run there.",
            valueName: "kind"))
    var memory: String?

    @Option(
        help: ArgumentHelp(
            "With --live, go on without what is lost of a kind that check names, such as multicast; repeatable.",
            valueName: "kind"))
    var lose: [String] = []

    @Flag(
        help: "With --isolation host: files there that differ give way, and come back with a rollback.")
    var replace = false

    @Flag(
        help:
            "With --isolation host: have apt install there what packages of the plan it lacks; a rollback purges them."
    )
    var installPackages = false

    @Flag(help: "With --install-packages: in the versions of the plan.")
    var exactVersions = false

    @Flag(help: "Make a way from the destination to what stays and it does not reach (VXLAN; IPv4).")
    var tunnel = false

    @Option(help: ArgumentHelp("Send at most so many bytes a second.", valueName: "bytes"))
    var throttle = 0

    func validate() throws {
        try Self.check(within: within)
        guard downtime > 0, downtime < 86400 else {
            throw ValidationError("--downtime is a number of seconds")
        }
        guard (0...64).contains(rounds) else { throw ValidationError("--rounds is from 0 to 64") }
        guard order.map(["observed", "path"].contains) != false else {
            throw ValidationError("--order is observed or path")
        }
        guard memory == nil || live else { throw ValidationError("--memory is for --live") }
        guard memory.map(["ahead", "whole", "fetched"].contains) != false else {
            throw ValidationError("--memory is ahead, whole or fetched")
        }
        guard lose.isEmpty || live else {
            throw ValidationError("--lose KIND is for a move with --live: add --live, or leave it out")
        }
        guard publish.isEmpty || ownNetwork || isolation == "machine" else {
            throw ValidationError("--publish is for --own-network, and for --isolation machine")
        }
        guard throttle >= 0 else { throw ValidationError("--throttle is a number of bytes a second") }
    }

    /// Holds the option `--within` against what an agent takes.
    static func check(within seconds: Int) throws {
        guard (5...86400).contains(seconds) else {
            throw ValidationError("--within is from 5 to 86400 seconds")
        }
    }

    /// A move that the agent is asked for.
    struct Part {
        /// The host of the plan.
        var title: String
        /// Which agent is asked: the one of this host, unless another one is named.
        var source: HostPlace?
        /// What it is asked.
        var order: JSONValue
    }

    /// The moves, each of a host of the plan: the one that the options mean, or all of which the plan says how, in the order in
    /// which their programs start.
    func parts() throws -> [Part] {
        let plan = try PlanFile.read(at: file)
        guard to == nil else { return [try part(plan, try plan.position(ofHost: host), isOnly: true)] }
        let positions = plan.hosts.indices.filter {
            plan.hosts[$0].move != nil
                && (host == nil || plan.hosts[$0].id == host || plan.hosts[$0].name == host)
        }
        guard !positions.isEmpty else {
            throw Failure(
                "--to names no host, and the plan has no key `move` that does", status: ExitStatus.badInput)
        }
        guard positions.count == 1 || [name, isolation, confirm, address, start].allSatisfy({ $0 == nil })
        else {
            throw Failure(
                "the plan says how \(positions.count) hosts are moved: name one by --host, or write what is different into it",
                status: ExitStatus.badInput)
        }
        let order = Dictionary(
            uniqueKeysWithValues: positions.map {
                ($0, plan.hosts[$0].programs.compactMap(\.order).min() ?? .max)
            })
        return try positions.sorted { (order[$0]!, $0) < (order[$1]!, $1) }.map {
            try part(plan, $0, isOnly: positions.count == 1)
        }
    }

    private func part(_ plan: Plan, _ position: Int, isOnly: Bool) throws -> Part {
        let part = plan.hosts[position]
        let title = part.name.isEmpty ? part.id : part.name
        let destination = try destination(of: part)
        let clients = try client.map { text in
            let place = try Self.place(text)
            return JSONValue.object([
                .init("name", .string(place.host)), .init("address", .string(place.address)),
                .init("port", .integer(Int128(place.port))),
            ])
        }
        // Two parts may come to one destination.
        let name = name ?? Self.name(of: isOnly ? plan.program : "\(plan.program)-\(title)")
        var members: [JSONValue.Member] = [
            .init(
                "plan", PlanDocument.value(Plan(program: plan.program, made: plan.made, hosts: [part]))),
            .init("name", .string(name)), .init("host", .string(destination.host)),
            .init("at", .string(destination.address)), .init("port", .integer(Int128(destination.port))),
            .init("within", .integer(Int128(within))), .init("downtime", .double(downtime)),
            .init("rounds", .integer(Int128(rounds))), .init("order", order.map(JSONValue.string) ?? .null),
            .init("forward", .boolean(forward || part.move?.forwards == true)),
            .init("throttle", .integer(Int128(throttle))), .init("clients", .array(clients)),
            .init("live", .boolean(live)), .init("memory", memory.map(JSONValue.string) ?? .null),
            .init("lose", .array(lose.map { .string($0) })),
            .init("address_stays", .boolean(addressStays)),
            .init("start_first", .boolean(startFirst)), .init("tunnel", .boolean(tunnel)),
            .init("replace", .boolean(replace)), .init("install_packages", .boolean(installPackages)),
            .init("exact_versions", .boolean(exactVersions)),
            .init("old_addresses", .array(oldAddress.map { .string($0) })),
        ]
        let kind = try kind(part)
        members.append(.init("isolation", .string(kind)))
        if ownNetwork || kind == "machine" { members.append(.init("network", try network())) }
        for (key, value) in [
            ("check", confirm ?? part.move?.confirm), ("address", address ?? part.move?.address),
            ("start", start ?? part.move?.start),
        ] {
            if let value { members.append(.init(key, .string(value))) }
        }
        return Part(title: title, source: part.move?.source, order: .object(members))
    }

    /// Where a host's part is moved to.
    func destination(of part: HostPlan) throws -> HostPlace {
        if let to { return try Self.place(to) }
        guard let destination = part.move?.destination else {
            throw Failure(
                "--to names no host, and the plan has no key `move` that does", status: ExitStatus.badInput)
        }
        return destination
    }

    /// Of `host[=address[:port]]`.
    static func place(_ text: String) throws -> HostPlace {
        guard let place = HostPlace(text) else {
            throw Failure(
                "`\(text.printable)` is not HOST, HOST=ADDRESS or HOST=ADDRESS:PORT",
                status: ExitStatus.badInput)
        }
        return place
    }

    private func kind(_ host: HostPlan) throws -> String {
        let kind = isolation ?? host.move?.isolation ?? host.isolation?.choice ?? "chroot"
        guard Self.kinds.contains(kind) else {
            throw Failure(
                "programs are moved into one of \(Self.kinds.joined(separator: ", ")), not into a \(kind.printable)",
                status: ExitStatus.badInput)
        }
        return kind
    }

    private static let kinds = ["chroot", "container", "runc", "nspawn", "machine", "host"]

    /// What of a network of its own is asked for.
    private func network() throws -> JSONValue {
        var pairs: [JSONValue] = []
        for text in publish {
            let numbers = text.split(separator: "=", omittingEmptySubsequences: false).map { UInt16($0) ?? 0 }
            guard numbers.count == 2, !numbers.contains(0) else {
                throw Failure("`\(text.printable)` is no port=number", status: ExitStatus.badInput)
            }
            pairs.append(.array(numbers.map { .integer(Int128($0)) }))
        }
        return .object([
            .init("address", address.map { .string(String($0.prefix { $0 != "/" })) } ?? .null),
            .init("published", .array(pairs)),
        ])
    }

    /// The last name of the program that the plan was made for, as far as it can be a name.
    static func name(of program: String) -> String {
        let last = program.split(separator: "/").last.map(String.init) ?? program
        let word = last.prefix { $0 != "@" }
        let plain = word.utf8.map { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || "._-".utf8.contains(byte)
                ? Character(UnicodeScalar(byte)) : "_"
        }
        let name = String(plain.prefix(60)).drop { $0 == "." || $0 == "-" }
        return name.isEmpty ? "program" : String(name)
    }
}
