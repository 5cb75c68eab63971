import ArgumentParser
import MovePlan
import Records

/// Has programs run at several hosts at a time, behind one address.
struct SpreadMoveCommand: AgentCommand {
    static let verb = "spread"
    static let configuration = CommandConfiguration(
        commandName: "spread",
        abstract:
            "Start copies at other hosts beside the source, and distribute connections over them; or drain them.",
        discussion: """
            The source goes on. A copy of one moment is started at each host of --over, and passes --confirm there; then this host, \
            which keeps the address, passes new TCP connections of other hosts on to all of them in turn. One that does not \
            answer is taken out until it does. --drain has new connections come to the source alone, waits until those of the \
            copies have ended, ends them and removes them.

            What would be one for all of them is refused by name: files that the programs write, a Unix socket or shared memory \
            that others use. --check says what stands in the way and what would be done, and does nothing.

            Examples:
              retinue move spread plan.yaml --over web2=10.0.0.12,web3=10.0.0.13 --check
              retinue move spread plan.yaml --over web2=10.0.0.12,web3=10.0.0.13 --own /var/cache/web --yes
              retinue move spread plan.yaml --over web2=[fd00::12] --probe http:/health --yes
              retinue move spread plan.yaml --drain
            """)

    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp(
            "Where copies are started: hosts by their certificates' names, and where their agents are reached.",
            valueName: "host=address[:port],..."))
    var over: String?

    @Flag(help: "Take connections off the copies, end and remove them.")
    var drain = false

    @Option(help: ArgumentHelp("Of which host of the plan: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What it, and the cells there, are called; else the program's last name.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp("chroot, container, runc or nspawn; else what the plan says.", valueName: "kind"))
    var isolation: String?

    @Option(
        help: ArgumentHelp(
            "The address of this host to which clients connect; else any of its addresses.",
            valueName: "address/prefix"))
    var address: String?

    @Option(
        help: ArgumentHelp(
            "Says at each host whether the copy works, by a shell, before it gets connections.",
            valueName: "command"))
    var confirm: String?

    @Option(
        help: ArgumentHelp(
            "Says whether a member works: tcp, if it takes a connection; http:/PATH, if it answers with a status of 2xx or 3xx; else a shell command here, with RETINUE_HOST and RETINUE_PORT.",
            valueName: "kind"))
    var probe: String?

    @Option(help: ArgumentHelp("What passes connections on: nft or haproxy.", valueName: "what"))
    var balancer = "nft"

    @Flag(
        name: .customLong("static"),
        help: "A fixed map, by the client's address and port; whoever does not answer stays in it.")
    var isStatic = false

    @Flag(help: "Give the source no new connections.")
    var withoutSource = false

    @Option(
        help: ArgumentHelp(
            "A file or folder that each copy may write for itself; repeatable.", valueName: "path"))
    var own: [String] = []

    @Option(
        help: ArgumentHelp(
            "What starts the program, by a shell, where its arguments are not known.", valueName: "command"))
    var start: String?

    @Option(
        help: ArgumentHelp(
            "Seconds that a copy may take to start, and that connections have to end with --drain.",
            valueName: "seconds"))
    var within = 60

    @Flag(help: "See what stands in the way and what would be done, and no more.")
    var check = false

    @Flag(name: .shortAndLong, help: "Do not ask before copies are started.")
    var yes = false

    @OptionGroup var agent: AgentOptions

    func validate() throws {
        try MoveOptions.check(within: within)
        guard drain != (over != nil) else {
            throw ValidationError("say --over HOST=ADDRESS,... to spread, or --drain to end that")
        }
        guard ["nft", "haproxy"].contains(balancer) else {
            throw ValidationError("--balancer is nft or haproxy")
        }
        guard probe == nil || !isStatic else {
            throw ValidationError("--probe and --static exclude each other: with a fixed map nobody is asked")
        }
        guard own.allSatisfy({ $0.hasPrefix("/") }) else { throw ValidationError("--own is a path from /") }
    }

    /// The hosts of `--over`.
    static func places(_ text: String) throws -> [HostPlace] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map {
            try MoveOptions.place(String($0))
        }
    }

    func request() throws -> [JSONValue.Member] {
        if drain {
            let name = try name ?? MoveOptions.name(of: PlanFile.read(at: file).program)
            return [.init("name", .string(name))]
        }
        let places = try Self.places(over ?? "")
        var words = [file, "--to", places[0].text, "--within", "\(within)"]
        for (option, value) in [
            ("--host", host), ("--name", name), ("--isolation", isolation), ("--confirm", confirm),
            ("--start", start), ("--address", address),
        ] {
            // One word, as a value may begin with a hyphen.
            if let value { words.append("\(option)=\(value)") }
        }
        let hosts = places.map { place in
            JSONValue.object([
                .init("name", .string(place.host)), .init("address", .string(place.address)),
                .init("port", .integer(Int128(place.port))),
            ])
        }
        return [
            .init("order", try MoveOptions.parse(words).parts()[0].order), .init("over", .array(hosts)),
            .init("balancer", .string(balancer)), .init("static", .boolean(isStatic)),
            .init("source", .boolean(!withoutSource)), .init("own", .array(own.map { .string($0) })),
            .init("probe", probe.map { .string($0) } ?? .null), .init("check", .boolean(check)),
        ]
    }

    func run() throws {
        let request = try request()
        if drain {
            var client = try AgentClient(agent.agent)
            let answer = try client.ask(.object([.init("verb", .string("drain"))] + request)) { report in
                if let text = MoveText.report(report), !agent.isJSON { Diagnostics.say(text) }
            }
            return try MoveAnswers.write([answer], agent)
        }
        if !check, !yes {
            // First what would be done.
            let asked = request.filter { $0.key != "check" } + [.init("check", .boolean(true))]
            let answer = try Self.ask(agent, asked)
            if !agent.isJSON { Diagnostics.write(MoveText.answer(answer)) }
            if answer["problems"]?.array?.isEmpty == false { throw ExitCode(1) }
            try Consent.ask(
                "Spread it over \(over?.printable ?? "")?", else: "copies are started and get connections")
        }
        let answer = try Self.ask(agent, request)
        try MoveAnswers.write([answer], agent)
        if answer["problems"]?.array?.isEmpty == false { throw ExitCode(1) }
    }
}
