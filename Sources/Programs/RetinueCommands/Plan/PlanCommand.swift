import ArgumentParser
import MoveGroup
import MovePlan
import SystemCalls

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Make a plan of everything that has to be at the destination.",
        discussion: """
            `retinue plan PROGRAM` computes the move group of PROGRAM and makes it complete: packages instead of \
            their files, the folders in which members have what is theirs, what configuration names, the links by \
            which files are found, the folders above them and the accounts that own them. The plan is a text to be \
            read, edited and carried out; what is not known stands in it.

            Examples:
              retinue plan nginx --from web.ndjson -o plan.yaml
              retinue plan shop.service --from *.ndjson --root db1=/mnt/db1
              retinue plan check plan.yaml
              retinue plan files plan.yaml | rsync -aHAXS --numeric-ids --modify-window=-1 --from0 --files-from=- / new:/srv/root

            Exit status: as for retinue group.
            """,
        subcommands: [
            MakePlanCommand.self, CheckPlanCommand.self, PlanFilesCommand.self, TryPlanCommand.self,
            ExportPlanCommand.self, UndoCommand.self,
        ],
        defaultSubcommand: MakePlanCommand.self)
}

struct MakePlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make", abstract: "Make the plan of a program's move group (the default).",
        usage: "retinue plan <program> [--from <file> ...] [<options>]")

    enum Format: String, OutputFormat {
        case yaml, json
        static let standard = yaml
    }

    @Argument(help: "What is to be moved.", completion: RecordCompletion.program)
    var program: String

    @OptionGroup var options: GroupOptions

    @OptionGroup var roots: RootOptions

    @Option(
        help: ArgumentHelp(
            "A file last written less than this before the end of the records is still being written.",
            valueName: "seconds"))
    var quiet = 600.0

    @Option(
        help:
            "Leave out what no record has: with `exact` only what records say, and how much that leaves out.")
    var require: PlanRequirement?

    @Flag(
        help: ArgumentHelp(
            "Install packages of pip, npm and gem anew, as far as they are unchanged and can be fetched; else their files are copied."
        ))
    var languagePackages = false

    @OptionGroup var form: FormatOptions<Format>

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    func validate() throws {
        guard quiet >= 0, quiet < 1e9 else { throw ValidationError("--quiet is a number of seconds") }
    }

    func run() throws {
        let group = try options.group(of: program, in: try options.graph(of: program), hasReasons: true)
        let roots = HostRoots(given: roots.roots, machineID: MachineID.read())
        try roots.check(against: group.graph.hosts)
        let plan = try Plan(
            of: group, program: program, roots, quiet: quiet, require: require,
            fetchesLanguagePackages: languagePackages)
        try OutputFile.write(to: output) { output in
            switch form.choice {
            case .yaml: try output.write(PlanFile.yaml(plan))
            case .json: try output.write(PlanFile.json(plan))
            }
        }
        for host in plan.hosts {
            for sentence in host.unknown {
                Diagnostics.say("\((host.name.isEmpty ? host.id : host.name).printable): \(sentence)")
            }
        }
    }
}

extension PlanRequirement: ExpressibleByArgument {}

struct CheckPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a plan that was edited, and show what was changed.",
        usage: "retinue plan check <file> [--against <file>]")

    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("The plan as it was made.", valueName: "file"), completion: .file())
    var against: String?

    enum Format: String, OutputFormat {
        case lines, json
        static let standard = lines
    }

    @OptionGroup var form: FormatOptions<Format>

    @OptionGroup var colour: ColourOptions

    func run() throws {
        let plan = try PlanFile.read(at: file)
        let changes = try against.map { PlanChanges(from: try PlanFile.read(at: $0), to: plan).lines }
        switch form.choice {
        case .lines:
            let palette = colour.palette()
            var lines = plan.hosts.map { PlanSummary(of: $0).line }
            if let changes {
                lines +=
                    changes.isEmpty
                    ? ["nothing was changed"]
                    : changes.map { palette.paint($0, PlanAnswer.meaning(ofChange: $0)) }
            }
            try Output.standard.write(painted: lines.map { $0 + "\n" }.joined())
        case .json: try Output.standard.write(PlanAnswer.check(plan, changes))
        }
    }
}

struct PlanFilesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "files",
        abstract: "Print what has to be copied, for rsync --from0 --files-from and tar --null -T.",
        usage: "retinue plan files <file> [--host <host>] [--phase <phase>] [<options>]",
        discussion: """
            Every path ends with a NUL, and comes behind the folders above it; what lies in a folder that moves \
            whole is listed, but for what is made anew. Names that are gone are not printed.
            """)

    @Argument(help: "The plan.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("Only the files of this host: its id or name.", valueName: "host"))
    var host: String?

    @Option(help: "Only this phase.")
    var phase: TransferPlan.Phase?

    @Option(
        help: ArgumentHelp("Where the host's files are mounted.", valueName: "folder"), completion: .directory
    )
    var root = "/"

    enum Format: String, OutputFormat {
        case paths0, json
        static let standard = paths0
    }

    @OptionGroup var form: FormatOptions<Format>

    func run() throws {
        let plan = try PlanFile.read(at: file)
        let host = plan.hosts[try plan.position(ofHost: host)]
        let paths = PlanContents(host, root: root).paths(
            phase.map { $0 == .preCopy ? .preCopy : .finalCopy })
        switch form.choice {
        case .paths0: try Output.standard.write(paths.flatMap { $0 + [0] })
        case .json: try Output.standard.write(PlanAnswer.files(host, paths))
        }
    }
}
