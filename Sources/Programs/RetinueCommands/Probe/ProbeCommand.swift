import ArgumentParser
import KernelProbe

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Say what this kernel and these privileges allow.",
        discussion: """
            Looks at this host as retinued would at its start, and changes nothing. What is missing and \
            needed keeps retinued from starting; what is missing otherwise makes it see less, which its \
            status and its dumps then say.

            Examples:
              sudo retinue probe                   as the daemon would see it
              retinue probe --format json          for scripts

            Exit status: 0 all that is needed is there; 1 something needed is missing.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json }

    @Option(help: "How to print it.")
    var format = Format.table

    func run() throws {
        let report = ProbeReport(KernelProbe.run())
        switch format {
        case .table: try Output.standard.write(report.table(width: Terminal.width))
        case .json: try Output.standard.write(report.json)
        }
        if !report.isSufficient { throw ExitCode(ExitStatus.negative) }
    }
}
