import ArgumentParser
import Glibc
import MovePlan
import SystemCalls
import Text

struct TryPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try", abstract: "Try a plan in an empty root on this machine.",
        usage: "retinue plan try <file> [--start <command>] [--check <command>] [<options>]",
        discussion: """
            Copies what the plan has into an empty folder, as it would be at the destination after its packages were \
            installed, and starts the program there, in namespaces of its own, without a network to the outside. What \
            its programs ask for and do not find, and the host has, is added to the plan; then it is tried again, until \
            nothing is missing. The original is neither stopped nor traced, and its files are copied, never linked.

            Data that a program is writing may be copied in the middle of a change: with --freeze its programs stand \
            still as long as it is copied, and run on right after, whatever becomes of the trial. Or stop the service, \
            or try a snapshot of its files (--root). Needs root, tar, strace, unshare, nsenter and ip.

            Examples:
              retinue plan try plan.yaml --check 'curl -fs http://127.0.0.1:8080/'
              retinue plan try plan.yaml --start '/usr/sbin/nginx -g "daemon off;"' -o tried.yaml

            Exit status: 0 it runs and the check succeeds; 1 it does not; 2 bad input.
            """)

    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("Of which host: its id or name.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "What starts it, by a shell; else what the plan's first program ran with.", valueName: "command"))
    var start: String?

    @Option(
        help: ArgumentHelp(
            "Says whether it runs, by a shell of this machine in the trial's network.", valueName: "command"))
    var check: String?

    @Option(help: ArgumentHelp("How long it may take until the check succeeds.", valueName: "seconds"))
    var patience = 20.0

    @Flag(help: "Freeze the programs while what they are writing is copied.")
    var freeze = false

    @Option(
        help: ArgumentHelp("How long they are frozen at most; then the trial fails.", valueName: "seconds"))
    var freezeLimit = 60

    @Option(help: "How often it is tried at most.")
    var rounds = 10

    @Option(
        help: ArgumentHelp("Where the host's files are mounted.", valueName: "folder"), completion: .directory
    )
    var root = "/"

    @Option(
        help: ArgumentHelp("An empty folder for the trial; it is kept.", valueName: "folder"),
        completion: .directory)
    var into: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write the plan with what was missing to this file.", valueName: "file"),
        completion: .file())
    var output: String?

    enum Format: String, OutputFormat {
        case sentence, json
        static let standard = sentence
    }

    @OptionGroup var form: FormatOptions<Format>

    func validate() throws {
        guard patience > 0, patience < 86400 else {
            throw ValidationError("--patience is a number of seconds")
        }
        guard (1...3600).contains(freezeLimit) else {
            throw ValidationError("--freeze-limit is from 1 to 3600 seconds")
        }
        guard (1...1000).contains(rounds) else { throw ValidationError("--rounds is from 1 to 1000") }
    }

    func run() throws {
        do { try attempt() } catch let interruption as HeldSignals.Interrupted {
            // The trial is gone by now.
            interruption.die()
        }
    }

    private func attempt() throws {
        guard geteuid() == 0 else { throw Failure("a plan is tried as root") }
        var plan = try PlanFile.read(at: file)
        let position = try plan.position(ofHost: host)
        let trial = try PlanTrial(root: root, folder: into)
        var added: [(round: Int, path: [UInt8], program: [UInt8])] = []
        var rounds = 0
        var answer = PlanTrial.Answer.failed("it was not tried")
        for round in 1...self.rounds {
            rounds = round
            let command = try PlannedCommand(plan.hosts[position], start: start)
            answer = try trial.run(
                plan.hosts[position], command, check: check, patience: patience,
                freeze: (freeze, limit: freezeLimit))
            let more = plan.hosts[position].take(answer.lookups, root: root, trial: trial.place)
            for (path, program) in more {
                Diagnostics.say(
                    "round \(round): \(Printable.text(path)) was missing, asked for by \(Printable.text(program))"
                )
            }
            added += more.map { (round, $0.path, $0.program) }
            if more.isEmpty { break }
        }
        if let output {
            let plan = plan
            try OutputFile.write(to: output) { try $0.write(PlanFile.yaml(plan)) }
        }
        switch form.choice {
        case .sentence:
            try Output.standard.write(
                "\(answer.sentence); \(Quantity.counted(added.count, "path")) \(added.count == 1 ? "was" : "were") added to "
                    + "the plan\n")
        case .json:
            try Output.standard.write(
                PlanAnswer.trial(
                    plan.hosts[position], isRunning: answer.isRunning, sentence: answer.sentence,
                    rounds: rounds,
                    added: added, consistency: trial.consistency ?? .stop, frozen: trial.frozen))
        }
        guard answer.isRunning else { throw ExitCode(1) }
    }
}

extension Plan {
    /// The host that is meant; the only one, if none is named.
    func position(ofHost name: String?) throws(Failure) -> Int {
        let found = hosts.indices.filter { name == nil || hosts[$0].id == name || hosts[$0].name == name }
        guard let first = found.first, found.count == 1 else {
            throw Failure(
                found.isEmpty
                    ? "the plan has no host `\((name ?? "").printable)`"
                    : "the plan is of several hosts: name one by --host",
                details: hosts.map { "\($0.id) \($0.name)".printable }, status: ExitStatus.badInput)
        }
        return first
    }
}
