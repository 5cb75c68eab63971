import ArgumentParser
import Glibc
import MovePlan
import Records

/// Moves one process that nobody has planned.
struct ProcessMoveCommand: AgentCommand {
    static let verb = "process"
    static let configuration = CommandConfiguration(
        commandName: "pid",
        abstract:
            "Move one running process, with all that it has started, outside any plan (CRIU 4.2 at both hosts).",
        discussion: """
            The agent makes the plan: what the processes have open and mapped is brought to a chroot there, and they go on in \
            it with their memory, as with --live. What the program opens later is not there. `retinue move rollback` and \
            `status` know the move by its name.

            Examples:
              retinue move pid 4711 --to db2=10.0.0.12 --check
              retinue move pid 4711 --to db2=10.0.0.12 --yes
            """)

    @Argument(help: "The process.")
    var pid: Int32

    @Option(
        help: ArgumentHelp(
            "The destination, by its certificate's name, and where its agent is reached.",
            valueName: "host[=address[:port]]"))
    var to: String

    @Option(
        help: ArgumentHelp(
            "What the move, and the cell there, are called; else the program's last name and the pid.",
            valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("An address that moves with it.", valueName: "address/prefix"))
    var address: String?

    @Option(
        help: ArgumentHelp("Seconds after which what was not committed undoes itself.", valueName: "seconds"))
    var within = 60

    @Flag(help: "See what stands in the way, and no more.")
    var check = false

    @Flag(name: .shortAndLong, help: "Do not ask before the process is stopped.")
    var yes = false

    @OptionGroup var agent: AgentOptions

    func validate() throws {
        guard pid > 0 else { throw ValidationError("a pid is from 1") }
        try MoveOptions.check(within: within)
    }

    func request() throws -> [JSONValue.Member] {
        let place = try MoveOptions.place(to)
        var order: [JSONValue.Member] = [
            .init("host", .string(place.host)), .init("at", .string(place.address)),
            .init("port", .integer(Int128(place.port))), .init("within", .integer(Int128(within))),
        ]
        if let name { order.append(.init("name", .string(name))) }
        if let address { order.append(.init("address", .string(address))) }
        return [
            .init("pid", .integer(Int128(pid))), .init("step", .string(check ? "check" : "run")),
            .init("order", .object(order)),
        ]
    }

    func run() throws {
        let request = try request()
        if !check, !yes {
            try Consent.ask("Move process \(pid) to \(to.printable)?", else: "the process is stopped here")
        }
        let answer = try Self.ask(agent, request)
        try MoveAnswers.write([answer], agent)
        if answer["problems"]?.array?.isEmpty == false { throw ExitCode(1) }
    }
}

/// Lists what may be moved or saved as one process.
struct ListMoveCommand: AgentCommand {
    static let verb = "movable"
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract:
            "List the processes of this host that could be moved alive or saved, and what rules the others out.",
        discussion: """
            A line for each leader of a session, with what it has started: services, and what was started at a terminal. It is \
            read when it is asked for: nothing has to register, and an agent that is started anew knows as much.
            """)

    @OptionGroup var agent: AgentOptions

    @Flag(help: "Those as well that cannot, with the reasons.")
    var all = false

    func request() throws -> [JSONValue.Member] { [] }

    func run() throws {
        let answer = try Self.ask(agent, try request())
        guard !agent.isJSON else { return try MoveAnswers.write([answer], agent) }
        try Output.standard.write(MoveText.movable(answer, all: all))
    }
}
