import ArgumentParser
import Glibc
import MoveGroup
import Records

struct TransferCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer",
        abstract: "Show in which order to copy the files of a move group: pre-copy and final copy.",
        usage: "retinue transfer <program> [--from <file> ...] [<options>]",
        discussion: """
            The pre-copy runs while the programs do, the final copy after they have stopped. Files that are \
            only read or were long not written come first, the large before the small; those still being \
            written come last, in the final copy. Of a file that was written before, but not lately, the rate of \
            its writes tells how likely it is written again before the pre-copy ends.

            Sizes are looked up in the files themselves: those of this host, and of others whose files are \
            mounted somewhere (--root).

            paths0 has the files of one host, since paths do not say whose they are: --host tells which, \
            where there are several.

            Examples:
              retinue transfer nginx --from *.ndjson
              retinue transfer nginx --from *.ndjson --root db1=/mnt/db1 --bandwidth 40
              retinue transfer nginx --phase pre-copy --format paths0 |
                rsync -a --from0 --files-from=- / new:/srv/root
              retinue transfer nginx --from *.ndjson --host db1 --format paths0

            Exit status: as for retinue group.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, csv, paths0 }

    @Argument(help: "What is to be moved.")
    var program: String

    @OptionGroup var options: GroupOptions

    @OptionGroup var roots: RootOptions

    @Option(help: ArgumentHelp("What the copy makes.", valueName: "MiB/s"))
    var bandwidth = 100.0

    @Option(
        help: ArgumentHelp(
            "A file last written less than this before the end of the records is still being written.",
            valueName: "seconds"))
    var quiet = 600.0

    @Option(help: "Only this phase.")
    var phase: TransferPlan.Phase?

    @Option(help: ArgumentHelp("Only the files of this host: its id, name or an address.", valueName: "host"))
    var host: String?

    @Option(help: "How to print it; paths0 ends each path with a NUL.")
    var format = Format.table

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    func validate() throws {
        guard bandwidth > 0, bandwidth.isFinite else { throw ValidationError("--bandwidth is more than 0") }
        guard quiet >= 0, quiet < 1e9 else { throw ValidationError("--quiet is a number of seconds") }
    }

    func run() throws {
        let graph = try options.graph()
        let group = try options.group(of: program, in: graph, hasReasons: false)
        let sizes = try FileSizeReader(graph, roots)
        var planning = TransferPlan.Options()
        planning.bandwidth = bandwidth * 1024 * 1024
        planning.quiet = UInt64(quiet * 1e9)
        let plan = TransferPlan(group, planning) { sizes.size(of: $0) }
        let text = try TransferText(plan, graph, phase, hosts: host.map { try graph.hosts(named: $0) })
        if format == .paths0 { try text.checkOneHost() }
        try OutputFile.write(to: output) { output in
            switch format {
            case .table: try output.write(text.table(width: Terminal.width))
            case .csv: try output.write(text.csv)
            case .paths0: try output.write(text.paths)
            }
        }
        for remark in sizes.remarks(on: plan) + text.remarks(on: group) { Diagnostics.say(remark) }
    }
}

extension TransferPlan.Phase: ExpressibleByArgument {}
