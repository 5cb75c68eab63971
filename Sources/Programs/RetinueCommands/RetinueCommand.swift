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
              retinue top                           the same for all programs, live
              retinue dump > host.ndjson            everything
              retinue diff old.ndjson new.ndjson    what has changed
              retinue list web.csv db.csv           the list of the published method
              retinue index list.csv                its groups at once
              retinue advise nginx --from web.ndjson  chroot, container or machine?
              retinue serve --from *.ndjson         the same by HTTP, and metrics
              retinue ship --to postgresql://db/fleet   send records to a fleet's store

            Exit status: 0 success; 1 a negative answer (not ready, nothing matches, something \
            needed is missing, two differ) or bad input; 2 a file that is not what it should be; 3 the daemon \
            cannot be reached.
            """,
        version: "retinue \(retinueVersion)",
        subcommands: [
            ProbeCommand.self, StatusCommand.self, DumpCommand.self, RecordsCommand.self, WatchCommand.self,
            TopCommand.self, ForgetCommand.self,
            GroupCommand.self, WhyCommand.self, TransferCommand.self, AdviseCommand.self, PlanCommand.self,
            MoveCommand.self, ServeCommand.self, ModelContextCommand.self, ShipCommand.self,
            FleetCommand.self,
            PolicyCommand.self, ListCommand.self, IndexCommand.self, DiffCommand.self,
        ])
}

/// Runs a command line and says what its exit status shall be.
///
/// - Parameter arguments: without the program's name.
public func runRetinue(_ arguments: [String]) -> Int32 {
    // A reader that leaves (`retinue dump | head`) is noticed by EPIPE wherever something is written.
    signal(SIGPIPE, SIG_IGN)
    do {
        try FleetAccess.runElsewhere(arguments)
        try CommandName.check(arguments)
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
        let status = report(error, of: RetinueCommand.self)
        if status != ExitStatus.success, let hint = CommandName.hint(arguments) { Diagnostics.say(hint) }
        return status
    }
}

/// Names of commands, and which one may have been meant.
private enum CommandName {
    /// Refuses the name of a command that there is not, and says which it may have been.
    static func check(_ arguments: [String]) throws(Failure) {
        guard let word = arguments.first, !word.hasPrefix("-") else { return }
        if word == "help" {
            try check(arguments.dropFirst(), of: RetinueCommand.self, before: "")
        } else {
            try check(arguments.prefix(1), of: RetinueCommand.self, before: "")
        }
    }

    private static func check(
        _ words: ArraySlice<String>, of command: any ParsableCommand.Type, before: String
    ) throws(Failure) {
        guard let word = words.first, !word.hasPrefix("-"), !command.configuration.subcommands.isEmpty else {
            return
        }
        if let found = command.configuration.subcommands.first(where: { $0.configuration.commandName == word }
        ) {
            return try check(words.dropFirst(), of: found, before: before + word + " ")
        }
        let names = names(of: command) + (before.isEmpty ? ["help"] : [])
        if names.contains(word) { return }
        let near = nearest(to: word, of: names)
        throw Failure(
            "there is no command \"\(before)\(word)\"; " + (near.isEmpty ? "there are:" : "the nearest are:"),
            details: (near.isEmpty ? names : near).map { before + $0 })
    }

    /// Which command may have been meant where the line was wrong: what follows `plan` may be a program as well.
    static func hint(_ arguments: [String]) -> String? {
        guard arguments.count > 1, !arguments[1].hasPrefix("-"),
            let command = RetinueCommand.configuration.subcommands.first(where: {
                $0.configuration.commandName == arguments[0]
            })
        else { return nil }
        let names = names(of: command)
        let near = names.contains(arguments[1]) ? [] : nearest(to: arguments[1], of: names)
        return near.first.map { "did you mean retinue \(arguments[0]) \($0)?" }
    }

    private static func names(of command: any ParsableCommand.Type) -> [String] {
        command.configuration.subcommands.compactMap { $0.configuration.commandName }
    }

    private static func nearest(to word: String, of names: [String]) -> [String] {
        var near = NearNames<String>(Array(word.utf8))
        for name in names { near.offer(Array(name.utf8), name) }
        return near.values
    }
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
