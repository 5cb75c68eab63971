import ArgumentParser
import Glibc
import Records
import SystemCalls

struct CheckMoveCommand: MoveStepCommand {
    static let verb = "check"
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "See what stands in the way, before anything is touched.")

    @OptionGroup var move: MoveOptions
    @OptionGroup var agent: AgentOptions
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
        guard isatty(0) == 1 else {
            throw Failure(
                "say --yes: the programs are stopped here and started there", status: ExitStatus.badInput)
        }
        for part in parts {
            let (name, to) = (part.order["name"]?.string ?? "", part.order["host"]?.string ?? "")
            Diagnostics.write("Move \(name.printable) to \(to.printable)? [y/N] ")
            guard let answer = readLine(), answer == "y" || answer == "yes" else { throw ExitCode(1) }
        }
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

struct ThrottleMoveCommand: AgentCommand {
    static let verb = "throttle"
    static let configuration = CommandConfiguration(
        commandName: "throttle",
        abstract: "Change how many bytes a second are sent; 0 for as many as possible.")

    @Argument(help: "The move's name.")
    var name: String

    @Argument(help: "Bytes a second.")
    var rate: Int

    @OptionGroup var agent: AgentOptions

    func validate() throws {
        guard rate >= 0 else { throw ValidationError("a rate is a number of bytes a second") }
    }

    func request() throws -> [JSONValue.Member] {
        [.init("name", .string(name)), .init("rate", .integer(Int128(rate)))]
    }
}
