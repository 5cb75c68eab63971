import ArgumentParser
import Glibc
import MovePlan
import Records
import SystemCalls

struct CheckMoveCommand: MoveStepCommand {
    static let verb = "check"
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "See what stands in the way, before anything is touched.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions

    @Option(
        help: ArgumentHelp(
            "A file or folder that a server would declare to a hand-over: no reason against it. May be repeated.",
            valueName: "path"))
    var data: [String] = []

    var extra: [JSONValue.Member] { [.init("data", .array(data.map { .string($0) }))] }
}

struct RehearseMoveCommand: MoveStepCommand {
    static let verb = "rehearse"
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract:
            "Bring a copy, start it there without a way out, check it, end it; the source rests for the copy alone."
    )

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct PrecopyMoveCommand: MoveStepCommand {
    static let verb = "precopy"
    static let configuration = CommandConfiguration(
        commandName: "precopy",
        abstract: "Bring files while the programs run.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct CutoverMoveCommand: MoveStepCommand {
    static let verb = "cutover"
    static let configuration = CommandConfiguration(
        commandName: "cutover",
        abstract: "Hold clients, stop the programs, bring the rest, start them there; clients are still held."
    )

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct VerifyMoveCommand: MoveStepCommand {
    static let verb = "verify"
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read at the destination what was written, and try the check.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct RollbackMoveCommand: MoveStepCommand {
    static let verb = "rollback"
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Undo what was not committed; the source serves again.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct RunMoveCommand: MoveStepCommand {
    static let verb = "run"
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "All steps: check, precopy, cutover, verify, commit.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions

    @Flag(name: .shortAndLong, help: "Do not ask before the programs are stopped.")
    var yes = false

    func confirm(_ parts: [MoveOptions.Part]) throws {
        if yes { return }
        for part in parts {
            let (name, to) = (part.order["name"]?.string ?? "", part.order["host"]?.string ?? "")
            try Consent.ask(
                "Move \(name.printable) to \(to.printable)?",
                else: "the programs are stopped here and started there")
        }
    }
}

struct HandoverMoveCommand: MoveStepCommand {
    static let verb = "run"
    static let configuration = CommandConfiguration(
        commandName: "handover",
        abstract: "Hand an RPC server over to another host, under clients whose handles stay open.",
        discussion: """
            The server rests without a call while another one takes its data over; it ends when clients have gone on. Agents \
            of the hosts that are named by --client keep calls meanwhile, and lead them to the new address, port, program and \
            version from then on. All other clients are refused meanwhile.
            """)

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions

    @Option(
        help: ArgumentHelp(
            "Has the server write its data, by a shell, once no call runs; RETINUE_PID is the server.",
            valueName: "command"))
    var save: String?

    @Option(
        help: ArgumentHelp(
            "Has the new server read its data, by a shell, before it is called; RETINUE_PID is the server.",
            valueName: "command"))
    var restore: String?

    @Option(
        help: ArgumentHelp(
            "A file that the server declares; brought after --save. May be repeated.", valueName: "path"))
    var data: [String] = []

    @Option(
        help: ArgumentHelp(
            "What becomes another one where the number is taken there: program or version.", valueName: "what"
        ))
    var renumber = "program"

    @Option(help: ArgumentHelp("Seconds that running calls may take.", valueName: "seconds"))
    var drain = 30

    func validate() throws {
        guard ["program", "version"].contains(renumber) else {
            throw ValidationError("--renumber is program or version")
        }
        guard (1...3600).contains(drain) else { throw ValidationError("--drain is from 1 to 3600 seconds") }
    }

    func adapted(_ order: JSONValue) throws -> JSONValue {
        guard case .object(var members) = order else { return order }
        // Those of a hand-over are led by their agents, and not sent to another address.
        members.removeAll { $0.key == "clients" }
        let clients = try move.client.map { text in
            let place = try MoveOptions.place(text)
            return JSONValue.object([
                .init("host", .string(place.host)), .init("at", .string(place.address)),
                .init("port", .integer(Int128(place.port))),
            ])
        }
        members.append(
            .init(
                "handover",
                .object([
                    .init("clients", .array(clients)), .init("save", save.map { .string($0) } ?? .null),
                    .init("restore", restore.map { .string($0) } ?? .null),
                    .init("data", .array(data.map { .string($0) })), .init("renumber", .string(renumber)),
                    .init("drain", .integer(Int128(drain))),
                ])))
        return .object(members)
    }
}

struct CopyMoveCommand: MoveStepCommand {
    static let verb = "copy"
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "A backup that was tried: as rehearse; what was brought stays at the destination.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct AbortMoveCommand: MoveStepCommand {
    static let verb = "abort"
    static let configuration = CommandConfiguration(
        commandName: "abort",
        abstract: "End what is being done, and undo it: the same as rollback.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
}

struct CommitMoveCommand: MoveStepCommand {
    static let verb = "commit"
    static let configuration = CommandConfiguration(
        commandName: "commit",
        abstract: "Let clients in at the destination: from here on going back is a move from there.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions

    @Flag(help: "Remove what the plan has copied from the source.")
    var remove = false

    var extra: [JSONValue.Member] { [.init("remove", .boolean(remove))] }
}

struct MoveStatusCommand: AgentCommand {
    static let verb = "status"
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say which moves begin and end at this host, and how far they are.")

    @OptionGroup var agent: AgentOptions

    func request() throws -> [JSONValue.Member] { [] }
}

/// A request about a move that has begun here.
protocol NamedMoveCommand: AgentCommand {
    var move: NamedMove { get }
    /// What is asked beside the name.
    var extra: [JSONValue.Member] { get }
}

extension NamedMoveCommand {
    var extra: [JSONValue.Member] { [] }
    func request() throws -> [JSONValue.Member] { [.init("name", .string(move.name))] + extra }
}

/// Which move.
struct NamedMove: ParsableArguments {
    @Argument(help: "The move's name.")
    var name: String
}

struct ThrottleMoveCommand: NamedMoveCommand {
    static let verb = "throttle"
    static let configuration = CommandConfiguration(
        commandName: "throttle",
        abstract: "Change how many bytes a second are sent; 0 for as many as possible.")

    @OptionGroup var move: NamedMove

    @Argument(help: "Bytes a second.")
    var rate: Int

    @OptionGroup var agent: AgentOptions

    func validate() throws {
        guard rate >= 0 else { throw ValidationError("a rate is a number of bytes a second") }
    }

    var extra: [JSONValue.Member] { [.init("rate", .integer(Int128(rate)))] }
}

struct PauseMoveCommand: NamedMoveCommand {
    static let verb = "pause"
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Let a pre-copy rest, until `resume`; not while clients are held.")

    @OptionGroup var move: NamedMove
    @OptionGroup var agent: AgentOptions
}

struct ResumeMoveCommand: NamedMoveCommand {
    static let verb = "resume"
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a pre-copy that rests go on.")

    @OptionGroup var move: NamedMove
    @OptionGroup var agent: AgentOptions
}
