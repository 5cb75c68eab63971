import ArgumentParser
import MoveGroup
import MovePlan
import SystemCalls

struct AdviseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "advise",
        abstract: "Say how lightly a program's move group can be isolated, and what that moves.",
        usage: """
            retinue advise <program> [--from <file> ...] [<options>]
            retinue advise --plan <file> [<options>]
            """,
        discussion: """
            Computes the move group of PROGRAM and says for each of its hosts what the members use of it, \
            which of chroot, container and virtual machine isolates that, why the lighter ones do not, and \
            how many bytes each of them moves. Files are looked at where they are: on this machine for its \
            own records, below DIR for a host named with --root; sizes are measured, or said to be unknown.

            Files are matched to packages where the host has dpkg or rpm, so that these can be installed \
            at the destination and only the rest needs copying. To compare, the packages' files are read.

            --destination counts what a chroot moves to a host whose files are below a folder: executables and \
            libraries that it has equal, at the same path, are taken from there.

            What no record shows decides nothing: watch for as long as the program needs to show all \
            that it does.

            Examples:
              retinue advise nginx --from web.ndjson
              retinue advise nginx --from web.ndjson db.ndjson --root db1=/mnt/db1
              retinue advise web.service --from host.ndjson --walk
              retinue advise --plan plan.yaml --destination /mnt/new
              retinue advise nginx --from web.ndjson --json | jq '.hosts[].advice'

            Exit status: as for retinue group.
            """)

    enum Format: String, OutputFormat {
        case table, json
        static let standard = table
    }

    @Argument(help: "What is to be moved.", completion: RecordCompletion.program)
    var program: String?

    @OptionGroup var plan: PlanInput

    @OptionGroup var options: GroupOptions

    @OptionGroup var roots: RootOptions

    @Flag(help: "Measure a virtual machine by looking at every file; takes minutes.")
    var walk = false

    @Option(
        help: ArgumentHelp(
            "Where the destination's files are mounted: what it has equal is counted.", valueName: "folder"),
        completion: .directory)
    var destination: String?

    @OptionGroup var format: FormatOptions<Format>

    func validate() throws { try plan.check(program: program, from: options.from) }

    func run() throws {
        if let destination, !FileProbe.isDirectory(destination) {
            throw Failure(
                "--destination \(destination.printable): no such directory", status: ExitStatus.badInput)
        }
        if let file = plan.file { return try advise(on: PlanFile.read(at: file)) }
        guard let program else { return }
        let group = try options.group(of: program, in: try options.graph(of: program), hasReasons: false)
        let roots = HostRoots(given: roots.roots, machineID: MachineID.read())
        try roots.check(against: group.graph.hosts)
        let advice = group.isolationAdvice()
        guard !advice.isEmpty else {
            throw Failure("the group has no program or file on any host: there is nothing to isolate")
        }
        let measured = try advice.map { advice in
            MeasuredAdvice(
                advice: advice,
                measure: try HostMeasure(
                    group.graph.paths(of: advice.uses), root: roots.root(of: group.graph[advice.host]),
                    walks: walk, destination: destination))
        }
        switch format.choice {
        case .table:
            let text = AdviceText(group, width: Output.standard.width())
            try Output.standard.write(text.page(measured))
        case .json: try Output.standard.write(AdviceJSON.document(group, measured))
        }
    }

    private func advise(on plan: Plan) throws {
        let roots = HostRoots(given: roots.roots, machineID: MachineID.read())
        try roots.check(against: plan.hosts)
        let advice = try PlannedAdvice(plan, roots, destination: destination, walks: walk)
        switch format.choice {
        case .table: try Output.standard.write(advice.text(width: Output.standard.width()))
        case .json: try Output.standard.write(advice.json)
        }
    }
}

/// Advice for a host, with what was measured of it.
struct MeasuredAdvice {
    var advice: IsolationAdvice
    var measure: HostMeasure
}
