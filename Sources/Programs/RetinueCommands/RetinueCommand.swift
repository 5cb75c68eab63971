import ArgumentParser
import Control
import Glibc
import MoveGroup

/// `retinue`, whose subcommands do the work.
struct RetinueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue",
        abstract: "See which programs of this host depend on which files, programs and sockets.",
        discussion: """
            retinued, the daemon, watches the host and keeps the records; retinue asks it.

            Examples:
              retinue probe                         what this kernel allows
              retinue status                        ready? anything lost?
              retinue records nginx                 what nginx depends on
              retinue records --path '/etc/ssl/**'  who uses these files
              retinue dump > host.ndjson            everything
              retinue diff old.ndjson new.ndjson    what has changed
              retinue list web.csv db.csv           the list of the published method
              retinue advise nginx --from web.ndjson  chroot, container or machine?

            Exit status: 0 success; 1 a negative answer (not ready, nothing matches, something \
            needed is missing, two differ) or bad input; 2 a file that is not what it should be; 3 the daemon \
            cannot be reached.
            """,
        version: "retinue \(retinueVersion)",
        subcommands: [
            ProbeCommand.self, StatusCommand.self, DumpCommand.self, RecordsCommand.self, ForgetCommand.self,
            GroupCommand.self, WhyCommand.self, TransferCommand.self, AdviseCommand.self, PlanCommand.self, MoveCommand.self,
            PolicyCommand.self, ListCommand.self, DiffCommand.self,
        ])
}

/// Runs a command line and says what its exit status shall be.
///
/// - Parameter arguments: without the program's name.
public func runRetinue(_ arguments: [String]) -> Int32 {
    // A reader that leaves (`retinue dump | head`) is noticed by EPIPE wherever something is written.
    signal(SIGPIPE, SIG_IGN)
    do {
        try checkName(of: arguments.first)
        var command = try RetinueCommand.parseAsRoot(TimeWindow.joined(arguments))
        try command.run()
        return ExitStatus.success
    } catch is ReaderGone {
        return ExitStatus.success
    } catch let failure as Failure {
        Diagnostics.say(failure.message)
        for detail in failure.details { Diagnostics.write("  \(detail)\n") }
        return failure.status
    } catch let status as ExitCode {
        return status.rawValue
    } catch {
        return report(error)
    }
}

/// Refuses the name of a command that there is not, and says which it may have been.
private func checkName(of word: String?) throws(Failure) {
    guard let word, !word.hasPrefix("-") else { return }
    let names =
        RetinueCommand.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    if names.contains(word) { return }
    var near = NearNames<String>(Array(word.utf8))
    for name in names { near.offer(Array(name.utf8), name) }
    let choices = near.values.isEmpty ? names : near.values
    throw Failure(
        "there is no command \"\(word)\"; " + (near.values.isEmpty ? "there are:" : "the nearest are:"),
        details: choices)
}

/// Says what ArgumentParser has to say: help and version on stdout, a mistake on stderr.
private func report(_ error: any Error) -> Int32 {
    let text = RetinueCommand.fullMessage(for: error)
    if RetinueCommand.exitCode(for: error) == .success {
        do {
            try Output.standard.write(text + "\n")
            return ExitStatus.success
        } catch {
            return error is ReaderGone ? ExitStatus.success : ExitStatus.negative
        }
    }
    // Its own status for a wrong command line is 64; here everything that is wrong is 1.
    Diagnostics.write(text + "\n")
    return ExitStatus.negative
}

/// What the exit status of `retinue` means. Stable: scripts rely on it.
enum ExitStatus {
    /// The answer is there, and it is yes.
    static let success: Int32 = 0
    /// The answer is no, or the input was wrong.
    static let negative: Int32 = 1
    /// A file or a name that was given is not what it should be, where 1 would be an answer.
    static let badInput: Int32 = 2
    /// No daemon answers.
    static let unreachable: Int32 = 3
}

/// The end of a command: a sentence for stderr and the exit status.
struct Failure: Error, Equatable {
    let message: String
    /// What stands below the sentence, a line each, fit for a terminal: choices, names.
    let details: [String]
    let status: Int32

    init(_ message: String, details: [String] = [], status: Int32 = ExitStatus.negative) {
        self.message = message
        self.details = details
        self.status = status
    }
}

/// The reader of the output has what it wanted and left (EPIPE): an end without a word.
struct ReaderGone: Error {}
